/* SPDX-License-Identifier: MIT */
/* A tunnel of the tree, and the tree: what they are made of. tree.h makes and changes them, mtu.h computes
 * what fits. */
#ifndef ENGINE_NODE_H
#define ENGINE_NODE_H

#include "engine/backlog.h"
#include "engine/endpoints.h"
#include "engine/hop.h"
#include "engine/description.h"
#include "route/bucket.h"
#include "route/routes.h"
#include "wireguard/tunnel.h"

/* Per hop: an IPv6 and a UDP header and the data header in front, padding and the tag behind. */
#define TREE_HEADROOM_PER_HOP_BYTES 64
#define TREE_TAILROOM_PER_HOP_BYTES 31

struct node {
    struct tunnel tunnel; /* its owner is this node */
    struct node *carrier; /* NULL: a root */
    struct node *first_child;
    struct node *next_sibling;
    uint32_t index; /* in the description */
    uint32_t depth; /* 1: a root */
    char name[TUNNEL_NAME_BYTES];

    struct address ipv4; /* its first address of each family; FAMILY_NONE: none */
    struct address ipv6;
    bool nat_is_on;
    uint16_t listen_port; /* of the virtual socket (RULES C1); roots: as configured */
    uint16_t inner_port;  /* of the virtual socket on its own addresses (A8); 0: none */
    uint32_t levels;      /* hops that a path may have within this tunnel, 1 or more (A8) */
    uint16_t next_ip_id;  /* of the headers pushed for the carrier (C2) */
    uint32_t next_fragment_id; /* of what it carries in IPv6 fragments (C6) */

    uint32_t mtu_bytes; /* the smallest of its peers' that have one (RULES E1) */
    uint32_t root_mtu_bytes; /* as set last */
    uint32_t configured_mtu_bytes;
    bool configured_mtu_is_upper_bound;

    struct peer **peers; /* by the description's index */
    struct hop *hops;
    uint32_t peer_count;
    size_t peer_capacity; /* of the two arrays */

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

struct tree {
    const struct memory *memory;
    struct node *nodes; /* file order */
    uint32_t count;
    size_t capacity;     /* of `nodes` */
    uint32_t peer_count; /* of all tunnels */
    struct address nat_ipv4; /* RULES B1 */
    struct address nat_ipv6;
    struct routes routes;
    struct trie addresses; /* value: the first node that has the address (B3) */
    struct trie host_addresses; /* those that stand on the interface (B1, B3) */
    struct endpoints endpoints;
    uint32_t mtu_changes;       /* how often some node's MTU became another */
    uint32_t packet_most_bytes; /* no MTU exceeds it: the buffers' payload */
};

static inline struct node *node_of(const struct peer *peer)
{
    return peer->tunnel->owner;
}

static inline const struct address *node_address(const struct node *node, enum family family)
{
    return family == FAMILY_IPV4 ? &node->ipv4 : &node->ipv6;
}

static inline const struct address *tree_nat_address(const struct tree *tree, enum family family)
{
    return family == FAMILY_IPV4 ? &tree->nat_ipv4 : &tree->nat_ipv6;
}

/* Who listens on `port` among the virtual sockets on the node's addresses: a tunnel that it carries,
 * or the node itself (RULES A8); or NULL. */
static inline struct node *node_child_at_port(const struct node *node, uint16_t port)
{
    if (port && port == node->inner_port)
        return node->tunnel.owner;
    struct node *child = node->first_child;
    while (child && child->listen_port != port)
        child = child->next_sibling;
    return child;
}

#endif
