/* SPDX-License-Identifier: MIT */
#include "daemon/hook_caller.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "host/small_file.h"

#define VARIABLE "HOPWIRE_HOOK" /* NAME/PROCESS/KIND/LINE, each behind a blank */
#define VALUE_BYTES 1024
#define GENERATIONS_MOST 256
#define ENVIRONMENT_BYTES_MOST (4u << 20)

/* Part of the value: the process is the one that runs the hook. */
struct caller {
    char network[TUNNEL_NAME_BYTES];
    int process;
    enum config_hook_kind kind;
    unsigned line;
};

static const char *const words[HOOK_KINDS] = {
    [HOOK_PRE_UP] = "PreUp",
    [HOOK_POST_UP] = "PostUp",
    [HOOK_PRE_DOWN] = "PreDown",
    [HOOK_POST_DOWN] = "PostDown",
};

const char *hook_caller_word(enum config_hook_kind kind)
{
    return words[kind];
}

void hook_caller_begin(const char *network, const struct config_hook *hook)
{
    char value[VALUE_BYTES];
    const char *before = getenv(VARIABLE);
    int len = snprintf(value, sizeof(value), "%s %s/%d/%s/%u", before ? before : "", network,
                       (int)getpid(), words[hook->kind], hook->place.line);
    if (len > 0 && (size_t)len < sizeof(value))
        setenv(VARIABLE, value, true);
}

void hook_caller_end(void)
{
    const char *value = getenv(VARIABLE);
    const char *last = value ? strrchr(value, ' ') : NULL;
    char *before = last ? strndup(value, (size_t)(last - value)) : NULL;
    if (!before || !*before || setenv(VARIABLE, before, true) != 0)
        unsetenv(VARIABLE);
    free(before);
}

/* The next one of the value; false: there is none, or it is nothing of ours. */
static bool next_caller(const char **at, struct caller *caller)
{
    char word[9];
    int len;
    if (!*at || sscanf(*at, " %63[^/ ]/%d/%8[A-Za-z]/%u%n", caller->network, &caller->process, word,
                       &caller->line, &len) != 4)
        return false;
    *at += len;
    for (caller->kind = 0; caller->kind < HOOK_KINDS; caller->kind++)
        if (strcmp(words[caller->kind], word) == 0)
            return true;
    return false;
}

/* 0: there is no such process, or none above it. */
static int parent_of(int process)
{
    char path[64], text[512];
    int parent = 0;
    snprintf(path, sizeof(path), "/proc/%d/stat", process);
    FILE *file = fopen(path, "re");
    size_t len = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
    if (file)
        fclose(file);
    text[len] = '\0';
    const char *state = strrchr(text, ')'); /* a program's name may have any byte in it */
    if (!state || sscanf(state, ") %*c %d", &parent) != 1)
        return 0;
    return parent;
}

static bool is_above(int process)
{
    int at = getppid();
    for (unsigned i = 0; at > 0 && at != process && i < GENERATIONS_MOST; i++)
        at = parent_of(at);
    return at > 0 && at == process;
}

bool hook_caller_is_of(const char *network)
{
    const char *at = getenv(VARIABLE);
    struct caller caller;
    while (next_caller(&at, &caller))
        if (strcmp(caller.network, network) == 0 && caller.kind != HOOK_POST_UP &&
            is_above(caller.process))
            return true;
    return false;
}

/* The last one in that process's environment: whose hook it is. */
static bool read_caller(int process, struct caller *caller)
{
    char path[64];
    bool is_one = false;
    snprintf(path, sizeof(path), "/proc/%d/environ", process);
    size_t len = 0;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    char *bytes = file < 0 ? NULL : small_file_take(file, ENVIRONMENT_BYTES_MOST, &len);
    for (const char *at = bytes; at && at < bytes + len; at += strlen(at) + 1) {
        if (strncmp(at, VARIABLE "=", sizeof(VARIABLE)) != 0)
            continue;
        const char *value = at + sizeof(VARIABLE);
        while (next_caller(&value, caller))
            is_one = true;
    }
    if (bytes)
        bytes_wipe(bytes, len);
    free(bytes);
    if (file >= 0)
        close(file);
    return is_one;
}

bool hook_caller_tell(const char *network, struct text *text)
{
    DIR *processes = opendir("/proc");
    bool is_found = false;
    for (struct dirent *entry; processes && !is_found && (entry = readdir(processes));) {
        struct caller caller;
        int process = atoi(entry->d_name);
        is_found = process > 0 && read_caller(process, &caller) &&
                   strcmp(caller.network, network) == 0 && parent_of(process) == caller.process;
        if (is_found)
            text_append(text, "its %s in line %u runs, as process %d, and is waited for: `kill %d` "
                              "ends it",
                        words[caller.kind], caller.line, process, process);
    }
    if (processes)
        closedir(processes);
    return is_found;
}
