/* SPDX-License-Identifier: MIT */
/* The host's ways to the roots' endpoints, and what MTU follows from them (RULES E1, F8). */
#ifndef DAEMON_ROOT_WAYS_H
#define DAEMON_ROOT_WAYS_H

#include "engine/engine.h"
#include "host/netlink.h"

/* One root's way as last seen: a change of device or source means that its network changed. */
struct root_way {
    uint32_t mtu_bytes;      /* of the tunnel */
    uint32_t link_mtu_bytes; /* that follows from; 0: no way is known */
    enum family family;      /* of the endpoint at its end */
    int interface_index;
    struct address source;
    int error; /* -errno: the kernel could not say just now */
};

/* Where the socket of the root sends to now, or those of all roots (-1); not what leaves inside a
 * fellow (RULES A8). *endpoints is malloc's; NULL: no memory. */
size_t root_ways_endpoints(const struct engine *engine, int root, struct endpoint **endpoints);
/* The way of one root by its peers' endpoints: the smallest MTU counts. `endpoints` of
 * FAMILY_NONE are unknown yet. Without a route the Internet's common MTU stands. */
struct root_way root_ways_find(struct netlink *netlink, uint32_t mark,
                               const struct endpoint *endpoints, size_t count);

/* Each peer of the root that is answered from where it spoke to: once no way leads to it from there
 * by the interface that it came in at, the kernel chooses anew. */
void root_ways_check_sources(struct netlink *netlink, struct engine *engine, uint32_t root,
                             uint32_t mark);

/* Where the configuration sets an MTU that the way cannot take in one piece, appends a sentence
 * with what to write instead. False: it fits, or is computed, or no way is known. */
bool root_ways_tell_excess(const struct tunnel_description *root, const struct root_way *way,
                           struct text *text);

#endif
