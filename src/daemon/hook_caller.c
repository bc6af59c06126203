/* SPDX-License-Identifier: MIT */
#include "daemon/hook_caller.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config_data.h"

#define VARIABLE "HOPWIRE_HOOK" /* NAME/PROCESS, each behind a blank */
#define VALUE_BYTES 1024
#define GENERATIONS_MOST 256

void hook_caller_begin(const char *network)
{
    char value[VALUE_BYTES];
    const char *before = getenv(VARIABLE);
    int len = snprintf(value, sizeof(value), "%s %s/%d", before ? before : "", network,
                       (int)getpid());
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
    char name[TUNNEL_NAME_BYTES];
    const char *at = getenv(VARIABLE);
    int process, len;
    while (at && sscanf(at, " %63[^/ ]/%d%n", name, &process, &len) == 2) {
        if (strcmp(name, network) == 0 && is_above(process))
            return true;
        at += len;
    }
    return false;
}
