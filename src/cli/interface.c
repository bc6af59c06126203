/* SPDX-License-Identifier: MIT */
/* `hopwire [-f] INTERFACE`: called, and told by its environment, as wg-quick and other programs
 * call a WireGuard in user space. */
#include <errno.h>
#include <getopt.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/background.h"
#include "cli/command.h"
#include "cli/rights.h"
#include "config/value.h"
#include "daemon/plain_interface.h"

#define USAGE "[-f|--foreground] INTERFACE"
#define PATH_BYTES 4096

struct start {
    struct plain_interface_options options;
    int pipe_end;
    char name_file[PATH_BYTES];
};

static bool tell(void *context)
{
    const struct start *start = context;
    rights_give_up(CAP_NET_BIND_SERVICE, 0); /* wg may give it port 53 or 443 later */
    return start->options.is_foreground || background_tell(start->pipe_end);
}

/* A number of a descriptor. False: the variable is set to something else. */
static bool read_descriptor(const char *variable, int *descriptor)
{
    const char *text = getenv(variable);
    char *rest;
    *descriptor = -1;
    if (!text || !*text)
        return true;
    errno = 0;
    long number = strtol(text, &rest, 10);
    if (errno || *rest || number <= STDERR_FILENO || number > 1 << 20) {
        fprintf(stderr, "hopwire: %s=%.100s: write the number of an open descriptor above 2\n",
                variable, text);
        return false;
    }
    *descriptor = (int)number;
    return true;
}

/* A word that nobody knows is as none, as it is everywhere. */
static void read_log_level(struct plain_interface_options *options)
{
    const char *level = getenv("LOG_LEVEL");
    options->least = LOG_LEVEL_NOTICE;
    if (!level)
        return;
    if (strcmp(level, "verbose") == 0 || strcmp(level, "debug") == 0)
        options->least = LOG_LEVEL_INFO;
    else if (strcmp(level, "error") == 0)
        options->least = LOG_LEVEL_WARNING;
    options->is_silent = strcmp(level, "silent") == 0;
}

/* In the background it stands elsewhere. */
static bool read_name_file(struct start *start)
{
    const char *path = getenv("WG_TUN_NAME_FILE");
    char here[PATH_BYTES] = "";
    if (!path || !*path)
        return true;
    if (*path != '/' && !getcwd(here, sizeof(here)))
        return false;
    int len = snprintf(start->name_file, sizeof(start->name_file), "%s%s%s", here,
                       *path == '/' ? "" : "/", path);
    start->options.name_file = start->name_file;
    return len > 0 && (size_t)len < sizeof(start->name_file);
}

static bool read_environment(struct start *start)
{
    struct plain_interface_options *options = &start->options;
    const char *foreground = getenv("WG_PROCESS_FOREGROUND");
    options->is_foreground |= foreground && strcmp(foreground, "1") == 0;
    options->aead_backend = getenv("HOPWIRE_AEAD");
    read_log_level(options);
    if (!read_descriptor("WG_TUN_FD", &options->tun) ||
        !read_descriptor("WG_UAPI_FD", &options->listening))
        return false;
    if (read_name_file(start))
        return true;
    fprintf(stderr, "hopwire: WG_TUN_NAME_FILE: the path is too long\n");
    return false;
}

static int run_in_background(void *context, int pipe_end)
{
    struct start *start = context;
    struct plain_interface_options *options = &start->options;
    int *ends[3] = {&start->pipe_end};
    unsigned count = 1;
    start->pipe_end = pipe_end;
    if (options->tun >= 0)
        ends[count++] = &options->tun;
    if (options->listening >= 0)
        ends[count++] = &options->listening;
    background_leave_caller(ends, count);
    return plain_interface_run(options);
}

int interface_main(int argc, char **argv)
{
    static const struct option words[] = {{.name = "foreground", .val = 'f'}, {0}};
    struct start start = {.pipe_end = -1, .options = {.ready = tell, .context = &start}};
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "+f", words, NULL)) != -1) {
        const char letter[] = {'-', (char)optopt, '\0'};
        if (option != 'f')
            return command_misused(USAGE, "%.100s is no option",
                                   optopt ? letter : argv[optind - 1]);
        start.options.is_foreground = true;
    }
    if (optind >= argc)
        return command_misused(USAGE, "INTERFACE is missing");
    if (optind + 1 < argc)
        return command_misused(USAGE, "\"%.100s\" is one argument too many", argv[optind + 1]);
    start.options.name = argv[optind];
    if (!value_is_interface_name(argv[optind]))
        return command_misused(USAGE, "%.100s: no command, and no name that an interface can have",
                               argv[optind]);
    if (!read_environment(&start))
        return COMMAND_REFUSED;
    if (!rights_suffice()) {
        fprintf(stderr, "hopwire: %s: " RIGHTS_MISSING "\n", argv[optind]);
        return COMMAND_REFUSED;
    }
    return start.options.is_foreground
               ? plain_interface_run(&start.options)
               : background_run(run_in_background, &start, "");
}
