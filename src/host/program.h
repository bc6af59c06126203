/* SPDX-License-Identifier: MIT */
/* Other people's programs, run to their end or to ours: none is waited for without a bound. */
#ifndef HOST_PROGRAM_H
#define HOST_PROGRAM_H

#include "base/text.h"

#define PROGRAM_PATH_BYTES 512

/* Looks on PATH, and then where a system keeps its programs: the PATH of a cron job or a unit may
 * lack /sbin. False: there is none. */
bool program_find(const char *name, char path[PROGRAM_PATH_BYTES]);

/* Runs arguments[0], `input` (shorter than a pipe holds) on its standard input. 0: it said that it
 * was well. Else -errno and a sentence, "NAME ARGUMENT did not PURPOSE: …", with what it said:
 * -ENOENT: there is none; -EIO: it failed; -ETIMEDOUT: it was killed, with all of its group. */
int program_run(const char *const *arguments, const char *input, int timeout_ms,
                const char *purpose, struct text *why);

#endif
