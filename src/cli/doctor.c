/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cli/ask.h"
#include "cli/command.h"
#include "cli/load.h"
#include "cli/running.h"
#include "daemon/files_record.h"

#define ASK_MS 6000 /* a handshake that is lost once */
#define ANSWER_MS 5000 /* beyond the time that the daemon waits itself */
#define KEY_SHOWN 8
#define BEHIND_S 60 /* files of another machine, whose clock is a bit fast */

/* True: it is a fault. */
static bool say(const char *kind, const char *line)
{
    printf("%-6s%s\n", kind, line);
    return strcmp(kind, "fault") == 0;
}

static bool print_hops(const json_t *answer)
{
    size_t index;
    json_t *item;
    bool has_fault = false;
    json_array_foreach(json_object_get(answer, "failing"), index, item)
        has_fault |= say("fault", json_is_string(item) ? json_string_value(item) : "?");
    json_array_foreach(json_object_get(answer, "hops"), index, item)
    {
        const json_t *took = json_object_get(item, "milliseconds");
        if (json_is_number(took))
            printf("fine  %s: peer %.*s… at %s answers in %.1f ms\n",
                   ask_text(item, "tunnel", "?"), KEY_SHOWN, ask_text(item, "peer", "?"),
                   ask_text(item, "endpoint", "?"), json_number_value(took));
    }
    json_array_foreach(json_object_get(answer, "findings"), index, item)
        has_fault |= say(ask_text(item, "kind", "note"), ask_text(item, "line", "?"));
    return has_fault;
}

/* TAI64N: who has seen a later handshake answers no earlier one, and says nothing. A clock that was
 * never set stands before the files that the network came up from. */
static bool print_clock(const char *network)
{
    const char *files[RUNNING_FILES_MOST];
    char *bytes = NULL;
    size_t count = 0;
    bool has_fault = false;
    if (files_record_read(network, files, RUNNING_FILES_MOST, &count, &bytes, TEXT_UNHEARD) != 0)
        count = 0;
    for (size_t i = 0; i < count && !has_fault; i++) {
        struct stat status;
        if (stat(files[i], &status) != 0 || status.st_mtime <= time(NULL) + BEHIND_S)
            continue;
        printf("fault this host's clock is %lld s behind %s: other ends answer no handshake that "
               "is older than the last one they saw; set it\n",
               (long long)(status.st_mtime - time(NULL)), files[i]);
        has_fault = true;
    }
    free(bytes);
    return has_fault;
}

/* As every program sees it. */
static void print_name_servers(void)
{
    char line[256];
    bool has_any = false;
    FILE *file = fopen("/etc/resolv.conf", "re");
    while (file && fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n#;")] = '\0';
        if (strncmp(line, "nameserver", 10) != 0)
            continue;
        const char *server = line + 10 + strspn(line + 10, " \t");
        printf(has_any ? " %s" : "fine  /etc/resolv.conf asks %s", server);
        has_any = true;
    }
    if (file)
        fclose(file);
    printf(has_any ? "\n" : "note  /etc/resolv.conf names no server\n");
}

int doctor_main(int argc, char **argv)
{
    char name[TUNNEL_NAME_BYTES], request[32];
    if (argc != 2 || argv[1][0] == '-')
        return command_miscounted("doctor NAME", argc, argv, 1, (const char *[]){"NAME"});
    if (!load_network_name(argv[1], name))
        return COMMAND_REFUSED;
    snprintf(request, sizeof(request), "doctor %d", ASK_MS);
    json_t *answer = ask_patiently(name, request, ASK_MS + ANSWER_MS, NULL);
    if (!answer)
        return COMMAND_REFUSED;
    bool has_fault = print_hops(answer);
    has_fault |= print_clock(name);
    print_name_servers();
    json_decref(answer);
    return has_fault ? COMMAND_REFUSED : COMMAND_DONE;
}
