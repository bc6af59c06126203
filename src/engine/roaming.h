/* SPDX-License-Identifier: MIT */
/* Peers move: an authenticated message tells where its peer is (whitepaper 2.1). */
#ifndef ENGINE_ROAMING_H
#define ENGINE_ROAMING_H

#include "engine/inbound_entry.h"

/* No answer to this source would leave through `carrier` (NULL: the root's socket), by which the
 * peer's message came. Whoever can show us a peer's own bytes from elsewhere, an exit that tells of
 * a source inside itself, must not get its datagrams out of the tunnel that carries them (RULES
 * A8). */
bool roaming_is_astray(const struct peer *peer, const struct address *source,
                       const struct node *carrier);

/* The peer has moved to where this came from. False: it is astray, and the peer stays where it
 * was. */
bool roaming_move(struct core *core, struct peer *peer, const struct inbound_entry *entry,
                  instant_ns now);

/* Of each authenticated message. */
static inline void roaming_hear(struct core *core, struct peer *peer,
                                const struct inbound_entry *entry, instant_ns now)
{
    if (!endpoint_is_equal(&peer->endpoint, &entry->source) &&
        !roaming_move(core, peer, entry, now))
        return;
    /* Answers leave from the address that the peer spoke to (TRAPS 31). */
    if (!hop_of(peer)->carrier) {
        hop_of(peer)->path.source = entry->destination;
        hop_of(peer)->path.source_interface = entry->interface;
    }
}

#endif
