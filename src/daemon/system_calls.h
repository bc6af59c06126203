/* SPDX-License-Identifier: MIT */
/* The system calls that the process that parses packets needs, once its network stands (RULES I5):
 * reading and writing what it has, sockets, netlink, files, memory, time, signals. The rest fails:
 * whoever takes the process over by a packet starts no program, loads no module, traces nobody. */
#ifndef DAEMON_SYSTEM_CALLS_H
#define DAEMON_SYSTEM_CALLS_H

#include <sys/types.h>

#include "base/text.h"

/* Of the calling process and whatever it forks, for good; a call that is not on the list fails with
 * EPERM, one that is newer than the list with ENOSYS, which libraries take as an old kernel's. Does
 * nothing where HOPWIRE_NO_SECCOMP is set. `child` is the one process that it may end; 0: none. 0,
 * or -errno and a sentence. */
int system_calls_limit(pid_t child, struct text *why);

#endif
