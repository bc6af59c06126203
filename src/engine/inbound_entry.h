/* SPDX-License-Identifier: MIT */
/* What inbound and handshakes share. */
#ifndef ENGINE_INBOUND_ENTRY_H
#define ENGINE_INBOUND_ENTRY_H

#include "engine/core.h"

/* A datagram that came in: at `node`'s (virtual) socket. `packet` NULL: done. */
struct inbound_entry {
    struct packet *packet;
    struct node *node;
    struct node *carrier;    /* out of whose plaintext; NULL: at the root's socket */
    struct session *session; /* found by sorting; checked again before it is used */
    struct endpoint source;
    struct address destination;
    uint32_t interface;
    uint32_t desc;
};

#endif
