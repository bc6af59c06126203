/* SPDX-License-Identifier: MIT */
/* What outbound and cutting share. */
#ifndef ENGINE_OUTBOUND_ENTRY_H
#define ENGINE_OUTBOUND_ENTRY_H

#include "engine/core.h"

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

#endif
