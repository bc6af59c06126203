/* SPDX-License-Identifier: MIT */
/* Inbound, last step: what may come out of a tunnel, and where it goes (RULES C4, C6). */
#ifndef ENGINE_ACCEPT_H
#define ENGINE_ACCEPT_H

#include "engine/core.h"

enum accept_road {
    ACCEPT_REFUSED,  /* see the verdict */
    ACCEPT_CARRIED,  /* a datagram for a virtual socket: entry's packet, node, carrier and source are
                      * set for the next pass */
    ACCEPT_CONSUMED, /* the program's own, or a fragment that is held: the packet may go */
    ACCEPT_TUN,      /* translated, goes to the TUN with `view` */
};

/* What the tables say about a source: most packets of a batch have that of the one before. No command
 * changes the tables within a batch. */
struct accept_source {
    const struct node *node; /* NULL: nothing was asked yet */
    struct address address;
    const struct peer *peer; /* of the node's, whose AllowedIPs have it; or NULL */
    int route;               /* index of the tunnel that leads to it, or negative */
    bool is_out_of_scope;    /* RULES F6 */
};

/* Judges the plaintext of `peer` in entry->packet (opened, header and tag gone, not empty, `tos` that of the
 * datagram it came in). Changes the packet in place. `source` is zero at a batch's start.
 * `released` (empty before) is the caller's then: fragments that waited for this one and go to the
 * TUN before it (RULES C5). */
enum accept_road accept_packet(struct engine *engine, struct inbound_entry *entry,
                               const struct peer *peer, instant_ns now,
                               struct accept_source *source, struct ip_view *view,
                               struct packet_queue *released, enum verdict *verdict);
/* The same for a released fragment, whose way to the TUN is decided. */
enum verdict accept_released(const struct engine *engine, const struct node *node,
                             struct accept_source *source, struct packet *packet,
                             struct ip_view *view);

#endif
