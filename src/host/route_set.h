/* SPDX-License-Identifier: MIT */
/* Routes of ours in the kernel's tables: what a network's entries come to, and the way from what
 * stands to what is wanted. */
#ifndef HOST_ROUTE_SET_H
#define HOST_ROUTE_SET_H

#include "host/kernel_route.h"
#include "host/routing_data.h"
#include "host/routing_entries.h"

/* malloc's, the caller frees the routes. */
struct route_set {
    struct kernel_route *routes;
    size_t count;
};

/* Empty, with room for what so many entries come to. 0, or -ENOMEM and a sentence. */
int route_set_init(struct route_set *set, size_t entries, struct text *why);
/* Adds what one entry comes to, where so many halves have one (routing_entries_halves). */
void route_set_want(struct route_set *set, const struct routing *routing, unsigned halves,
                    const struct routing_entry *entry);
/* The sorted set's route at the same place in the kernel, or NULL. */
struct kernel_route *route_set_find(const struct route_set *sorted,
                                    const struct kernel_route *route);
/* Lays what is wanted and does not stand so, then removes what stands and is not wanted: in the
 * order in which nothing leaks. Sorts both. The first refusal ends it. 0, or -errno and a
 * sentence. */
int route_set_change(struct netlink *netlink, struct route_set *standing, struct route_set *wanted,
                     struct text *why);

#endif
