/* SPDX-License-Identifier: MIT */
/* Inbound, last step: what may come out of a tunnel, and where it goes (RULES C4, C6). */
#ifndef ENGINE_ACCEPT_H
#define ENGINE_ACCEPT_H

#include "engine/reassemblies.h"
#include "engine/inbound_entry.h"

struct echoes;
struct own_sockets;

enum accept_road {
    ACCEPT_REFUSED, /* see the verdict */
    ACCEPT_CARRIED, /* a datagram for a virtual socket: entry's packet, node, carrier and source are
                     * set for the next pass */
    ACCEPT_CONSUMED, /* the program's own, or a fragment that is held: the packet may go */
    ACCEPT_TUN,      /* translated, goes to the TUN with `view` */
};

/* What the tables say about a source: most packets of a batch have that of the one before. No
 * command changes the tables within a batch. */
struct accept_source {
    const struct node *node; /* NULL: nothing was asked yet */
    struct address address;
    const struct peer *peer; /* of the node's, whose AllowedIPs have it; or NULL */
    int route;               /* index of the tunnel that leads to it, or negative */
    bool is_out_of_scope;    /* RULES F6 */
};

/* A pass's acceptance, packet by packet. */
struct accept {
    struct core *core; /* these and `source` (zero): set at the start of the pass */
    struct reassemblies *reassemblies;
    struct own_sockets *own_sockets;
    struct echoes *echoes;
    instant_ns now;
    struct accept_source source;
    struct inbound_entry *entry; /* these two for each packet: whose plaintext it is */
    const struct peer *peer;
    /* What was found out: */
    struct ip_view view;
    enum verdict verdict;
    struct packet_queue released; /* the caller's then: fragments that waited for this one, and go
                                   * to the TUN before it (RULES C5) */
};

/* Judges the plaintext in entry->packet (opened, header and tag gone, not empty, `tos` that of the
 * datagram it came in). Changes the packet in place. */
enum accept_road accept_packet(struct accept *accept);
/* The same for a released fragment of the node, whose way to the TUN is decided. */
enum verdict accept_released(struct accept *accept, const struct node *node, struct packet *packet);

#endif
