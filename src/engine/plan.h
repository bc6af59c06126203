/* SPDX-License-Identifier: MIT */
/* Outbound, first step: which tunnel and peer a packet from the TUN takes, whether it may, what it
 * looks like there, cut into segments with headroom for the whole path. In order; once a super-packet. */
#ifndef ENGINE_PLAN_H
#define ENGINE_PLAN_H

#include "engine/core.h"

/* Plans the packet, or goes on with it, and appends its segments to engine->outbound. False: the turn's
 * batch is full before the packet is finished. */
bool plan_packet(struct engine *engine, const struct vnet_header *vnet, uint8_t *bytes, size_t len,
                 instant_ns now, struct actions *actions);

/* The decision alone, for a destination (`hopwire route`): the node, its peer, or why not. */
enum verdict plan_destination(const struct engine *engine, enum family family,
                              const uint8_t *destination, struct node **node, struct peer **peer);

#endif
