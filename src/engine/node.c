/* SPDX-License-Identifier: MIT */
#include "engine/node.h"

#include <assert.h>
#include <stdio.h>

#include "route/reassembly.h"

#define ERRORS_PER_S 100
#define ERRORS_BURST 50
#define TOO_BIG_PER_S 500
#define TOO_BIG_BURST 200
#define CALLERS_PER_S 128
#define CALLERS_BURST 256

void node_fit_limits(struct node *node)
{
    /* A renewal every two minutes for each peer, many times over: then callers show a cookie first.
     * */
    uint32_t peers = (uint32_t)node->tunnel.peer_count;
    bucket_init(&node->unproven_callers, CALLERS_PER_S + peers / 16, CALLERS_BURST + peers / 4);
}

struct node *node_new(const struct memory *memory, const struct random_source *random,
                      const struct tunnel_description *from, struct node *carrier)
{
    struct node *node = memory_take(memory, sizeof(*node));
    if (!node)
        return NULL;
    node->configured = configured_new(memory, from, carrier);
    if (!node->configured || !tunnel_init(&node->tunnel, memory, random, from->private_key)) {
        configured_free(memory, node->configured);
        memory_give(memory, node, sizeof(*node));
        return NULL;
    }
    node->tunnel.owner = node;
    list_init(&node->in_tree);
    list_init(&node->riders);
    snprintf(node->name, sizeof(node->name), "%s", from->name);
    node->levels = 1;
    node->is_flat = true;
    node->next_ip_id = (uint16_t)random_u32(random);
    node->next_fragment_id = random_u32(random);
    backlog_share_init(&node->backlog);
    node_fit_limits(node);
    bucket_init(&node->too_big_errors, TOO_BIG_PER_S, TOO_BIG_BURST);
    bucket_init(&node->other_errors, ERRORS_PER_S, ERRORS_BURST);
    return node;
}

static void give_name(const struct memory *memory, struct hop *hop)
{
    if (hop->endpoint_name)
        memory_give(memory, hop->endpoint_name, strlen(hop->endpoint_name) + 1);
    hop->endpoint_name = NULL;
}

static void free_hop(const struct memory *memory, struct hop *hop)
{
    give_name(memory, hop);
    memory_give(memory, hop, sizeof(*hop));
}

void node_free(const struct memory *memory, struct node *node)
{
    for (uint32_t i = 0; i < node->peer_slots; i++) {
        if (node->peers[i])
            free_hop(memory, hop_of(node->peers[i]));
    }
    memory_give(memory, node->peers, node->peer_capacity * sizeof(*node->peers));
    memory_give(memory, node->places, node->peer_capacity * sizeof(*node->places));
    reassembly_free(node->reassembly);
    tunnel_wipe(&node->tunnel);
    configured_free(memory, node->configured);
    configured_free(memory, node->next);
    if (node->next_identity)
        noise_identity_wipe(node->next_identity);
    memory_give(memory, node->next_identity, sizeof(*node->next_identity));
    memory_give(memory, node, sizeof(*node));
}

bool node_reserve_peers(const struct memory *memory, struct node *node, size_t more)
{
    size_t needed = node->peer_slots + more; /* free slots need not be counted */
    if (needed <= node->peer_capacity)
        return true;
    size_t capacity = node->peer_capacity + node->peer_capacity / 4;
    capacity = capacity > needed ? capacity : needed;
    struct peer **peers = memory_take(memory, capacity * sizeof(*peers));
    struct peer_place *places = memory_take(memory, capacity * sizeof(*places));
    if (!peers || !places) {
        memory_give(memory, peers, capacity * sizeof(*peers));
        memory_give(memory, places, capacity * sizeof(*places));
        return false;
    }
    if (node->peer_slots) {
        memcpy(peers, node->peers, node->peer_slots * sizeof(*peers));
        memcpy(places, node->places, node->peer_slots * sizeof(*places));
    }
    memory_give(memory, node->peers, node->peer_capacity * sizeof(*peers));
    memory_give(memory, node->places, node->peer_capacity * sizeof(*places));
    node->peers = peers;
    node->places = places;
    node->peer_capacity = (uint32_t)capacity;
    return true;
}

static uint32_t take_slot(struct node *node)
{
    while (node->peer_free < node->peer_slots && node->peers[node->peer_free])
        node->peer_free++;
    node->peer_slots += node->peer_free == node->peer_slots;
    return node->peer_free++;
}

static struct hop *new_hop(const struct memory *memory, const struct peer_description *from)
{
    struct hop *hop = memory_take(memory, sizeof(*hop));
    size_t name_bytes = from->endpoint_name ? strlen(from->endpoint_name) + 1 : 0;
    if (!hop)
        return NULL;
    hop->turn_packets = HOP_TURN_PACKETS;
    list_init(&hop->among_riders);
    list_init(&hop->wanting);
    list_init(&hop->releasing);
    hop->is_awaiting_name = name_bytes && !from->has_endpoint;
    if (from->has_endpoint)
        hop->configured_endpoint = from->endpoint;
    if (name_bytes) {
        hop->configured_endpoint.port = from->endpoint.port;
        hop->endpoint_name = memory_take(memory, name_bytes);
        if (!hop->endpoint_name) {
            memory_give(memory, hop, sizeof(*hop));
            return NULL;
        }
        memcpy(hop->endpoint_name, from->endpoint_name, name_bytes);
    }
    return hop;
}

struct peer *node_add_peer(struct tree *tree, struct node *node,
                           const struct peer_description *from)
{
    struct hop *hop = new_hop(tree->memory, from);
    struct peer *peer = NULL;
    if (hop && node_reserve_peers(tree->memory, node, 1))
        peer = tunnel_add_peer(&node->tunnel, from->public_key, from->preshared_key);
    bool is_allowed = peer;
    for (size_t i = 0; is_allowed && i < from->allowed_ips_count; i++)
        is_allowed = tunnel_allow(peer, &from->allowed_ips[i]);
    if (!is_allowed) {
        if (peer)
            tunnel_remove_peer(&node->tunnel, peer);
        if (hop)
            free_hop(tree->memory, hop);
        return NULL;
    }
    hop->peer = peer;
    hop->generation = ++tree->last_generation;
    peer->hop = hop;
    peer->index = take_slot(node);
    node->peers[peer->index] = peer;
    node->names += hop_wants_name(hop);
    if (from->has_endpoint)
        peer->endpoint = from->endpoint;
    if (from->persistent_keepalive_s)
        timers_set_persistent_keepalive(&peer->timers, from->persistent_keepalive_s, 0);
    tree->peer_count++;
    return peer;
}

void node_free_peer(struct tree *tree, struct node *node, struct peer *peer)
{
    struct hop *hop = hop_of(peer);
    assert(list_is_empty(&hop->wanting) && list_is_empty(&hop->releasing) && !hop->is_listed &&
           list_is_empty(&hop->among_riders));
    node->peers[peer->index] = NULL;
    node->places[peer->index] = (struct peer_place){0};
    node->names -= hop_wants_name(hop);
    if (peer->index < node->peer_free)
        node->peer_free = peer->index;
    free_hop(tree->memory, hop);
    tunnel_free_peer(peer);
    tree->peer_count--;
}

uint32_t node_wanted_depth(const struct node *node)
{
    uint32_t depth = 0;
    for (; node && depth <= NETWORK_DEPTH_MOST; node = node_wanted(node)->carrier)
        depth++;
    return depth <= NETWORK_DEPTH_MOST ? depth : 0;
}

bool node_prepare_reassembly(struct node *node, const struct memory *memory, struct pool *pool)
{
    if (!node->reassembly)
        node->reassembly = reassembly_new(memory, pool);
    return node->reassembly;
}
