/* SPDX-License-Identifier: MIT */
/* What the engine keeps for a peer: its way out. */
#ifndef ENGINE_HOP_H
#define ENGINE_HOP_H

#include "engine/actions.h"
#include "wireguard/peer.h"

/* What was said of the peer: see events.h. */
enum event_kind {
    EVENT_MOVED,
    EVENT_READY,
    EVENT_GAVE_UP,
    EVENT_OUTAGE,
    EVENT_KINDS,
};

struct event_limit {
    instant_ns since; /* of these lines of one kind */
    uint32_t said;
    uint32_t unsaid; /* since the last line */
};

struct events {
    struct event_limit limits[EVENT_KINDS];
    instant_ns failing_since;
    bool is_failing; /* until a session works again */
    bool is_told;    /* that it fails */
};

/* Which root's peer the datagrams to this root's peer last rode, having come out of the TUN. */
struct riding {
    uint32_t tunnel; /* of the one that was ridden, and its index there */
    uint32_t peer;
    instant_ns seen;    /* 0: never */
    instant_ns refused; /* as a loop; 0: never */
};

/* How a peer's datagrams leave: through the carrier's peer that has its endpoint in AllowedIPs, or
 * through the root's socket. Recomputed whenever the endpoint changes. */
struct hop {
    struct peer *peer;
    struct peer *carrier_peer; /* carried tunnels; NULL: unroutable */
    struct address source;     /* carried tunnels: the carrier's first address of the family */
    uint32_t mtu_bytes; /* of the plaintext for this peer; 0: a root whose MTU is not known yet, or no
                         * way (RULES E4) */
    struct udp_path path;      /* roots */
    struct riding riding;      /* roots */
    struct hop *next_at_endpoint; /* roots: in the tree's endpoints, if it has one */
    bool is_awaiting_name;     /* described by a name that is not resolved yet */
    instant_ns attempting_since; /* the first initiation since the last session */
    uint32_t attempts;           /* initiations since then */
    struct events events;
    struct list wanting;       /* in the engine's list of peers that want a handshake */
    struct list releasing;     /* in the engine's list of peers with a session whose stage empties */
};

static inline struct hop *hop_of(const struct peer *peer)
{
    return peer->hop;
}

#endif
