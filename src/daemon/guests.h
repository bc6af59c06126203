/* SPDX-License-Identifier: MIT */
/* The host's own guests: the prefixes of bridges that lead to containers and virtual machines of
 * this host and nowhere else. They are reached past the tunnels, also under a kill switch; what
 * guests send elsewhere goes where the host's own packets go (RULES F1, F4). */
#ifndef DAEMON_GUESTS_H
#define DAEMON_GUESTS_H

#include "base/prefix.h"
#include "host/bridge.h"

#define GUESTS_TEXT_BYTES 512

struct guests {
    struct bridge *bridges; /* those that have a prefix */
    size_t bridge_count;
    struct prefix *prefixes;
    int *owners; /* the place of each prefix's bridge */
    size_t prefix_count;
};

/* Finds them anew; what cannot be found out is left out. A bridge on the host's way to the world,
 * or one of `uplinks`, is none: there a guest is the router. */
void guests_find(struct guests *guests, struct netlink *netlink, const int *uplinks,
                 size_t uplink_count);
bool guests_have_bridge(const struct guests *guests, int index);
/* "docker0 172.17.0.0/16, virbr0 192.168.122.0/24"; nothing where there are none. */
void guests_describe(const struct guests *guests, struct text *text);
void guests_wipe(struct guests *guests);

#endif
