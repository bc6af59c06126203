/* SPDX-License-Identifier: MIT */
/* The files that a network runs from, by its name alone. */
#ifndef CLI_RUNNING_H
#define CLI_RUNNING_H

#include <stdbool.h>
#include <stddef.h>

#define RUNNING_FILES_MOST 16

struct running {
    const char *files[RUNNING_FILES_MOST]; /* whole paths, in `bytes` */
    size_t count;                          /* at least one */
    char *bytes;                           /* to be freed */
};

/* False: it is not up, or they cannot be read again; that was printed. `command` is what takes
 * them: "reload". */
bool running_read(const char *argument, const char *command, struct running *running);

#endif
