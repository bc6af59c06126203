/* SPDX-License-Identifier: MIT */
#include "cli/running.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/load.h"
#include "daemon/files_record.h"
#include "host/life.h"

/* Of a process that has ended, nobody finds it again. */
static bool is_pipe(const char *path)
{
    return strncmp(path, "/dev/fd/", 8) == 0 || strncmp(path, "/proc/", 6) == 0;
}

bool running_read(const char *argument, const char *command, struct running *running)
{
    char name[TUNNEL_NAME_BYTES];
    struct text why = TEXT_ROOM(512);
    if (!load_network_name(argument, name))
        return false;
    if (!life_goes_on(name)) {
        ask_say_not_up(name);
        return false;
    }
    *running = (struct running){0};
    int known = files_record_read(name, running->files, RUNNING_FILES_MOST, &running->count,
                                  &running->bytes, &why);
    bool is_readable = known == 0 && running->count > 0;
    for (size_t i = 0; i < running->count; i++)
        is_readable &= !is_pipe(running->files[i]);
    if (is_readable)
        return true;
    fprintf(stderr, "hopwire: %s: %s; name the file: `hopwire %s FILE`\n", name,
            why.len ? why.bytes : "what it was read from cannot be read again", command);
    free(running->bytes);
    return false;
}
