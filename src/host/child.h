/* SPDX-License-Identifier: MIT */
/* A process that the caller started, and its end. */
#ifndef HOST_CHILD_H
#define HOST_CHILD_H

#include <poll.h>
#include <stdbool.h>
#include <sys/types.h>

#define CHILD_OTHERS_MOST 2

/* Waits until the child has ended: true, and it is still to be waited for by waitpid; or until
 * something came to one of the others, which then have their revents, or the time is over (-1: it
 * never is). Also where the kernel, or a container's list of calls, has no pidfd_open. */
bool child_wait(pid_t child, struct pollfd *others, unsigned count, int timeout_ms);

#endif
