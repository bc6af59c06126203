/* SPDX-License-Identifier: MIT */
/* The file of a local socket, and who listens there. */
#ifndef HOST_CONTROL_LISTENER_H
#define HOST_CONTROL_LISTENER_H

#include <sys/un.h>

#include "base/text.h"

/* 0, or -ENAMETOOLONG and a sentence. */
int control_listener_address(const char *path, struct sockaddr_un *address, struct text *why);
/* Listens there, where nothing may be; 0600. A descriptor, or -errno. */
int control_listener_open(const struct sockaddr_un *address);
/* 0: a local socket that listens, non-blocking from now on; else -EINVAL and a sentence. */
int control_listener_check(int fd, struct text *why);

/* A socket at which nobody listens goes; 0 also where there is none. -EADDRINUSE and a sentence:
 * somebody does, or it is no socket. */
int control_listener_remove_stale(const char *path, struct text *why);

/* A connection to whoever listens there, not blocking, as one that has stopped may have a full
 * queue. A descriptor, or -errno; a sentence only for -ENAMETOOLONG. */
int control_listener_connect(const char *path, struct text *why);

#endif
