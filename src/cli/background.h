/* SPDX-License-Identifier: MIT */
/* A command that returns when what it started works, and leaves that running. */
#ifndef CLI_BACKGROUND_H
#define CLI_BACKGROUND_H

#include <stdbool.h>

/* Forks. The child does `run` and ends with its result; it has to call background_tell with
 * `pipe_end` when it is ready. The command's exit status: 0 once it has, else 1; a signal ends it,
 * once the child has heard that nobody waits and has ended. `advice` follows the sentence about a
 * child that was killed. */
int background_run(int (*run)(void *context, int pipe_end), void *context, const char *advice);
/* True: the command heard it and returns; standard streams lead nowhere from now on. False: it is
 * gone. `pipe_end` -1: nobody waits, true. */
bool background_tell(int pipe_end);
/* What the caller has open (a lock of `flock`, say) and where it stands is not the child's; of its
 * descriptors only standard streams and `ends` are, which are moved. */
void background_leave_caller(int *const *ends, unsigned count);

#endif
