/* SPDX-License-Identifier: MIT */
/* Theory of operation. A carried tunnel is a node whose `carrier` is another node, so a path is a walk
 * up. What a packet needs on its way is found when the tree or an endpoint changes, never per packet:
 * each peer's hop names the carrier's peer that reaches its endpoint, each node's MTU is its
 * carrier's less one header (RULES E1), and the routes are flattened into one trie (A2). MTUs flow
 * down from the roots: tree_set_root_mtu is the only place where one comes in. */
#include "engine/tree.h"

#include <stdio.h>

#include "engine/fellows.h"
#include "engine/mtu.h"
#include "engine/tree_routes.h"

/* Ports outside the usual ephemeral range (32768 to 60999): RULES C1. */
#define VIRTUAL_PORT_FIRST 61000
#define VIRTUAL_PORTS (65536 - VIRTUAL_PORT_FIRST)
#define ERRORS_PER_S 100
#define ERRORS_BURST 50
#define TOO_BIG_PER_S 500
#define TOO_BIG_BURST 200
#define CALLERS_PER_S 128
#define CALLERS_BURST 256

/* ---- MTU ---- */

void tree_set_root_mtu(struct tree *tree, struct node *root, uint32_t mtu_bytes)
{
    root->root_mtu_bytes = mtu_bytes;
    mtu_update(tree, root);
}

void tree_set_path_mtu(struct tree *tree, struct peer *peer, uint32_t mtu_bytes)
{
    hop_of(peer)->path_mtu.mtu_bytes = mtu_bytes;
    mtu_update(tree, node_of(peer));
}

/* ---- endpoints ---- */

struct node *tree_carrier_for(const struct peer *peer, const struct address *address,
                              struct peer **fellow)
{
    struct node *node = node_of(peer);
    return fellows_find(&node->tunnel.allowed_ips, peer, address, fellow) ? node : node->carrier;
}

bool tree_hides(const struct node *node, const struct address *address)
{
    for (uint32_t i = 0; node->levels > 1 && i < node->peer_count; i++) {
        if (node->hops[i].carrier == node &&
            address_is_equal(&node->peers[i]->endpoint.address, address))
            return true;
    }
    return false;
}

/* Another way begins: nothing is known of it. */
static void forget_way(struct hop *hop)
{
    hop->path_mtu = (struct path_mtu){0};
    hop->path_error = (struct path_error){0};
}

/* Through which peer of its carrier the hop's datagrams go. */
static void find_carrier_peer(struct hop *hop)
{
    const struct peer *peer = hop->peer, *before = hop->carrier_peer;
    struct node *node = node_of(peer), *carrier = hop->carrier;
    const struct endpoint *endpoint = &peer->endpoint;
    hop->source = *node_address(carrier, (enum family)endpoint->address.family);
    hop->source_port = carrier == node ? node->inner_port : node->listen_port;
    hop->carrier_peer = NULL;
    if (!endpoint->address.family || !hop->source.family)
        return;
    if (carrier != node)
        hop->carrier_peer = trie_lookup(&carrier->tunnel.allowed_ips, &endpoint->address);
    else if (fellows_lead_out(peer, node->levels))
        hop->carrier_peer = hop->fellow;
    if (hop->carrier_peer != before)
        forget_way(hop);
}

void tree_set_endpoint(struct tree *tree, struct peer *peer, const struct endpoint *endpoint)
{
    struct node *node = node_of(peer);
    struct hop *hop = hop_of(peer);
    bool was_narrow = hop->path_mtu.mtu_bytes;
    uint32_t turn_packets = hop->turn_packets;
    forget_way(hop);
    if (!hop->carrier && peer->endpoint.address.family)
        endpoints_remove(&tree->endpoints, hop);
    peer->endpoint = *endpoint;
    if (endpoint->address.family != FAMILY_NONE)
        hop->is_awaiting_name = false;
    hop->carrier = tree_carrier_for(peer, &endpoint->address, &hop->fellow);
    if (!hop->carrier) {
        if (endpoint->address.family)
            endpoints_add(&tree->endpoints, hop);
        hop->path = (struct udp_path){.destination = *endpoint, .root = node->index};
        hop->carrier_peer = NULL;
    }
    /* Whoever rides a fellow that moved may have a way now, or none any more (A8). */
    for (uint32_t i = 0; i < node->peer_count && node->levels > 1; i++) {
        if (node->hops[i].carrier == node)
            find_carrier_peer(&node->hops[i]);
    }
    if (hop->carrier)
        find_carrier_peer(hop);
    mtu_update_cut(hop);
    if (node->levels > 1 || was_narrow || turn_packets != hop->turn_packets ||
        (hop->carrier && mtu_of_hop(tree, node, hop) != hop->mtu_bytes))
        mtu_update(tree, node);
}

/* ---- building ---- */

static bool refuse(char *why, size_t why_bytes, const char *tunnel, const char *what)
{
    snprintf(why, why_bytes, "tunnel %s: %s", tunnel, what);
    return false;
}

/* Of a virtual socket on the carrier's addresses. */
static uint16_t choose_port(const struct node *carrier, const struct random_source *random)
{
    for (;;) {
        uint16_t port = (uint16_t)(VIRTUAL_PORT_FIRST + random_u32(random) % VIRTUAL_PORTS);
        if (!node_child_at_port(carrier, port))
            return port;
    }
}

static bool add_peer(struct tree *tree, struct node *node, uint32_t index,
                     const struct peer_description *from, char *why, size_t why_bytes)
{
    struct peer *peer =
        tunnel_add_peer(&node->tunnel, from->public_key, from->preshared_key);
    if (!peer)
        return refuse(why, why_bytes, node->name,
                      "a peer's PublicKey is given twice, or belongs to the tunnel's own "
                      "PrivateKey; write the key that the other end has");
    struct hop *hop = &node->hops[index];
    node->peers[index] = peer;
    node->peer_count = index + 1;
    peer->index = index;
    peer->hop = hop;
    hop->peer = peer;
    hop->carrier = node->carrier;
    hop->turn_packets = HOP_TURN_PACKETS;
    list_init(&hop->wanting);
    list_init(&hop->releasing);
    hop->is_awaiting_name = from->endpoint_name != NULL;
    for (size_t i = 0; i < from->allowed_ips_count; i++) {
        if (!tunnel_allow(peer, &from->allowed_ips[i]))
            return refuse(why, why_bytes, node->name, "no memory for AllowedIPs");
    }
    if (from->persistent_keepalive_s)
        timers_set_persistent_keepalive(&peer->timers, from->persistent_keepalive_s, 0);
    tree->peer_count++;
    return true;
}

static bool add_peers(struct tree *tree, struct node *node, const struct tunnel_description *from,
                      char *why, size_t why_bytes)
{
    if (from->peer_count == 0)
        return true;
    node->peer_capacity = from->peer_count;
    node->peers = memory_take(tree->memory, from->peer_count * sizeof(*node->peers));
    node->hops = memory_take(tree->memory, from->peer_count * sizeof(*node->hops));
    if (!node->peers || !node->hops)
        return refuse(why, why_bytes, node->name, "no memory for its peers");
    for (uint32_t i = 0; i < from->peer_count; i++) {
        if (!add_peer(tree, node, i, &from->peers[i], why, why_bytes))
            return false;
    }
    return true;
}

static bool add_addresses(struct tree *tree, struct node *node,
                          const struct tunnel_description *from)
{
    for (size_t i = 0; i < from->address_count; i++) {
        const struct address *address = &from->addresses[i];
        struct address *first = address->family == FAMILY_IPV4 ? &node->ipv4 : &node->ipv6;
        struct prefix host = prefix_host(address);
        if (!first->family)
            *first = *address;
        if (!trie_get(&tree->addresses, &host) && !trie_insert(&tree->addresses, &host, node))
            return false;
        if (!node->nat_is_on && !trie_insert(&tree->host_addresses, &host, node))
            return false; /* B3: it is the interface's */
    }
    return true;
}

static bool init_node(struct tree *tree, const struct random_source *random,
                      const struct network_description *network, uint32_t index, char *why,
                      size_t why_bytes)
{
    const struct tunnel_description *from = &network->tunnels[index];
    struct node *node = &tree->nodes[index];
    node->index = index;
    snprintf(node->name, sizeof(node->name), "%s", from->name);
    if (!tunnel_init(&node->tunnel, tree->memory, random, from->private_key))
        return refuse(why, why_bytes, from->name, "no memory");
    tree->count = index + 1;
    node->tunnel.owner = node;
    if (from->carrier != TUNNEL_NO_CARRIER)
        node->carrier = &tree->nodes[from->carrier];
    node->nat_is_on = description_nat_is_on(network, index);
    node->listen_port = from->listen_port;
    node->levels = description_levels_of(from);
    node->next_ip_id = (uint16_t)random_u32(random);
    node->next_fragment_id = random_u32(random);
    node->configured_mtu_bytes = from->mtu_bytes;
    node->configured_mtu_is_upper_bound = from->mtu_is_upper_bound;
    backlog_share_init(&node->backlog);
    /* A renewal every two minutes for each peer, many times over: then callers show a cookie first. */
    uint32_t peers = (uint32_t)from->peer_count;
    bucket_init(&node->unproven_callers, CALLERS_PER_S + peers / 16, CALLERS_BURST + peers / 4);
    bucket_init(&node->too_big_errors, TOO_BIG_PER_S, TOO_BIG_BURST);
    bucket_init(&node->other_errors, ERRORS_PER_S, ERRORS_BURST);
    if (!add_addresses(tree, node, from))
        return refuse(why, why_bytes, from->name, "no memory for its addresses");
    return add_peers(tree, node, from, why, why_bytes);
}

static void link_nodes(struct tree *tree, const struct random_source *random,
                       const struct network_description *network)
{
    for (uint32_t i = 0; i < tree->count; i++) {
        struct node *node = &tree->nodes[i];
        node->depth = (uint32_t)description_depth_of(network, i);
        if (!node->carrier)
            continue;
        node->next_sibling = node->carrier->first_child;
        node->carrier->first_child = node;
    }
    for (uint32_t i = 0; i < tree->count; i++) {
        struct node *node = &tree->nodes[i];
        if (node->carrier && !node->listen_port)
            node->listen_port = choose_port(node->carrier, random);
    }
    for (uint32_t i = 0; i < tree->count; i++) {
        struct node *node = &tree->nodes[i];
        bool is_free = node->listen_port && !node_child_at_port(node, node->listen_port);
        if (node->levels > 1) /* the tunnel has one socket: where the port can be the same it is */
            node->inner_port = is_free ? node->listen_port : choose_port(node, random);
    }
    for (uint32_t i = 0; i < tree->count; i++) {
        const struct tunnel_description *from = &network->tunnels[i];
        for (uint32_t p = 0; p < from->peer_count; p++) {
            if (from->peers[p].has_endpoint)
                tree_set_endpoint(tree, tree->nodes[i].peers[p], &from->peers[p].endpoint);
        }
    }
    for (uint32_t i = 0; i < tree->count; i++) {
        if (!tree->nodes[i].carrier)
            mtu_update(tree, &tree->nodes[i]); /* what is configured holds from the start */
    }
}

bool tree_init(struct tree *tree, const struct memory *memory, const struct random_source *random,
               const struct network_description *network, uint32_t packet_most_bytes, char *why,
               size_t why_bytes)
{
    *tree = (struct tree){.memory = memory, .packet_most_bytes = packet_most_bytes,
                          .nat_ipv4 = network->nat_ipv4, .nat_ipv6 = network->nat_ipv6};
    trie_init(&tree->addresses, memory);
    trie_init(&tree->host_addresses, memory);
    trie_init(&tree->routes.trie, memory);
    if (network->tunnel_count == 0 || description_depth(network) == 0) {
        snprintf(why, why_bytes, "the tunnels do not form a tree of depth 1 to %d",
                 NETWORK_DEPTH_MOST);
        return false;
    }
    tree->capacity = network->tunnel_count;
    tree->nodes = memory_take(memory, tree->capacity * sizeof(*tree->nodes));
    bool built = tree->nodes != NULL;
    for (unsigned ipv6 = 0; built && ipv6 < 2; ipv6++) {
        struct prefix host = prefix_host(ipv6 ? &tree->nat_ipv6 : &tree->nat_ipv4);
        built = !host.address.family || trie_insert(&tree->host_addresses, &host, tree);
    }
    if (!built)
        snprintf(why, why_bytes, "no memory for %zu tunnels", network->tunnel_count);
    for (uint32_t i = 0; built && i < network->tunnel_count; i++)
        built = init_node(tree, random, network, i, why, why_bytes);
    if (built && !endpoints_init(&tree->endpoints, memory, random, tree->peer_count)) {
        snprintf(why, why_bytes, "no memory for %u endpoints", tree->peer_count);
        built = false;
    }
    if (built) {
        link_nodes(tree, random, network);
        built = tree_routes_init(&tree->routes, memory, network, why, why_bytes);
    }
    if (!built)
        tree_wipe(tree);
    return built;
}

void tree_wipe(struct tree *tree)
{
    for (uint32_t i = 0; i < tree->count; i++) {
        struct node *node = &tree->nodes[i];
        memory_give(tree->memory, node->hops, node->peer_capacity * sizeof(*node->hops));
        memory_give(tree->memory, node->peers, node->peer_capacity * sizeof(*node->peers));
        tunnel_wipe(&node->tunnel);
    }
    memory_give(tree->memory, tree->nodes, tree->capacity * sizeof(*tree->nodes));
    trie_wipe(&tree->addresses);
    trie_wipe(&tree->host_addresses);
    endpoints_wipe(&tree->endpoints);
    routes_wipe(&tree->routes);
    *tree = (struct tree){.memory = tree->memory};
}

bool tree_is_of_this_host(const struct tree *tree, const struct address *address)
{
    return address_is_inside_a_host(address) || trie_lookup(&tree->host_addresses, address);
}

bool tree_is_out_of_scope(const struct tree *tree, const struct node *node,
                          const struct address *address)
{
    if (tree_is_of_this_host(tree, address) ||
        address_is_equal(address, node_address(node, (enum family)address->family)))
        return true;
    if (!address_is_multicast(address) && !address_is_link_local(address) &&
        !address_is_broadcast(address))
        return false;
    unsigned len_bits = 0;
    trie_match(&tree->routes.trie, address, &len_bits);
    return node->nat_is_on || len_bits <= 1; /* 0.0.0.0/1 and its twin count as /0 (A1) */
}
