/* SPDX-License-Identifier: MIT */
/* Kernel sockets that only hold a carried tunnel's port on an address of the interface, so that no
 * application's datagram can look like the tunnel's (RULES C1). Bound, never read. */
#ifndef DAEMON_PORTS_H
#define DAEMON_PORTS_H

#include "config/config.h"
#include "daemon/log.h"
#include "engine/engine.h"

struct ports {
    int *fds;
    size_t count;
};

/* A port that somebody holds already is logged: the engine refuses that program's datagrams
 * (port_taken). -ENOMEM. */
int ports_reserve(struct ports *ports, const struct config *config, const struct engine *engine,
                  struct log *log);
void ports_release(struct ports *ports);

/* Whether a root's socket could have the port now, in the families that the host has: 0, or
 * -errno. */
int ports_try(uint16_t port);

#endif
