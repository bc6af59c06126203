/* SPDX-License-Identifier: MIT */
/* The part of a difference that is about the peers of one tunnel. Private to this room. */
#ifndef CONFIG_DIFFERENCE_PEERS_H
#define CONFIG_DIFFERENCE_PEERS_H

#include "config/difference_list.h"

/* One tunnel in both configurations. */
struct difference_tunnel {
    const struct tunnel_description *before, *after;
    const struct config_tunnel *notes; /* of `after` */
    const struct tunnel_description *running; /* what it has become; NULL: as `before` */
};

void difference_peers_find(struct difference_list *list, const struct difference_tunnel *tunnel);

#endif
