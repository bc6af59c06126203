/* SPDX-License-Identifier: MIT */
/* What the engine's lanes share: the tree, where buffers and keys come from, and what is counted.
 * Each lane's own state stands in its header (plan.h, outbound.h, inbound.h, handshakes.h,
 * own_socket.h); lanes.h puts them together. */
#ifndef ENGINE_CORE_H
#define ENGINE_CORE_H

#include "base/log_sink.h"
#include "crypto/aead.h"
#include "engine/tree.h"
#include "packet/pool.h"

enum packet_kind {
    PACKET_DATA = 0,
    PACKET_KEEPALIVE,
    PACKET_HANDSHAKE, /* a carried tunnel's initiation, on its way through its carriers */
};

struct core {
    const struct memory *memory;
    struct pool *pool;
    struct aead *aead;
    const struct random_source *random;
    struct log_sink log;

    struct tree tree;
    struct heap deadlines;        /* of all peers */
    instant_ns path_mtu_deadline; /* never later than when the first way is tried again */
    struct list wants_handshake;  /* hops: the lanes fill it, handshakes empties it */
    bool is_up;
    uint64_t drops[VERDICT_COUNT]; /* before a tunnel was known */
};

/* Counts dropped packets: at the tunnel, or at the network while none is known. */
static inline void core_count_many(struct core *core, struct node *node, enum verdict verdict,
                                   uint64_t packets)
{
    (node ? node->drops : core->drops)[verdict] += packets;
}

static inline void core_count(struct core *core, struct node *node, enum verdict verdict)
{
    core_count_many(core, node, verdict, 1);
}

/* Counts it and gives its buffer back. */
static inline void core_drop(struct core *core, struct node *node, struct packet *packet,
                             enum verdict verdict)
{
    core_count(core, node, verdict);
    pool_give_packet(core->pool, packet);
}

/* A timer was armed: the engine's deadline may only move closer here. A deadline that moved away is
 * found out when it comes, so a packet seldom touches the heap. */
static inline void core_touch_deadline(struct core *core, struct peer *peer)
{
    instant_ns next = timers_next(&peer->timers);
    if (!peer->deadline.place || next < peer->deadline.deadline)
        heap_set(&core->deadlines, &peer->deadline, next);
}

/* Makes a peer's timer fire at this instant. */
static inline void core_hurry(struct core *core, struct peer *peer, instant_ns *timer,
                              instant_ns at)
{
    *timer = at;
    core_touch_deadline(core, peer);
}

static inline void core_want_handshake(struct core *core, struct peer *peer)
{
    struct hop *hop = hop_of(peer);
    if (list_is_empty(&hop->wanting))
        list_append(&core->wants_handshake, &hop->wanting);
}

#endif
