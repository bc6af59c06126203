/* SPDX-License-Identifier: MIT */
/* Outbound, first step: which tunnel and peer a packet from the TUN takes, whether it may, what it
 * looks like there, cut into segments with headroom for the whole path. In order; once a
 * super-packet. */
#ifndef ENGINE_PLAN_H
#define ENGINE_PLAN_H

#include "engine/core.h"
#include "packet/offload.h"

struct outbound;
struct own_sockets;

struct plan {
    struct core *core;
    struct outbound *outbound;             /* where the segments go */
    const struct own_sockets *own_sockets; /* whose ports nobody else's datagrams may have */

    /* What of a super-packet is still to be cut. */
    bool is_active;
    bool must_fragment; /* RULES D5 */
    struct split split;
    struct node *node;
    struct peer *peer;

    /* The last destination of this turn and where it led to: two lookups cost as much as the rest
     * of a small packet. FAMILY_NONE: none yet. */
    struct address last_destination;
    struct node *last_node;
    struct peer *last_peer;
};

/* Plans the packet, or goes on with it, and appends its segments to the outbound batch. False: the
 * turn's batch is full before the packet is finished. */
bool plan_packet(struct plan *plan, const struct vnet_header *vnet, uint8_t *bytes, size_t len,
                 instant_ns now, struct actions *actions);
/* The tree changes: what of a super-packet is still to be cut is dropped with the next call. */
void plan_forget(struct plan *plan);
/* The peer goes: the same where that is what was still to be cut for. */
void plan_let_go(struct plan *plan, const struct peer *peer);
/* The turn ends: until the next one the tree may change. */
void plan_end_turn(struct plan *plan);

/* The decision alone, for a destination (`hopwire route`): the node, its peer, or why not. */
enum verdict plan_destination(const struct core *core, enum family family,
                              const uint8_t *destination, struct node **node, struct peer **peer);

#endif
