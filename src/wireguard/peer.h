/* SPDX-License-Identifier: MIT */
/* One peer of one tunnel: its keys, sessions, timers, endpoint and what waits for a session. */
#ifndef WIREGUARD_PEER_H
#define WIREGUARD_PEER_H

#include "base/address.h"
#include "base/heap.h"
#include "base/list.h"
#include "packet/packet.h"
#include "wireguard/cookie.h"
#include "wireguard/indices.h"
#include "wireguard/noise.h"
#include "wireguard/session.h"
#include "wireguard/timers.h"

struct tunnel;

#define PEER_STAGED_PACKETS_MOST 128

struct peer {
    struct tunnel *tunnel;
    const struct noise_identity *identity; /* these three are the tunnel's */
    const struct random_source *random;
    struct indices *indices;
    struct list in_tunnel;      /* tunnel->peers */
    struct list allowed_ips;    /* its prefixes in tunnel->allowed_ips (trie_listed_prefix) */
    struct peer *next_in_table; /* tunnel's table by public key */

    struct session *current;  /* we send with this one */
    struct session *previous; /* still opens late packets */
    struct session *next;     /* responder's: becomes current when the initiator uses it */

    struct timers timers;
    struct heap_node deadline; /* the engine's */
    struct packet_queue
        stage; /* waits for a session; at most PEER_STAGED_PACKETS_MOST data packets */

    struct endpoint endpoint; /* address family FAMILY_NONE: none known */
    uint32_t index;           /* in the tunnel's description: for messages */
    void *hop;                /* the engine's: how its datagrams leave */

    uint64_t sent_bytes; /* of UDP payload, as `wg` counts */
    uint64_t received_bytes;
    uint64_t last_handshake_wall_ns; /* 0: never */
    uint64_t answered_wall_ns;       /* when we answered the one that `next` came from */
    instant_ns last_received;        /* authenticated; INSTANT_NEVER: never */
    instant_ns last_data;            /* the same, and not empty: it was sent through; 0: never */
    duration_ns handshake_rtt_ns;    /* of the last one that we began; 0: none */

    struct noise_remote noise; /* keys of the other end, the handshake under way */
    struct index_entry initiations[NOISE_INITIATIONS]; /* where noise.initiations are listed */
    struct cookie_jar cookie;                          /* the cookie it gave us */
};

/* The session to send with now, or NULL: stage the packet and start a handshake. */
static inline struct session *peer_sending_session(const struct peer *peer, instant_ns now)
{
    return peer->current && session_may_send(peer->current, now) ? peer->current : NULL;
}

/* The initiator has confirmed `next`: it moves up to current. */
void peer_confirm_next(struct peer *peer);
/* An authenticated message of this session came: confirms it the first time; true then: staged
 * packets may go. Whitepaper 5.4.5, 6.3. */
static inline bool peer_confirm_session(struct peer *peer, const struct session *session)
{
    if (session != peer->next)
        return false;
    peer_confirm_next(peer);
    return true;
}

/* A handshake has derived keys: takes a session from the tunnel's memory and puts it in its place
 * (peer.c says which). NULL: no memory, nothing changed. The session's index is added. */
struct peer_derivation {
    const struct noise_keys *keys;
    const uint8_t *timestamp; /* of the initiation, NOISE_TIMESTAMP_BYTES */
    uint32_t local_index;
    uint32_t remote_index;
    bool is_initiator;
    instant_ns initiation_sent; /* the initiator's */
};
struct session *peer_derive_session(struct peer *peer, const struct peer_derivation *derivation,
                                    instant_ns now);
/* Forgets an initiation of ours: its response will be refused. */
void peer_forget_initiation(struct peer *peer, unsigned slot);
/* Forgets all sessions and the handshake under way; the keys stay. */
void peer_forget_sessions(struct peer *peer);

#endif
