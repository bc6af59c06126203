/* SPDX-License-Identifier: MIT */
/* Outbound, second step: seal and emit. The batch is sealed once a hop, in place; between two hops
 * the carrier's IP and UDP headers are pushed in front of the same bytes. */
#ifndef ENGINE_OUTBOUND_H
#define ENGINE_OUTBOUND_H

#include "engine/outbound_entry.h"
#include "engine/staging.h"

struct outbound {
    struct core *core;
    struct outbound_entry entries[OUTBOUND_MOST];
    size_t count;
    struct aead_desc seals[OUTBOUND_MOST];
    struct staging staging;
};

static inline bool outbound_is_full(const struct outbound *outbound)
{
    return outbound->count == OUTBOUND_MOST;
}

/* The one way into the batch, which is not full: a packet, taken, as plaintext for this peer. */
static inline struct outbound_entry *outbound_append(struct outbound *outbound,
                                                     struct packet *packet, struct peer *peer)
{
    struct outbound_entry *entry = &outbound->entries[outbound->count++];
    *entry = (struct outbound_entry){.packet = packet, .peer = peer};
    return entry;
}

/* Seals all of the batch through every hop and lists what is to be sent, in order; then what was
 * released, as far as the list has room. What has no session is staged, and its peer listed for a
 * handshake. */
void outbound_run(struct outbound *outbound, instant_ns now, struct actions *actions);

/* ---- between two turns ---- */

/* The peer goes: all that waits for it is dropped. */
void outbound_let_go(struct outbound *outbound, struct peer *peer);
/* Its way is another now: of what waits for it, what has too little room for its headers. */
void outbound_let_go_of_cramped(struct outbound *outbound, struct peer *peer);
/* Gives the batch's buffers back. */
void outbound_wipe(struct outbound *outbound);

/* ---- the tunnel's own ---- */

/* Appends an empty packet. */
void outbound_keepalive(struct outbound *outbound, struct peer *peer);

/* Sends a message of the tunnel itself (a handshake, a cookie) to an endpoint: as plaintext of
 * `carrier`, an entry of the batch (call outbound_run), or, where that is NULL, to the root's
 * socket by `path`, which lives until the actions are performed. */
void outbound_message(struct outbound *outbound, struct node *node, struct node *carrier,
                      const struct endpoint *to, const struct udp_path *path, const uint8_t *bytes,
                      size_t len, struct actions *actions);

#endif
