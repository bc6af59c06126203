/* SPDX-License-Identifier: MIT */
/* Fragments that may be pieces of carried datagrams (RULES C5; RFC 791 3.2, RFC 8200 4.5): UDP to a
 * carrier's own address. Only the first fragment has the port that tells whose they are; those that
 * come before it are held. One reassembly a carrier, with memory of its own: a flood in one carrier
 * takes nothing from another. Whoever feeds it is hostile; all of it is bounded. */
#ifndef ROUTE_REASSEMBLY_H
#define ROUTE_REASSEMBLY_H

#include "base/clock.h"
#include "packet/ip.h"
#include "packet/pool.h"

#define REASSEMBLY_DATAGRAMS 64      /* unfinished at once; the oldest makes room */
#define REASSEMBLY_FRAGMENTS_MOST 32 /* of one datagram */
#define REASSEMBLY_HELD_MOST 128     /* fragments in all; the oldest datagram makes room */
#define REASSEMBLY_BYTES_MOST 16384  /* of one datagram */
/* Much less than the 30 s that are allowed: at full speed IPv4's IDs come round within a second,
 * and a piece that waits for ever is joined to the wrong rest (RFC 4963). */
#define REASSEMBLY_TIME_NS (5 * NS_PER_S)

struct reassembly;

enum reassembly_road {
    REASSEMBLY_KEPT,   /* held, or refused (see `dropped`): the caller is done with the packet */
    REASSEMBLY_PASSES, /* not a carried datagram's: the packet goes on after those in `released` */
    REASSEMBLY_WHOLE,  /* with it `whole` is finished: the caller is done with the packet */
};

struct reassembly_result {
    enum reassembly_road road;
    struct packet_queue released; /* the pool's, now the caller's: fragments in order of arrival */
    struct packet *whole; /* the pool's, now the caller's: from the UDP header on, ECN in `tos` */
    uint32_t dropped;     /* fragments that this call gave up, the given one included */
};

/* `pool`: where whole datagrams and released fragments come from; borrowed. NULL: no memory. */
struct reassembly *reassembly_new(const struct memory *memory, struct pool *pool);
void reassembly_free(struct reassembly *reassembly); /* NULL does nothing */

/* Is this for reassembly_add, if its destination is the carrier's own address? */
static inline bool reassembly_concerns(const struct ip_view *view)
{
    return view->is_fragment && view->protocol == IP_PROTOCOL_UDP &&
           (view->family == FAMILY_IPV4 ||
            view->transport_offset == view->fragment_header_offset + 8);
}

/* Takes note of a fragment, parsed by ip_parse. `is_carried` counts for first fragments only: their
 * port is a virtual socket's. The packet stays the caller's; its bytes are copied when they are
 * held. A carried datagram whose fragments overlap or contradict each other is refused with all of
 * them, also those still to come (RFC 5722); an exact repetition is refused alone. */
struct reassembly_result reassembly_add(struct reassembly *reassembly, const struct packet *packet,
                                        const struct ip_view *view, bool is_carried,
                                        instant_ns now);

/* Gives up what has waited for too long; returns how many fragments. */
uint32_t reassembly_expire(struct reassembly *reassembly, instant_ns now);
/* When reassembly_expire is wanted next, at the earliest. */
instant_ns reassembly_deadline(const struct reassembly *reassembly);

#endif
