/* SPDX-License-Identifier: MIT */
#include "engine/ways.h"

#include "engine/fellows.h"
#include "engine/mtu.h"

struct node *ways_carrier_for(const struct peer *peer, const struct address *address,
                              struct peer **fellow)
{
    struct node *node = node_of(peer);
    return fellows_find(node, peer, address, fellow) ? node : node->carrier;
}

/* Of the literal endpoint's peer; a circle ends where it has been counted too often. */
static uint32_t count_levels(const struct node *node, const struct peer *peer)
{
    uint32_t levels = 1;
    for (; levels < NETWORK_LEVELS_MOST; levels++) {
        const struct endpoint *endpoint = hop_wanted_endpoint(hop_of(peer));
        struct peer *fellow = NULL;
        if (!endpoint->address.family ||
            !fellows_find(node, peer, &endpoint->address, &fellow) || !fellow)
            break;
        peer = fellow;
    }
    return levels;
}

/* At most as many peers, and those that are in a way count one prefix longer than /0 each. */
static uint32_t most_levels(const struct node *node)
{
    uint32_t peers = 0, narrow = 0;
    const struct peer *peer = NULL;
    while ((peer = node_next_peer(node, peer)) && narrow < NETWORK_LEVELS_MOST) {
        bool is_narrow = false;
        for (const struct list *at = peer->allowed_ips.next; at != &peer->allowed_ips && !is_narrow;
             at = at->next)
            is_narrow = trie_listed_prefix(at).len_bits > 0;
        narrow += is_narrow;
        peers++;
    }
    uint32_t most = narrow + 1 < peers ? narrow + 1 : peers;
    return most < NETWORK_LEVELS_MOST ? most : NETWORK_LEVELS_MOST;
}

static uint32_t limit_levels(const struct node *node, uint32_t levels)
{
    uint32_t most = levels > 1 ? most_levels(node) : 1;
    levels = levels < most ? levels : most;
    return levels ? levels : 1;
}

uint32_t ways_levels(const struct node *node, bool *is_flat)
{
    uint32_t names = 0, deepest = 1;
    const struct peer *peer = NULL;
    while ((peer = node_next_peer(node, peer))) {
        uint32_t levels = count_levels(node, peer);
        names += hop_wants_name(hop_of(peer));
        deepest = levels > deepest ? levels : deepest;
    }
    *is_flat = deepest == 1;
    return limit_levels(node, names + deepest);
}

uint32_t ways_levels_of_names(const struct node *node, uint32_t names)
{
    return limit_levels(node, names + 1);
}

static struct hop *rider_at(const struct list *at)
{
    return CONTAINER_OF(at, struct hop, among_riders);
}

bool ways_hide(const struct node *node, const struct address *address)
{
    const struct list *at = node->riders.next;
    while (at != &node->riders &&
           !address_is_equal(&rider_at(at)->peer->endpoint.address, address))
        at = at->next;
    return at != &node->riders;
}

/* Another way begins: nothing is known of it. */
static void forget_learnt(struct hop *hop)
{
    hop->path_mtu = (struct path_mtu){0};
    hop->path_error = (struct path_error){0};
}

/* Through which peer of its carrier the hop's datagrams go. True: another than before. */
static bool find_carrier_peer(struct hop *hop)
{
    const struct peer *peer = hop->peer, *before = hop->carrier_peer;
    struct node *node = node_of(peer), *carrier = hop->carrier;
    const struct endpoint *endpoint = &peer->endpoint;
    hop->source = *node_address(carrier, (enum family)endpoint->address.family);
    hop->source_port = carrier == node ? node->inner_port : node->listen_port;
    hop->carrier_peer = NULL;
    if (endpoint->address.family && hop->source.family) {
        if (carrier != node)
            hop->carrier_peer = trie_lookup(&carrier->tunnel.allowed_ips, &endpoint->address);
        else if (fellows_lead_out(peer, node->levels))
            hop->carrier_peer = hop->fellow;
    }
    if (hop->carrier_peer != before)
        forget_learnt(hop);
    return hop->carrier_peer != before;
}

static void unlist(struct tree *tree, struct hop *hop)
{
    if (hop->is_listed)
        riding_hash_remove(&tree->riding_hash, hop);
    hop->is_listed = false;
    list_remove(&hop->among_riders);
}

static void take_socket(struct tree *tree, struct hop *hop)
{
    const struct endpoint *endpoint = &hop->peer->endpoint;
    hop->carrier_peer = NULL;
    hop->cut_bytes = 0;
    if (!endpoint_is_equal(&hop->path.destination, endpoint)) /* a sticky source was for that one */
        hop->path = (struct udp_path){.destination = *endpoint};
    hop->path.root = node_of(hop->peer)->index;
    if (endpoint->address.family) {
        riding_hash_add(&tree->riding_hash, hop);
        hop->is_listed = true;
    }
}

bool ways_find(struct tree *tree, struct peer *peer)
{
    struct hop *hop = hop_of(peer);
    struct node *node = node_of(peer);
    const struct node *carrier = hop->carrier;
    const struct peer *carrier_peer = hop->carrier_peer;
    unlist(tree, hop);
    const struct address *configured = &hop->configured_endpoint.address;
    node->places[peer->index] = (struct peer_place){
        .address = peer->endpoint.address,
        .has_roamed =
            configured->family && !address_is_equal(configured, &peer->endpoint.address)};
    hop->carrier = ways_carrier_for(peer, &peer->endpoint.address, &hop->fellow);
    if (hop->carrier == node)
        list_append(&node->riders, &hop->among_riders);
    if (hop->carrier)
        find_carrier_peer(hop);
    else
        take_socket(tree, hop);
    if (hop->carrier == carrier && hop->carrier_peer == carrier_peer)
        return false;
    forget_learnt(hop);
    hop->path.source = (struct address){0};
    hop->path.source_interface = 0;
    return true;
}

void ways_forget(struct tree *tree, struct peer *peer)
{
    struct hop *hop = hop_of(peer);
    unlist(tree, hop);
    hop->carrier = NULL;
    hop->carrier_peer = hop->fellow = NULL;
    forget_learnt(hop);
}

bool ways_find_riders(struct node *node)
{
    bool is_another = false;
    for (struct list *at = node->riders.next; at != &node->riders; at = at->next)
        is_another |= find_carrier_peer(rider_at(at));
    return is_another;
}

bool ways_move(struct tree *tree, struct peer *peer, const struct endpoint *endpoint)
{
    struct hop *hop = hop_of(peer);
    unlist(tree, hop); /* by the old one */
    forget_learnt(hop);
    hop->path = (struct udp_path){0};
    peer->endpoint = *endpoint;
    if (endpoint->address.family != FAMILY_NONE)
        hop->is_awaiting_name = false;
    ways_find(tree, peer);
    return ways_find_riders(node_of(peer));
}

void ways_set_endpoint(struct tree *tree, struct peer *peer, const struct endpoint *endpoint)
{
    if (ways_move(tree, peer, endpoint))
        mtu_update(tree, node_of(peer));
    else
        mtu_update_peer(tree, peer);
}
