/* SPDX-License-Identifier: MIT */
/* What may count as a link's own network (RULES F1). */
#ifndef DAEMON_LAN_H
#define DAEMON_LAN_H

#include "host/kernel_route.h"

/* Tells of the prefixes that `routes` (a table's) have directly on the link, as far as the host has
 * an address there in them and none is wider than any LAN is: whoever gives out addresses can put
 * any prefix on the link, half of the Internet too. */
void lan_walk_link(struct netlink *netlink, int index, const struct kernel_route *routes,
                   size_t count, void (*tell)(void *context, const struct prefix *prefix),
                   void *context);

#endif
