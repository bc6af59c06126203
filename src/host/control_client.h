/* SPDX-License-Identifier: MIT */
/* The other side of a control socket. */
#ifndef HOST_CONTROL_CLIENT_H
#define HOST_CONTROL_CLIENT_H

#include <sys/types.h>

#include "base/text.h"

/* Sends `request` and a newline (it may hold several lines), with a copy of the descriptor `passed`
 * (-1: none), and reads the answer to its end. *answer is malloc's and NUL-terminated, the caller
 * frees it. -ENOENT, -ECONNREFUSED: nobody listens. -ETIMEDOUT: `timeout_ms` in all. 0, or -errno
 * and a sentence. */
int control_client_ask(const char *path, const char *request, int passed, unsigned timeout_ms,
                       char **answer, size_t *answer_bytes, struct text *why);
/* Who listens there: its process id; 0: one that cannot be seen from here; -errno: nobody. */
pid_t control_client_listener(const char *path);

#endif
