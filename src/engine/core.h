/* SPDX-License-Identifier: MIT */
/* The engine's own state, shared by its files: plan and outbound (TUN to UDP), inbound (UDP to TUN),
 * handshakes, refusals. What each may touch is said where it stands. */
#ifndef ENGINE_CORE_H
#define ENGINE_CORE_H

#include "base/log_level.h"
#include "crypto/aead.h"
#include "engine/actions.h"
#include "engine/own_socket.h"
#include "engine/train.h"
#include "engine/tree.h"
#include "packet/offload.h"
#include "packet/pool.h"

#define OUTBOUND_TURN_PACKETS HOP_TURN_PACKETS
/* Beyond them: fragments, handshakes of carried tunnels, what waited for a session. Only what is
 * cut on its way (RULES C6) grows in a batch: hop.h's turn_packets keeps it within these. */
#define OUTBOUND_MOST 320
#define INBOUND_MOST 128
#define BACKLOG_UNDER_LOAD 512
#define UNDER_LOAD_NS NS_PER_S
#define HANDSHAKES_PER_TURN 4       /* that cost a Diffie-Hellman */
#define HANDSHAKE_MESSAGES_PER_TURN 64 /* those that are answered with a cookie, too */
/* The DSCP that the kernel gives handshakes: AF41, ECN not capable. */
#define HANDSHAKE_TOS 0x88

enum packet_kind {
    PACKET_DATA = 0,
    PACKET_KEEPALIVE,
    PACKET_HANDSHAKE, /* a carried tunnel's initiation, on its way through its carriers */
};

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

/* A datagram that came in: at `node`'s (virtual) socket. `packet` NULL: done. */
struct inbound_entry {
    struct packet *packet;
    struct node *node;
    struct node *carrier; /* out of whose plaintext; NULL: at the root's socket */
    struct session *session; /* found by sorting; checked again before it is used */
    struct endpoint source;
    struct address destination;
    uint32_t interface;
    uint32_t desc;
};

/* A virtual socket of the program's own. */
struct own_socket {
    struct node *node; /* NULL: never used */
    uint16_t port;
    own_socket_receive receive; /* NULL: closed; the port stays taken */
    void *context;
};

/* What of a super-packet is still to be cut. */
struct outbound_plan {
    bool is_active;
    bool must_fragment; /* RULES D5 */
    struct split split;
    struct node *node;
    struct peer *peer;
    /* The last destination of this turn and where it led to: two lookups cost as much as the rest of
     * a small packet. FAMILY_NONE: none yet. */
    struct address last_destination;
    struct node *last_node;
    struct peer *last_peer;
};

struct engine {
    const struct memory *memory;
    struct pool *pool;
    struct aead *aead;
    const struct random_source *random;
    void (*log)(void *context, enum log_level level, const char *line);
    void *log_context;

    struct tree tree;
    struct heap deadlines;       /* of all peers */
    struct list wants_handshake; /* hops: outbound fills it, handshakes empties it */
    struct list releasing;       /* hops: what waited for their session goes before anything newer */
    size_t staged_packets;       /* over all peers (RULES C7) */
    bool is_up;

    struct outbound_plan plan;
    struct outbound_entry outbound[OUTBOUND_MOST];
    size_t outbound_count;

    struct inbound_entry inbound[INBOUND_MOST];
    size_t inbound_count;
    struct coalesce coalesce;
    instant_ns path_mtu_deadline; /* never later than the end of the first one */
    struct reassembly **reassemblies; /* by node; NULL: no virtual socket there (RULES C5) */
    instant_ns fragments_deadline;    /* never later than the first of theirs */

    struct backlog backlog;

    struct own_socket own_sockets[OWN_SOCKETS];
    unsigned next_own_socket;

    struct aead_desc seals[OUTBOUND_MOST];
    struct aead_desc opens[INBOUND_MOST];
    uint64_t drops[VERDICT_COUNT]; /* before a tunnel was known */
};

/* Counts dropped packets: at the tunnel, or at the network while none is known. */
static inline void core_count_many(struct engine *engine, struct node *node, enum verdict verdict,
                                   uint64_t packets)
{
    (node ? node->drops : engine->drops)[verdict] += packets;
}

static inline void core_count(struct engine *engine, struct node *node, enum verdict verdict)
{
    core_count_many(engine, node, verdict, 1);
}

/* Counts it and gives its buffer back. */
static inline void core_drop(struct engine *engine, struct node *node, struct packet *packet,
                             enum verdict verdict)
{
    core_count(engine, node, verdict);
    pool_give_packet(engine->pool, packet);
}

/* A timer was armed: the engine's deadline may only move closer here. A deadline that moved away is
 * found out when it comes, so a packet seldom touches the heap. */
static inline void core_touch_deadline(struct engine *engine, struct peer *peer)
{
    instant_ns next = timers_next(&peer->timers);
    if (!peer->deadline.place || next < peer->deadline.deadline)
        heap_set(&engine->deadlines, &peer->deadline, next);
}

static inline void core_want_handshake(struct engine *engine, struct peer *peer)
{
    struct hop *hop = hop_of(peer);
    if (list_is_empty(&hop->wanting))
        list_append(&engine->wants_handshake, &hop->wanting);
}

#endif
