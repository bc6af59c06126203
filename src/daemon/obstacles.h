/* SPDX-License-Identifier: MIT */
/* Why `up` would refuse on this host, though the configuration is right. */
#ifndef DAEMON_OBSTACLES_H
#define DAEMON_OBSTACLES_H

#include "config/config.h"

/* Looks without changing anything: a name, a port or a device that `up` could not get. Appends a line
 * for each; false: there is at least one. A lack of rights is none: `check` needs none. */
bool obstacles_append(const struct config *config, struct text *text);
/* What the network holds while it is up, and gives back before it is replaced. */
#define OBSTACLES_PORTS_MOST 64
struct obstacles_held {
    int interface_index;
    uint16_t ports[OBSTACLES_PORTS_MOST];
    size_t port_count;
};
/* The same, for a configuration that shall take the place of a network that is up. */
bool obstacles_beside(const struct config *config, const struct obstacles_held *held,
                      struct text *text);
/* The network is up here, and a second `up` would refuse: no obstacle, since it was none before. */
bool obstacles_is_up(const struct config *config);

#endif
