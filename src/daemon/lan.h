/* SPDX-License-Identifier: MIT */
/* What may count as a link's own network (RULES F1). */
#ifndef DAEMON_LAN_H
#define DAEMON_LAN_H

#include "host/kernel_route.h"

/* The host, whose addresses on the link are `own`, has one in it, and it is no wider than any LAN:
 * whoever gives out addresses can put any prefix on the link, half of the Internet too. */
bool lan_is_one(const struct prefix *prefix, const struct address *own, size_t own_count);
/* Tells of those among the prefixes that `routes` (a table's) have directly on the link. */
void lan_walk_link(struct netlink *netlink, int index, const struct kernel_route *routes,
                   size_t count, void (*tell)(void *context, const struct prefix *prefix),
                   void *context);

#endif
