/* SPDX-License-Identifier: MIT */
/* Outbound, second step: seal and emit. The batch is sealed once a hop, in place; between two hops
 * the carrier's IP and UDP headers are pushed in front of the same bytes. */
#ifndef ENGINE_OUTBOUND_H
#define ENGINE_OUTBOUND_H

#include "engine/staging.h"

#define OUTBOUND_TURN_PACKETS HOP_TURN_PACKETS
/* Beyond them: fragments, handshakes of carried tunnels, what waited for a session. Only what is
 * cut on its way (RULES C6) grows in a batch: hop.h's turn_packets keeps it within these. */
#define OUTBOUND_MOST 320

/* A packet that goes out. `peer` is whose session seals it next; NULL: it has left the tree (sent,
 * staged or dropped). */
struct outbound_entry {
    struct packet *packet;
    struct peer *peer;
    const struct udp_path *path; /* set when it is sealed for a root: ready to send */
    uint32_t desc;               /* in this pass */
    bool is_released;            /* it has waited for this hop's session */
    uint32_t cut_bytes;          /* it is to be cut into fragments of so much (C6); 0: whole */
};

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

/* Appends an empty packet. */
void outbound_keepalive(struct outbound *outbound, struct peer *peer);

/* Sends a message of the tunnel itself (a handshake, a cookie) to an endpoint: as plaintext of
 * `carrier`, an entry of the batch (call outbound_run), or, where that is NULL, to the root's
 * socket by `path`, which lives until the actions are performed. */
void outbound_message(struct outbound *outbound, struct node *node, struct node *carrier,
                      const struct endpoint *to, const struct udp_path *path, const uint8_t *bytes,
                      size_t len, struct actions *actions);

#endif
