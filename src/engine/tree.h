/* SPDX-License-Identifier: MIT */
/* The tunnel tree (a forest): who carries whom, how each peer's datagrams leave, what fits where.
 * Built once from a description; endpoints and MTUs change while it lives. */
#ifndef ENGINE_TREE_H
#define ENGINE_TREE_H

#include "engine/backlog.h"
#include "engine/endpoints.h"
#include "engine/hop.h"
#include "engine/network.h"
#include "route/bucket.h"
#include "route/routes.h"
#include "wireguard/tunnel.h"

/* Per hop: an IPv6 and a UDP header and the data header in front, padding and the tag behind. */
#define TREE_HEADROOM_PER_HOP_BYTES 64
#define TREE_TAILROOM_PER_HOP_BYTES 31
#define IPV6_LEAST_MTU_BYTES 1280

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

/* False: refused, `why` says what; nothing is left to wipe. */
bool tree_init(struct tree *tree, const struct memory *memory, const struct random_source *random,
               const struct network_description *network, uint32_t packet_most_bytes, char *why,
               size_t why_bytes);
void tree_wipe(struct tree *tree);

/* RULES F1: loopback and its like, and the interface's own: no tunnel leads there, nor comes from there,
 * whatever routes say. */
bool tree_is_of_this_host(const struct tree *tree, const struct address *address);
/* Such packets neither enter nor leave the node: of this host, which the node's own addresses are, too;
 * and (RULES F6) multicast, broadcast or link-local, and the node has no route for it but a default
 * one, or NAT. */
bool tree_is_out_of_scope(const struct tree *tree, const struct node *node,
                          const struct address *address);

/* The deepest path of a description, 1 to NETWORK_DEPTH_MOST; 0: a loop, a missing carrier, deeper. */
uint32_t tree_description_depth(const struct network_description *network);

/* The peer's endpoint moved: finds its way out again. Children's MTU may change with it. */
void tree_set_endpoint(struct tree *tree, struct peer *peer, const struct endpoint *endpoint);
/* A root's MTU; those that it carries follow. 0: unknown. */
void tree_set_root_mtu(struct tree *tree, struct node *root, uint32_t mtu_bytes);

/* The node whose plaintext the peer's datagrams to this address are, NULL for the root's socket.
 * *fellow: who carries them, where that is the peer's own node; NULL there: itself (RULES A8). */
struct node *tree_carrier_for(const struct peer *peer, const struct address *address,
                              struct peer **fellow);
/* A peer of the node is there, inside a fellow: nothing goes there from the node's own socket. */
bool tree_hides(const struct node *node, const struct address *address);
/* What a carried peer's datagrams find on their way (path_mtu.h); 0: nothing narrower than the carrier's. */
void tree_set_path_mtu(struct tree *tree, struct peer *peer, uint32_t mtu_bytes);

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
