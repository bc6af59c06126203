/* SPDX-License-Identifier: MIT */
/* Echo requests of the program's own to a peer, inside its tunnel (RFC 792, 4443), from the
 * tunnel's first address of the family: whether the peer takes our packets and sends them on. What
 * answers one, its reply or an ICMP error that quotes it, goes no further than here, also from a
 * source that is not in the peer's AllowedIPs: a relay speaks with an address of its own. */
#ifndef ENGINE_ECHO_H
#define ENGINE_ECHO_H

#include <stdbool.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/verdict.h"
#include "engine/handle.h"

#define ECHOES 512 /* remembered; the oldest goes */

struct core;
struct ip_view;
struct outbound;
struct peer;

struct echo {
    uint32_t number; /* 0: never used */
    uint32_t peer_generation;
    instant_ns sent;
    instant_ns answered; /* 0: not yet */
    duration_ns rtt_ns;  /* without the wait for a session */
    struct address to;
    struct address from;   /* who answered */
    const char *words;     /* what an ICMP error says, borrowed for ever; NULL: it is a reply */
    bool is_out_of_hops;   /* that error: it was sent on, as far as it could go */
};

/* An engine's (engine_echoes). */
struct echoes {
    struct core *core;
    struct outbound *outbound; /* where they go */
    uint32_t last;             /* number given */
    uint16_t id;               /* of all requests; drawn with the first */
    struct echo items[ECHOES]; /* by number */
};

struct echo_request {
    struct peer_handle peer;
    struct address to; /* one that belongs to this peer, by AllowedIPs */
    uint8_t hops;      /* TTL, hop limit */
};

/* Goes out with the next engine_tick or engine_flush, staged while there is no session like any
 * other packet. Its number is *number, never given twice before the numbers end. Not OK: refused
 * and not sent (moved: there is no such peer; no_address, no_peer, pool_empty, or as mtu_judge). */
enum verdict echo_send(struct echoes *echoes, const struct echo_request *request, instant_ns now,
                       uint32_t *number);
/* NULL: it is not remembered any more. Borrowed until the next echo_send. */
const struct echo *echo_find(const struct echoes *echoes, uint32_t number);

/* An ICMP packet that came from the peer. True: it answers one of ours and is kept. */
bool echo_take(struct echoes *echoes, const struct peer *peer, const uint8_t *bytes,
               const struct ip_view *view, instant_ns now);

#endif
