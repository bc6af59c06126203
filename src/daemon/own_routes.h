/* SPDX-License-Identifier: MIT */
/* The network's routes in the host's tables, and what others take of them. */
#ifndef DAEMON_OWN_ROUTES_H
#define DAEMON_OWN_ROUTES_H

#include "daemon/daemon_state.h"

/* Lays what the engine's routes and the guard's exceptions come to, as the tables stand: the first
 * time all of it. 0, or -errno and a sentence in daemon->why. */
int own_routes_lay(struct daemon *daemon);
/* What an event says of them: `is_taken`: something of the interface's own went, or came back. What
 * the kernel takes with an address or with the link it does not tell route by route. */
void own_routes_hear(struct daemon *daemon, const struct watch_event *event, bool is_taken);

#endif
