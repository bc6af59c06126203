/* SPDX-License-Identifier: MIT */
/* The daemon's side of its control socket: /run/hopwire/NAME.sock. */
#ifndef DAEMON_REQUESTS_H
#define DAEMON_REQUESTS_H

#include "daemon/daemon_state.h"

/* Where somebody removes the socket's file it is made again after a while, or `down` would find
 * nobody. 0, or -errno and a sentence in daemon->why. */
int requests_open(struct daemon *daemon);
void requests_close(struct daemon *daemon);

#endif
