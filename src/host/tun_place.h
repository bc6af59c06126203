/* SPDX-License-Identifier: MIT */
/* Where a TUN interface is by now: its descriptor works on when it is moved into another network
 * namespace, under whatever name (RULES H5). */
#ifndef HOST_TUN_PLACE_H
#define HOST_TUN_PLACE_H

#include <stdint.h>

#include "host/link.h"

struct tun_place {
    uint64_t own; /* our namespace */
};

void tun_place_init(struct tun_place *place);
/* What the interface of the descriptor is like there. From then on watch_open_ways hears of that
 * namespace, too. 0, or -errno and a sentence. */
int tun_place_link(const struct tun_place *place, struct netlink *netlink, int tun,
                   struct link *found, struct text *why);

#endif
