/* SPDX-License-Identifier: MIT */
/* Theory of operation. A carried tunnel is a node whose `carrier` is another node, so a path is a
 * walk up. What a packet needs on its way is found when the tree or an endpoint changes, never per
 * packet: each peer's hop names the carrier's peer that reaches its endpoint, each node's MTU is
 * its carrier's less one header (RULES E1), and the routes are flattened into one trie (A2). MTUs
 * flow down from the roots: tree_set_root_mtu is the only place where a root's comes in. */
#include "engine/tree.h"

#include "engine/mtu.h"
#include "engine/tree_routes.h"
#include "engine/ways.h"

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

/* ---- building ---- */

static bool refuse(struct text *why, const char *tunnel, const char *what)
{
    text_append(why, "tunnel %s: %s", tunnel, what);
    return false;
}

uint16_t tree_choose_port(const struct tree *tree, const struct node *carrier)
{
    const uint32_t ports = 65536 - TREE_PORT_FIRST;
    for (;;) {
        uint16_t port = (uint16_t)(TREE_PORT_FIRST + random_u32(tree->random) % ports);
        if (!node_child_at_port(carrier, port) &&
            !(tree->has_port && tree->has_port(tree->others, carrier, port)))
            return port;
    }
}

static bool add_peers(struct tree *tree, struct node *node, const struct tunnel_description *from,
                      struct text *why)
{
    if (!node_reserve_peers(tree->memory, node, from->peer_count))
        return refuse(why, node->name, "no memory for its peers");
    for (size_t i = 0; i < from->peer_count; i++) {
        bool is_own = memcmp(from->peers[i].public_key, node->tunnel.identity.public_key, 32) == 0;
        if (is_own || !node_add_peer(tree, node, &from->peers[i]))
            return refuse(why, node->name,
                          "no memory for a peer; or its PublicKey is given twice, or belongs to "
                          "the tunnel's own PrivateKey: write the key that the other end has");
    }
    node_fit_limits(node);
    return true;
}

bool tree_reserve_nodes(struct tree *tree, uint32_t more)
{
    uint32_t needed = tree->slots + more;
    if (needed <= tree->capacity)
        return true;
    struct node **nodes = memory_take(tree->memory, needed * sizeof(*nodes));
    if (!nodes)
        return false;
    if (tree->slots)
        memcpy(nodes, tree->nodes, tree->slots * sizeof(*nodes));
    memory_give(tree->memory, tree->nodes, tree->capacity * sizeof(*nodes));
    tree->nodes = nodes;
    tree->capacity = needed;
    return true;
}

void tree_add_node(struct tree *tree, struct node *node)
{
    uint32_t slot = 0;
    while (slot < tree->slots && tree->nodes[slot])
        slot++;
    tree->slots += slot == tree->slots;
    tree->nodes[slot] = node;
    tree->count++;
    list_append(&tree->order, &node->in_tree);
    node->index = slot;
    node->generation = ++tree->last_generation;
}

void tree_remove_node(struct tree *tree, struct node *node)
{
    list_remove(&node->in_tree);
    tree->nodes[node->index] = NULL;
    tree->count--;
}

/* ---- what follows from what is configured ---- */

struct node *tree_first_root(const struct tree *tree)
{
    struct node *node = tree_next(tree, NULL);
    while (node && node_wanted(node)->carrier)
        node = tree_next(tree, node);
    return node;
}

/* RULES B2: `NAT = off` and the first root have none. */
static bool nat_is_on(const struct tree *tree, const struct node *node)
{
    return node != tree_first_root(tree) && !node_wanted(node)->tunnel.nat_is_off;
}

static bool add_addresses(const struct tree *tree, const struct node *node,
                          struct tree_addresses *addresses)
{
    const struct tunnel_description *tunnel = &node_wanted(node)->tunnel;
    bool has_room = true, is_hosts = !nat_is_on(tree, node); /* B3 */
    for (size_t i = 0; has_room && i < tunnel->address_count; i++) {
        struct prefix host = prefix_host(&tunnel->addresses[i]);
        has_room = trie_get(&addresses->all, &host) ||
                   trie_insert(&addresses->all, &host, (void *)node);
        if (is_hosts && has_room)
            has_room = trie_insert(&addresses->host, &host, (void *)node);
    }
    return has_room;
}

bool tree_addresses_init(struct tree_addresses *addresses, const struct tree *tree,
                         const struct address *nat_ipv4, const struct address *nat_ipv6)
{
    *addresses = (struct tree_addresses){.nat_ipv4 = *nat_ipv4, .nat_ipv6 = *nat_ipv6};
    trie_init(&addresses->all, tree->memory);
    trie_init(&addresses->host, tree->memory);
    bool has_room = true;
    for (unsigned ipv6 = 0; has_room && ipv6 < 2; ipv6++) {
        struct prefix host = prefix_host(ipv6 ? nat_ipv6 : nat_ipv4);
        has_room = !host.address.family || trie_insert(&addresses->host, &host, (void *)tree);
    }
    for (size_t i = 0; has_room && i < tree->host_count; i++)
        has_room = trie_insert(&addresses->host, &tree->host[i], (void *)tree);
    const struct node *node = NULL;
    while (has_room && (node = tree_next(tree, node)))
        has_room = add_addresses(tree, node, addresses);
    if (!has_room)
        tree_addresses_wipe(addresses);
    return has_room;
}

void tree_addresses_wipe(struct tree_addresses *addresses)
{
    trie_wipe(&addresses->all);
    trie_wipe(&addresses->host);
}

static void link_carriers(struct tree *tree)
{
    struct node *node = NULL;
    while ((node = tree_next(tree, node))) {
        node->first_child = node->next_sibling = NULL;
        node->nat_is_on = nat_is_on(tree, node);
        node->depth = node_wanted_depth(node);
    }
    while ((node = tree_next(tree, node))) {
        node->carrier = node->configured->carrier;
        if (!node->carrier)
            continue;
        node->next_sibling = node->carrier->first_child;
        node->carrier->first_child = node;
    }
}

static void take_addresses(struct node *node)
{
    const struct tunnel_description *tunnel = &node->configured->tunnel;
    node->ipv4 = node->ipv6 = (struct address){0};
    for (size_t i = tunnel->address_count; i-- > 0;) {
        bool is_ipv4 = tunnel->addresses[i].family == FAMILY_IPV4;
        *(is_ipv4 ? &node->ipv4 : &node->ipv6) = tunnel->addresses[i];
    }
}

/* Another than the node has the port of its virtual socket. */
static bool port_is_anothers(const struct node *node)
{
    bool is_taken = node->listen_port == node->carrier->inner_port;
    for (const struct node *at = node->carrier->first_child; at; at = at->next_sibling)
        is_taken |= at != node && at->listen_port == node->listen_port;
    return is_taken;
}

void tree_choose_inner_port(struct tree *tree, struct node *node)
{
    uint16_t port = node->inner_port;
    node->inner_port = 0;
    if (node->levels == 1)
        return;
    /* The tunnel has one socket: where the port can be the same it is. */
    if (!port || node_child_at_port(node, port))
        port = node->listen_port;
    if (!port || node_child_at_port(node, port))
        port = tree_choose_port(tree, node);
    node->inner_port = port;
}

/* Those that are written first, then those that are chosen and stay where they can. */
static void choose_ports(struct tree *tree)
{
    struct node *node = NULL;
    while ((node = tree_next(tree, node))) {
        uint16_t written = node->configured->tunnel.listen_port;
        if (written || !node->carrier)
            node->listen_port = written;
        if (node->levels == 1)
            node->inner_port = 0;
    }
    while ((node = tree_next(tree, node))) {
        bool is_chosen = node->carrier && !node->configured->tunnel.listen_port;
        if (is_chosen && (!node->listen_port || port_is_anothers(node))) {
            node->listen_port = 0;
            node->listen_port = tree_choose_port(tree, node->carrier);
        }
    }
    while ((node = tree_next(tree, node)))
        tree_choose_inner_port(tree, node);
}

void tree_take_addresses(struct tree *tree, struct tree_addresses *addresses)
{
    tree_addresses_wipe(&tree->addresses);
    tree->addresses = *addresses;
}

void tree_link(struct tree *tree, struct tree_addresses *addresses)
{
    struct node *node = NULL;
    tree_take_addresses(tree, addresses);
    link_carriers(tree);
    while ((node = tree_next(tree, node))) {
        node->levels = ways_levels(node, &node->is_flat);
        take_addresses(node);
    }
    choose_ports(tree);
    while ((node = tree_next(tree, node))) {
        struct peer *peer = NULL;
        while ((peer = node_next_peer(node, peer)))
            ways_find(tree, peer);
        ways_find_riders(node); /* now that each knows its fellow */
    }
    while ((node = tree_next(tree, node))) {
        if (!node->carrier)
            mtu_update(tree, node); /* what is configured holds from the start */
    }
}

static bool add_nodes(struct tree *tree, const struct network_description *network,
                      struct text *why)
{
    if (!tree_reserve_nodes(tree, (uint32_t)network->tunnel_count)) {
        text_append(why, "no memory for %zu tunnels", network->tunnel_count);
        return false;
    }
    for (size_t i = 0; i < network->tunnel_count; i++) {
        const struct tunnel_description *from = &network->tunnels[i];
        struct node *node = node_new(tree->memory, tree->random, from, NULL);
        if (!node)
            return refuse(why, from->name, "no memory");
        tree_add_node(tree, node);
        if (!add_peers(tree, node, from, why))
            return false;
    }
    for (size_t i = 0; i < network->tunnel_count; i++) {
        int carrier = network->tunnels[i].carrier;
        if (carrier != TUNNEL_NO_CARRIER)
            tree->nodes[i]->configured->carrier = tree->nodes[carrier];
    }
    return true;
}

static bool init_routes(struct tree *tree, struct text *why)
{
    struct routes_conflict conflict;
    char prefix[PREFIX_TEXT_BYTES];
    if (tree_routes_init(&tree->routes, tree, &conflict))
        return true;
    if (conflict.tunnel < 0)
        text_append(why, "no memory for the routes");
    else
        text_append(why, "tunnel %s: " TREE_ROUTES_TIE,
                 tree->nodes[conflict.other]->name, tree->nodes[conflict.tunnel]->name,
                 prefix_format(&conflict.prefix, prefix));
    return false;
}

bool tree_init(struct tree *tree, const struct memory *memory, const struct random_source *random,
               const struct network_description *network, uint32_t packet_most_bytes,
               struct text *why)
{
    struct tree_addresses addresses;
    *tree = (struct tree){
        .memory = memory, .random = random, .link_mtu_bytes = network->link_mtu_bytes,
        .packet_most_bytes = packet_most_bytes};
    list_init(&tree->order);
    trie_init(&tree->addresses.all, memory);
    trie_init(&tree->addresses.host, memory);
    trie_init(&tree->routes.trie, memory);
    tree->routes.list.memory = memory;
    if (network->tunnel_count == 0 || description_depth(network) == 0) {
        text_append(why, "the tunnels do not form a tree of depth 1 to %d",
                 NETWORK_DEPTH_MOST);
        return false;
    }
    bool built = add_nodes(tree, network, why);
    if (built && !riding_hash_init(&tree->riding_hash, memory, random, tree->peer_count)) {
        text_append(why, "no memory for %u endpoints", tree->peer_count);
        built = false;
    }
    if (built && !tree_addresses_init(&addresses, tree, &network->nat_ipv4, &network->nat_ipv6)) {
        text_append(why, "no memory for the addresses");
        built = false;
    }
    if (built)
        tree_link(tree, &addresses);
    built = built && init_routes(tree, why);
    if (!built)
        tree_wipe(tree);
    return built;
}

void tree_wipe(struct tree *tree)
{
    for (uint32_t i = 0; i < tree->slots; i++) {
        if (tree->nodes[i])
            node_free(tree->memory, tree->nodes[i]);
    }
    memory_give(tree->memory, tree->nodes, tree->capacity * sizeof(*tree->nodes));
    tree_addresses_wipe(&tree->addresses);
    memory_give(tree->memory, tree->host, tree->host_count * sizeof(*tree->host));
    riding_hash_wipe(&tree->riding_hash);
    routes_wipe(&tree->routes);
    *tree = (struct tree){.memory = tree->memory};
    list_init(&tree->order);
}
