/* SPDX-License-Identifier: MIT */
/* What the engine keeps for a peer: its way out. */
#ifndef ENGINE_HOP_H
#define ENGINE_HOP_H

#include "engine/actions.h"
#include "engine/change.h"
#include "wireguard/peer.h"

struct node;

/* What was said of the peer: see events.h. */
enum event_kind {
    EVENT_MOVED,
    EVENT_READY,
    EVENT_GAVE_UP,
    EVENT_OUTAGE,
    EVENT_LOOP,
    EVENT_NARROW,
    EVENT_KINDS,
};

struct event_limit {
    uint32_t since_s; /* of these lines of one kind */
    uint16_t said;
    uint16_t unsaid; /* since the last line, or more */
};

struct events {
    struct event_limit limits[EVENT_KINDS];
    instant_ns failing_since;
    bool is_failing; /* until a session works again */
    bool is_told;    /* that it fails */
};
/* A turn takes at most this many packets from the TUN (RULES H2). */
#define HOP_TURN_PACKETS 128

/* Which root's peer the datagrams to this root's peer last rode, having come out of the TUN. */
struct riding {
    uint32_t tunnel; /* of the one that was ridden, and its slot there */
    uint32_t peer;
    uint32_t generation;
    instant_ns seen;    /* 0: never */
    instant_ns refused; /* as a loop; 0: never */
};

/* What an ICMP error told about a carried peer's way (path_mtu.h). */
struct path_mtu {
    uint32_t mtu_bytes; /* of IP packets; 0: not known to be narrower than the carrier's path */
    uint32_t decreases; /* within this time */
    instant_ns until;   /* then it is tried again */
};

struct path_error {
    const char *words;     /* "host unreachable", borrowed for ever; NULL: none */
    struct address source; /* who says so */
    instant_ns at;
};

/* What a change that is under way (live.h) makes of a peer; the fields are enum
 * change_peer_fields. */
struct hop_pending {
    struct hop_pending *next;
    struct peer *peer;
    unsigned fields;
    uint8_t preshared_key[32];
    struct endpoint endpoint; /* these two as the hop's configured ones */
    char *endpoint_name;
    uint16_t persistent_keepalive_s;
};

/* How a peer's datagrams leave: as plaintext of the tunnel's carrier, or of the tunnel itself where
 * a fellow has the endpoint (RULES A8), through the peer that has it in AllowedIPs; or through the
 * root's socket. Recomputed whenever the endpoint changes. */
struct hop {
    struct peer *peer;
    struct node *carrier;      /* whose plaintext they are; NULL: through the root's socket */
    struct peer *carrier_peer; /* where there is a carrier; NULL: unroutable */
    struct peer *fellow;       /* of the same tunnel, by the endpoint; see fellows.h */
    struct address source;     /* the carrier's first address of the family */
    uint16_t source_port;      /* of the virtual socket there */
    uint32_t mtu_bytes; /* of the plaintext for this peer; 0: a root whose MTU is not known yet, or
                         * no way (RULES E4) */
    uint32_t turn_packets; /* to plan in one turn: fewer where each becomes several fragments */
    uint32_t
        cut_bytes; /* carried over IPv6: IP packets above this leave as fragments (C6); else 0 */
    struct path_mtu path_mtu; /* these two: where there is a carrier */
    struct path_error path_error;
    struct riding riding;         /* these three: without a carrier */
    struct hop *next_at_endpoint; /* in the tree's riding_hash */
    struct udp_path path;
    uint32_t generation;
    struct list among_riders; /* of its node, while it rides a fellow */
    bool is_listed;           /* in the riding_hash */
    bool is_awaiting_name;    /* described by a name that is not resolved yet */
    uint32_t attempts;        /* initiations since attempting_since */
    uint32_t misfits;         /* responses since then that did not prove themselves */
    struct endpoint configured_endpoint; /* a literal; with a name: only the port; else zero */
    char *endpoint_name;                 /* of its own memory; NULL: none */
    struct hop_pending *pending;
    instant_ns preshared_key_since; /* its preshared key became another; 0: never */
    instant_ns attempting_since; /* the first initiation since the last session */
    struct events events;
    struct list wanting;       /* in the engine's list of peers that want a handshake */
    struct list releasing; /* in the engine's list of peers with a session whose stage empties */
};

/* Of several attempts none was answered; a single one beside a session is an ordinary renewal. */
static inline bool hop_is_unanswered(const struct hop *hop)
{
    return hop->attempts > 1;
}

/* The literal that is configured, or shall be; of family FAMILY_NONE: none. */
static inline const struct endpoint *hop_wanted_endpoint(const struct hop *hop)
{
    bool is_new = hop->pending && hop->pending->fields & CHANGE_ENDPOINT;
    return is_new ? &hop->pending->endpoint : &hop->configured_endpoint;
}

/* Its endpoint is, or shall be, a name that must be resolved. */
static inline bool hop_wants_name(const struct hop *hop)
{
    bool is_new = hop->pending && hop->pending->fields & CHANGE_ENDPOINT;
    return (is_new ? hop->pending->endpoint_name : hop->endpoint_name) &&
           !hop_wanted_endpoint(hop)->address.family;
}

/* The same without the change that is under way. */
static inline bool hop_has_name(const struct hop *hop)
{
    return hop->endpoint_name && !hop->configured_endpoint.address.family;
}

static inline struct hop *hop_of(const struct peer *peer)
{
    return peer->hop;
}

#endif
