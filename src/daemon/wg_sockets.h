/* SPDX-License-Identifier: MIT */
/* The sockets at which `wg` finds the network's tunnels (uapi.h). What keeps one from being made is
 * told; the network stands without it. */
#ifndef DAEMON_WG_SOCKETS_H
#define DAEMON_WG_SOCKETS_H

#include "daemon/daemon_state.h"

/* What the state file must name before wg_sockets_open makes it. */
void wg_sockets_note(struct daemon *daemon);
void wg_sockets_open(struct daemon *daemon);
/* Tunnels came, went, or are called otherwise. */
void wg_sockets_follow(struct daemon *daemon);
void wg_sockets_close(struct daemon *daemon);

#endif
