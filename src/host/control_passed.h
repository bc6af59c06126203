/* SPDX-License-Identifier: MIT */
/* Bytes over a local socket, with an open file of the sender's. Private to the control sockets. */
#ifndef HOST_CONTROL_PASSED_H
#define HOST_CONTROL_PASSED_H

#include <stddef.h>
#include <sys/types.h>

/* As send(2): the other end gets a copy of the descriptor `passed` with the first byte; -1:
 * none. */
ssize_t control_passed_send(int socket, const char *bytes, size_t len, int passed);
/* As recv(2). Of the descriptors that came with the bytes the last one is *passed, which is closed
 * before if there was one; -1: none. */
ssize_t control_passed_receive(int socket, char *bytes, size_t room, int *passed);

#endif
