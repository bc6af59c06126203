/* SPDX-License-Identifier: MIT */
/* What waits for a session (RULES C7): each peer's newest packets, bounded, all together at most a
 * quarter of the pool; a session that works releases them, before anything newer. */
#ifndef ENGINE_STAGING_H
#define ENGINE_STAGING_H

#include "engine/core.h"

struct staging {
    struct core *core;
    struct list releasing; /* hops with a session whose stage empties, in order */
    size_t packets;        /* over all peers */
};

/* Takes the packet, whose peer has no session, or older ones that still wait: kept or refused, and
 * the peer listed for a handshake. */
void staging_add(struct staging *staging, struct peer *peer, struct packet *packet);
/* What waits for this peer's session, which works now, goes with the next outbound_run: all of it,
 * in order, before anything newer, in as many turns as it takes. */
void staging_release(struct staging *staging, struct peer *peer);
/* Drops all that waits for this peer's session. */
void staging_drop(struct staging *staging, struct peer *peer, enum verdict verdict);
/* Of what waits for this peer's session, the oldest `most` that `is_gone` names; the others keep
 * their order. */
struct staging_choice {
    bool (*is_gone)(const struct packet *packet, const void *context);
    const void *context;
    size_t most;
    enum verdict verdict;
};
void staging_drop_chosen(struct staging *staging, struct peer *peer,
                         const struct staging_choice *choice);

/* The node leaves its carrier: what its virtual socket there sent is dropped wherever it waits for
 * the carrier's peers (RULES I3). */
void staging_let_go_of_socket(struct staging *staging, const struct node *node);

/* The oldest of the peer's, who has one. */
static inline struct packet *staging_take(struct staging *staging, struct peer *peer)
{
    staging->packets--;
    return packet_queue_take(&peer->stage);
}

#endif
