/* SPDX-License-Identifier: MIT */
/* A tunnel of the tree, and the tree: what they are made of. tree.h makes and changes them, mtu.h
 * computes what fits. A node, and a peer with its hop, stay where they are in memory for their
 * life; outside of the engine a slot and a generation name them. */
#ifndef ENGINE_NODE_H
#define ENGINE_NODE_H

#include "engine/backlog.h"
#include "engine/configured.h"
#include "engine/description.h"
#include "engine/hop.h"
#include "engine/riding_hash.h"
#include "route/bucket.h"
#include "route/routes.h"
#include "wireguard/tunnel.h"

/* Per hop: an IPv6 and a UDP header and the data header in front, padding and the tag behind. */
#define TREE_HEADROOM_PER_HOP_BYTES 64
#define TREE_TAILROOM_PER_HOP_BYTES 31

struct pool;
struct reassembly;

/* What is asked of all peers at once, beside which they themselves stay unread. */
struct peer_place {
    struct address address; /* its endpoint's */
    bool has_roamed;        /* elsewhere than at the literal that is configured, or was */
};

struct node {
    struct tunnel tunnel; /* its owner is this node */
    struct node *carrier; /* NULL: a root */
    struct node *first_child;
    struct node *next_sibling;
    struct list in_tree; /* in file order */
    uint32_t index; /* its slot: the tunnel's number outside */
    uint32_t generation;
    uint32_t depth; /* 1: a root */
    char name[TUNNEL_NAME_BYTES];

    struct address ipv4; /* its first address of each family; FAMILY_NONE: none */
    struct address ipv6;
    bool nat_is_on;
    uint16_t listen_port; /* of the virtual socket (RULES C1); roots: as configured */
    uint16_t inner_port;  /* of the virtual socket on its own addresses (A8); 0: none */
    uint32_t levels;      /* hops that a path may have within this tunnel, 1 or more (A8) */
    bool is_flat;         /* of the literals that are configured none is inside a fellow (A8) */
    struct list riders;   /* hops whose carrier is this node: they are inside a fellow (A8) */
    uint16_t next_ip_id;  /* of the headers pushed for the carrier (C2) */
    uint32_t next_fragment_id; /* of what it carries in IPv6 fragments (C6) */

    uint32_t mtu_bytes; /* the smallest of its peers' that have one (RULES E1) */
    uint32_t root_mtu_bytes; /* as set last */
    struct configured *configured;
    struct configured *next; /* these two while a change is under way (live.h): what shall be */
    struct noise_identity *next_identity;
    struct configured *previous; /* these three: of a change that takes effect just now */
    uint16_t previous_port, previous_inner_port;
    uint32_t next_levels;
    bool next_is_flat;
    bool is_touched;
    bool mtu_is_stale; /* what its paths take is computed anew at the end of the change */

    struct peer *
        *peers; /* by slot: their numbers outside; NULL: free. In their order: tunnel.peers */
    /* Their endpoints' addresses once more, by slot: who changes AllowedIPs looks through all. */
    struct peer_place *places;
    uint32_t peer_slots;
    uint32_t peer_capacity; /* of the two arrays */
    uint32_t peer_free;     /* no slot before this one is free */
    uint32_t names;         /* peers with a name for an endpoint */

    struct reassembly *reassembly;  /* where it has virtual sockets (RULES C5); or NULL */
    struct backlog_share backlog;   /* RULES H2 */
    instant_ns under_load_until;    /* TRAPS 22 */
    struct bucket unproven_callers; /* whose initiations cost us a Diffie-Hellman */

    struct bucket too_big_errors; /* RULES D3 */
    struct bucket other_errors;
    uint64_t outbound_packets;
    uint64_t inbound_packets;
    uint64_t keepalives; /* received */
    uint64_t drops[VERDICT_COUNT];
};

struct tree_addresses {
    struct trie all;         /* value: the first node that has the address (B3) */
    struct trie host;        /* those that stand on the interface (B1, B3), and the host's others */
    struct address nat_ipv4; /* RULES B1 */
    struct address nat_ipv6;
};

struct tree {
    const struct memory *memory;
    const struct random_source *random;
    struct node **nodes; /* by slot; NULL: free */
    struct list order;   /* the nodes in file order */
    uint32_t slots;
    uint32_t capacity;   /* of `nodes` */
    uint32_t count;      /* of the nodes */
    uint32_t peer_count; /* of all tunnels */
    uint32_t last_generation; /* of tunnels and peers together */
    struct tree_addresses addresses;
    struct prefix *host; /* as scope_set_host was told; NULL: of nothing */
    size_t host_count;
    struct routes routes;
    struct riding_hash riding_hash;
    uint32_t mtu_changes; /* how often some node's MTU became another */
    uint32_t link_mtu_bytes;    /* as described */
    uint32_t packet_most_bytes; /* no MTU exceeds it: the buffers' payload */
    /* Others than tunnels that have a port of a node's (own_socket.h); NULL: there are none. */
    bool (*has_port)(const void *others, const struct node *node, uint16_t port);
    const void *others;
};

/* What is configured of it, or shall be. */
static inline const struct configured *node_wanted(const struct node *node)
{
    return node->next ? node->next : node->configured;
}

static inline const uint8_t *node_wanted_public_key(const struct node *node)
{
    return node->next_identity ? node->next_identity->public_key : node->tunnel.identity.public_key;
}

static inline struct node *node_of(const struct peer *peer)
{
    return peer->tunnel->owner;
}

/* All nodes in file order: NULL before the first and behind the last. */
static inline struct node *tree_next(const struct tree *tree, const struct node *node)
{
    struct list *next = node ? node->in_tree.next : tree->order.next;
    return next == &tree->order ? NULL : CONTAINER_OF(next, struct node, in_tree);
}

/* The same for a node's peers. */
static inline struct peer *node_next_peer(const struct node *node, const struct peer *peer)
{
    struct list *next = peer ? peer->in_tunnel.next : node->tunnel.peers.next;
    return next == &node->tunnel.peers ? NULL : CONTAINER_OF(next, struct peer, in_tunnel);
}

static inline const struct address *node_address(const struct node *node, enum family family)
{
    return family == FAMILY_IPV4 ? &node->ipv4 : &node->ipv6;
}

static inline const struct address *tree_nat_address(const struct tree *tree, enum family family)
{
    return family == FAMILY_IPV4 ? &tree->addresses.nat_ipv4 : &tree->addresses.nat_ipv6;
}

/* Who listens on `port` among the virtual sockets on the node's addresses: a tunnel that it
 * carries, or the node itself (RULES A8); or NULL. */
static inline struct node *node_child_at_port(const struct node *node, uint16_t port)
{
    if (port && port == node->inner_port)
        return node->tunnel.owner;
    struct node *child = node->first_child;
    while (child && child->listen_port != port)
        child = child->next_sibling;
    return child;
}

/* A node without peers and not in a tree yet. NULL: no memory. */
struct node *node_new(const struct memory *memory, const struct random_source *random,
                      const struct tunnel_description *from, struct node *carrier);
/* With all its peers, whose staged packets were given back. */
void node_free(const struct memory *memory, struct node *node);
/* Room for so many more peers. False: no memory. */
bool node_reserve_peers(const struct memory *memory, struct node *node, size_t more);
/* Adds a peer with its AllowedIPs, endpoint (it has no way there yet) and all. NULL: no memory, or
 * its key is known. That it is not the tunnel's own is the caller's to see. */
struct peer *node_add_peer(struct tree *tree, struct node *node,
                           const struct peer_description *from);
/* Frees its slot and itself; it is out of its tunnel (tunnel_unlink_peer) and of all lists. */
void node_free_peer(struct tree *tree, struct node *node, struct peer *peer);
/* As it is wanted: 1 to NETWORK_DEPTH_MOST; 0: deeper, or a loop. */
uint32_t node_wanted_depth(const struct node *node);
/* It gets a reassembly, if it has none. False: no memory. */
bool node_prepare_reassembly(struct node *node, const struct memory *memory, struct pool *pool);
/* The limits that follow from the number of its peers. */
void node_fit_limits(struct node *node);

#endif
