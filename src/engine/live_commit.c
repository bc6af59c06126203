/* SPDX-License-Identifier: MIT */
/* Theory of operation. First whatever is removed lets go of all that still points at it, then what
 * is pending is set, then all is found anew that follows: for changed tunnels everything
 * (tree_link), for changed peers alone what the change can concern: routes and ways where
 * AllowedIPs are others (live_regions.h), MTUs once for each tunnel. Removed things are freed
 * last. */
#include "engine/live_commit.h"

#include "engine/reassemblies.h"
#include "engine/live_regions.h"
#include "engine/mtu.h"
#include "engine/tree.h"
#include "engine/tree_routes.h"
#include "engine/ways.h"

/* ---- routes ---- */

/* So many prefixes are looked at anew in the time that one region takes. */
#define REGION_COSTS_PREFIXES 16

static size_t count_route_regions(const struct live *live)
{
    size_t count = 0;
    for (size_t i = 0; i < live->region_count; i++)
        count += live->regions[i].is_route;
    return count;
}

static bool can_patch(const struct live *live, size_t regions)
{
    size_t prefixes = 0;
    for (const struct node *node = NULL; (node = tree_next(live->tree, node));)
        prefixes += node->tunnel.allowed_ips.prefixes + node->configured->tunnel.route_count;
    bool can = !live->is_structural && regions * REGION_COSTS_PREFIXES <= prefixes;
    for (size_t i = 0; i < live->region_count && can; i++)
        can = !live->regions[i].is_route ||
              tree_routes_can_be_patched(live->tree, &live->regions[i].prefix);
    return can;
}

static void wipe_routes(struct live *live, struct live_parts *parts)
{
    while (parts->patch_count)
        routes_patch_wipe(&parts->patches[--parts->patch_count]);
    memory_give(live->memory, parts->patches, parts->patch_capacity * sizeof(*parts->patches));
    parts->patches = NULL;
    routes_settle(&live->tree->routes);
    if (parts->has_routes)
        routes_wipe(&parts->routes);
    parts->has_routes = false;
}

static bool refuse_routes(struct live *live, const struct routes_conflict *conflict)
{
    char prefix[PREFIX_TEXT_BYTES];
    if (conflict->tunnel < 0)
        return live_steps_no_memory(live, live_steps_a_tunnel(live));
    const struct node *a = live->tree->nodes[conflict->tunnel];
    const struct node *b = live->tree->nodes[conflict->other];
    const struct node *one = live_steps_changed(live, a, b);
    return live_steps_refuse(live, one->name, TREE_ROUTES_TIE, one == a ? b->name : a->name,
                             prefix_format(&conflict->prefix, prefix));
}

static bool prepare_patches(struct live *live, struct live_parts *parts, size_t regions)
{
    struct routes_conflict conflict;
    size_t prefixes = 0;
    parts->patches = memory_take(live->memory, regions * sizeof(*parts->patches));
    parts->patch_capacity = regions;
    if (!parts->patches)
        return live_steps_no_memory(live, live_steps_a_tunnel(live));
    for (size_t i = 0; i < live->region_count; i++) {
        struct routes_patch *patch = &parts->patches[parts->patch_count];
        if (!live->regions[i].is_route)
            continue;
        if (!tree_routes_patch_init(patch, live->tree, &live->regions[i].prefix, &conflict))
            return refuse_routes(live, &conflict);
        parts->patch_count++;
        prefixes += patch->count;
    }
    return routes_reserve(&live->tree->routes, prefixes) ||
           live_steps_no_memory(live, live_steps_a_tunnel(live));
}

static bool prepare_routes(struct live *live, struct live_parts *parts)
{
    size_t regions = count_route_regions(live);
    if (!live->is_structural && regions == 0)
        return true;
    struct routes_conflict conflict;
    bool is_done = false;
    if (can_patch(live, regions))
        is_done = prepare_patches(live, parts, regions);
    else
        is_done = parts->has_routes =
            tree_routes_init(&parts->routes, live->tree, &conflict) ||
            refuse_routes(live, &conflict);
    if (!is_done)
        wipe_routes(live, parts);
    return is_done;
}

static void set_routes(struct live *live, struct live_parts *parts)
{
    routes_apply_patches(&live->tree->routes, parts->patches, parts->patch_count);
    if (parts->has_routes) {
        routes_wipe(&live->tree->routes);
        live->tree->routes = parts->routes;
    }
    parts->has_routes = false;
    wipe_routes(live, parts);
}

/* ---- rooms ---- */

/* A node that will have a virtual socket on its addresses. */
static bool prepare_sockets(struct live *live)
{
    const struct reassemblies *reassemblies = &live->engine->inbound.reassemblies;
    bool has_room = true;
    for (struct node *node = NULL; has_room && (node = tree_next(live->tree, node));) {
        struct node *carrier = node_wanted(node)->carrier;
        has_room = (node->next_levels == 1 || reassemblies_prepare(reassemblies, node)) &&
                   (!carrier || reassemblies_prepare(reassemblies, carrier));
    }
    return has_room;
}

/* Headers of the longest path, the largest packet. False: no memory. */
static bool prepare_slots(struct live *live, struct pool_slab **slab)
{
    struct pool_shape shape = *pool_shape(live->engine->core.pool);
    bool is_larger = false;
    *slab = NULL;
    for (struct node *node = NULL; (node = tree_next(live->tree, node));) {
        size_t hops = 0, mtu = node_wanted(node)->tunnel.mtu_bytes;
        for (const struct node *at = node; at; at = node_wanted(at)->carrier)
            hops += at->next_levels;
        is_larger |= hops * TREE_HEADROOM_PER_HOP_BYTES > shape.headroom_bytes ||
                     mtu > shape.payload_bytes;
        if (hops * TREE_HEADROOM_PER_HOP_BYTES > shape.headroom_bytes) {
            shape.headroom_bytes = hops * TREE_HEADROOM_PER_HOP_BYTES;
            shape.tailroom_bytes = hops * TREE_TAILROOM_PER_HOP_BYTES;
        }
        shape.payload_bytes = mtu > shape.payload_bytes ? mtu : shape.payload_bytes;
    }
    if (is_larger)
        *slab = pool_prepare(live->engine->core.pool, &shape);
    return *slab || !is_larger;
}

static bool prepare_rooms(struct live *live, struct live_parts *parts)
{
    return heap_reserve(&live->engine->core.deadlines, live->tree->peer_count + 1) &&
           riding_hash_reserve(&live->tree->riding_hash, live->tree->peer_count) &&
           prepare_sockets(live) && prepare_slots(live, &parts->slab);
}

bool live_commit_prepare(struct live *live, struct live_parts *parts)
{
    const struct changes *changes = live->changes;
    const struct tree_addresses *now = &live->tree->addresses;
    *parts = (struct live_parts){.has_addresses = live->is_structural || changes->has_nat};
    if (!prepare_rooms(live, parts))
        return live_steps_no_memory(live, live_steps_a_tunnel(live));
    if (!prepare_routes(live, parts)) {
        pool_forgo(live->engine->core.pool, parts->slab);
        return false;
    }
    if (!parts->has_addresses ||
        tree_addresses_init(&parts->addresses, live->tree,
                            changes->has_nat ? &changes->nat_ipv4 : &now->nat_ipv4,
                            changes->has_nat ? &changes->nat_ipv6 : &now->nat_ipv6))
        return true;
    wipe_routes(live, parts);
    pool_forgo(live->engine->core.pool, parts->slab);
    return live_steps_no_memory(live, live_steps_a_tunnel(live));
}

void live_commit_forgo(struct live *live, struct live_parts *parts)
{
    wipe_routes(live, parts);
    if (parts->has_addresses)
        tree_addresses_wipe(&parts->addresses);
    pool_forgo(live->engine->core.pool, parts->slab);
}

/* ---- what is pending ---- */

static bool is_same_name(const struct hop *hop, const struct hop_pending *pending)
{
    return hop->endpoint_name && pending->endpoint_name && !pending->endpoint.address.family &&
           !hop->configured_endpoint.address.family &&
           strcmp(hop->endpoint_name, pending->endpoint_name) == 0 &&
           hop->configured_endpoint.port == pending->endpoint.port;
}

static void set_endpoint(struct live *live, struct hop_pending *pending, instant_ns now)
{
    struct peer *peer = pending->peer;
    struct hop *hop = hop_of(peer);
    struct node *node = node_of(peer);
    if (is_same_name(hop, pending))
        return; /* and where it was found stays */
    node->names -= hop->endpoint_name && !hop->configured_endpoint.address.family;
    char *before = hop->endpoint_name;
    hop->endpoint_name = pending->endpoint_name;
    hop->configured_endpoint = pending->endpoint;
    pending->endpoint_name = before; /* freed with it */
    pending->fields &= ~(unsigned)CHANGE_ENDPOINT;
    hop->is_awaiting_name = hop_wants_name(hop);
    node->names += hop->is_awaiting_name;
    const struct endpoint none = {0};
    const struct endpoint *endpoint =
        pending->endpoint.address.family ? &pending->endpoint : &none;
    if (endpoint_is_equal(&peer->endpoint, endpoint))
        return; /* spoken to there already: what was learnt of the way is no other */
    peer->timers.last_initiation = INSTANT_NEVER;
    node->mtu_is_stale |= ways_move(live->tree, peer, endpoint) || hop->carrier == node;
    if (endpoint->address.family && (peer->stage.count || peer->timers.persistent_interval))
        core_hurry(&live->engine->core, peer, &peer->timers.new_handshake, now);
}

/* The same one again is none that is new: a file that is applied again names it, too. */
static void set_preshared_key(struct peer *peer, const uint8_t key[32], instant_ns now)
{
    if (!bytes_equal_secret(peer->noise.preshared_key, key, 32))
        hop_of(peer)->preshared_key_since = now;
    tunnel_set_preshared_key(peer, key);
}

static void set_pending(struct live *live, instant_ns now)
{
    struct core *core = &live->engine->core;
    for (struct hop_pending *at = live->pending; at; at = at->next) {
        struct peer *peer = at->peer;
        if (list_is_empty(&peer->in_tunnel) || list_is_empty(&node_of(peer)->in_tree))
            continue; /* removed by a later change */
        if (at->fields & CHANGE_PRESHARED_KEY)
            set_preshared_key(peer, at->preshared_key, now);
        if (at->fields & CHANGE_KEEPALIVE) {
            timers_set_persistent_keepalive(&peer->timers, at->persistent_keepalive_s, now);
            if (core->is_up)
                core_touch_deadline(core, peer);
        }
        if (at->fields & CHANGE_ENDPOINT)
            set_endpoint(live, at, now);
    }
}

static void set_identities(struct live *live)
{
    for (struct node *node = NULL; (node = tree_next(live->tree, node));) {
        if (node->next_identity)
            tunnel_set_private_key(&node->tunnel, node->next_identity->private_key);
    }
}

/* ---- peers alone ---- */

/* Those of the node whose endpoint lies where AllowedIPs changed find their way again. */
static void find_ways_inside(struct live *live, struct node *node)
{
    for (uint32_t slot = 0; slot < node->peer_slots && live->region_count; slot++) {
        if (!live_regions_have(live, &node->places[slot].address))
            continue;
        struct peer *peer = node->peers[slot];
        if (!list_is_empty(&peer->in_tunnel))
            node->mtu_is_stale |= ways_find(live->tree, peer);
    }
}

static void find_peers_ways(struct live *live)
{
    for (struct node *node = NULL; (node = tree_next(live->tree, node));) {
        bool is_inside = node->is_touched || (node->carrier && node->carrier->is_touched);
        if (is_inside)
            find_ways_inside(live, node);
    }
    for (size_t i = 0; i < live->count; i++) {
        const struct live_step *step = &live->steps[i];
        if (step->kind == LIVE_PEER_ADDED && !list_is_empty(&step->peer->in_tunnel))
            ways_find(live->tree, step->peer);
    }
    for (struct node *node = NULL; (node = tree_next(live->tree, node));) {
        if (!node->is_touched)
            continue;
        node->is_flat = node->next_is_flat;
        if (node->levels != node->next_levels) {
            node->levels = node->next_levels;
            tree_choose_inner_port(live->tree, node);
            node->mtu_is_stale = true;
        }
        node->mtu_is_stale |= ways_find_riders(node);
    }
}

/* At the end, once for a tunnel: where only peers came or went their own tell what is new. */
static void find_mtus(struct live *live)
{
    for (size_t i = 0; i < live->count; i++) {
        const struct live_step *step = &live->steps[i];
        if (step->kind == LIVE_PEER_ADDED && !list_is_empty(&step->peer->in_tunnel))
            step->node->mtu_is_stale |= mtu_add_peer(live->tree, step->peer);
    }
    for (const struct hop_pending *at = live->pending; at; at = at->next) {
        if (!list_is_empty(&at->peer->in_tunnel))
            node_of(at->peer)->mtu_is_stale |= mtu_update_hop(live->tree, at->peer);
    }
    for (struct node *node = NULL; (node = tree_next(live->tree, node));) {
        if (node->mtu_is_stale)
            mtu_update(live->tree, node);
        else if (node->is_touched)
            mtu_remove_peers(live->tree, node);
        node->mtu_is_stale = false;
    }
}

/* ---- letting go: each lane does it itself ---- */

/* Of a peer that is out of its tunnel. It can be freed once ways are found anew. */
static void let_go_of_peer(struct engine *engine, struct peer *peer)
{
    plan_let_go(&engine->plan, peer);
    outbound_let_go(&engine->outbound, peer);
    handshakes_let_go(&engine->handshakes, peer);
    ways_forget(&engine->core.tree, peer);
}

static void let_go_of_carrier(struct engine *engine, struct node *node)
{
    struct node *carrier = node->carrier;
    if (carrier && !list_is_empty(&carrier->in_tree))
        own_socket_shut(&engine->own_sockets, carrier, node->listen_port);
    if (carrier)
        staging_let_go_of_socket(&engine->outbound.staging, node);
    backlog_forget(&engine->handshakes.backlog, node); /* its answers would go back the old way */
}

static void let_go_of_node(struct engine *engine, struct node *node)
{
    for (struct peer *peer = NULL; (peer = node_next_peer(node, peer));)
        let_go_of_peer(engine, peer);
    let_go_of_carrier(engine, node);
    inbound_let_go(&engine->inbound, node);
    own_socket_forget(&engine->own_sockets, node);
}

/* ---- tunnels ---- */

static void take_configured(struct live *live)
{
    for (struct node *node = NULL; (node = tree_next(live->tree, node));) {
        if (!node->next)
            continue;
        bool is_moved = node->next->carrier != node->configured->carrier;
        if (is_moved)
            let_go_of_carrier(live->engine, node);
        if (node->configured->tunnel.listen_port && !node->next->tunnel.listen_port)
            node->listen_port = 0; /* chosen anew */
        if (is_moved && !node->next->carrier)
            node->root_mtu_bytes = 0; /* of a way that it does not have yet */
        node->previous = node->configured;
        node->configured = node->next;
        node->next = NULL;
    }
}

static void note_ports(struct live *live)
{
    for (struct node *node = NULL; (node = tree_next(live->tree, node));) {
        node->previous_port = node->listen_port;
        node->previous_inner_port = node->inner_port;
    }
}

/* What is still under way to a socket that has another port now is nobody else's (RULES C1). One
 * that left its carrier let go of it there. */
static void shut_left_ports(struct live *live)
{
    struct own_sockets *sockets = &live->engine->own_sockets;
    for (struct node *node = NULL; (node = tree_next(live->tree, node));) {
        struct node *carrier = node->configured->carrier;
        bool has_moved = node->previous && node->previous->carrier != carrier;
        if (carrier && !has_moved && node->previous_port &&
            node->previous_port != node->listen_port)
            own_socket_shut(sockets, carrier, node->previous_port);
        if (node->previous_inner_port && node->previous_inner_port != node->inner_port)
            own_socket_shut(sockets, node, node->previous_inner_port);
    }
}

/* What moved tells its other ends where it is now, in as many turns as it takes, and what waits
 * must have room for the way. */
static void settle_moved(struct live *live, instant_ns now)
{
    for (struct node *node = NULL; (node = tree_next(live->tree, node));) {
        for (struct peer *peer = NULL; (peer = node_next_peer(node, peer));)
            outbound_let_go_of_cramped(&live->engine->outbound, peer);
        if (!node->previous || node->previous->carrier == node->configured->carrier)
            continue;
        for (struct peer *peer = NULL; (peer = node_next_peer(node, peer));) {
            if (peer->current && live->engine->core.is_up)
                core_hurry(&live->engine->core, peer, &peer->timers.passive_keepalive, now);
        }
    }
}

/* ---- the whole ---- */

static void let_go(struct live *live)
{
    for (size_t i = 0; i < live->count; i++) {
        const struct live_step *step = &live->steps[i];
        if (step->kind == LIVE_PEER_REMOVED)
            let_go_of_peer(live->engine, step->peer);
        else if (step->kind == LIVE_NODE_REMOVED)
            let_go_of_node(live->engine, step->node);
    }
}

static void free_removed(struct live *live)
{
    for (size_t i = 0; i < live->count; i++) {
        const struct live_step *step = &live->steps[i];
        if (step->kind == LIVE_PEER_REMOVED)
            node_free_peer(live->tree, step->node, step->peer);
    }
    for (size_t i = 0; i < live->count; i++) {
        struct node *node = live->steps[i].node;
        if (live->steps[i].kind != LIVE_NODE_REMOVED)
            continue;
        live->tree->nodes[node->index] = NULL;
        live->tree->peer_count -= (uint32_t)node->tunnel.peer_count;
        node_free(live->memory, node);
    }
}

/* New peers begin as those that were there when the link came up. */
static void start_new(struct live *live, struct node *node, instant_ns now)
{
    struct core *core = &live->engine->core;
    for (struct peer *peer = NULL; (peer = node_next_peer(node, peer));) {
        if (core->is_up && peer->timers.persistent_interval && !peer->deadline.place)
            core_hurry(core, peer, &peer->timers.persistent_keepalive, now);
    }
}

void live_commit_run(struct live *live, struct live_parts *parts, instant_ns now)
{
    struct engine *engine = live->engine;
    plan_end_turn(&engine->plan);
    if (live->is_structural)
        plan_forget(&engine->plan); /* it may be half translated */
    note_ports(live);
    let_go(live);
    if (parts->slab) {
        pool_adopt(engine->core.pool, parts->slab);
        live->tree->packet_most_bytes = (uint32_t)pool_shape(engine->core.pool)->payload_bytes;
    }
    set_identities(live);
    if (live->is_structural) {
        take_configured(live);
        tree_link(live->tree, &parts->addresses);
    } else if (parts->has_addresses) {
        tree_take_addresses(live->tree, &parts->addresses);
    }
    if (!live->is_structural)
        find_peers_ways(live);
    shut_left_ports(live);
    set_pending(live, now);
    find_mtus(live);
    set_routes(live, parts);
    if (live->is_structural || parts->slab)
        settle_moved(live, now);
    live_steps_wipe_pending(live);
    free_removed(live);
    for (struct node *node = NULL; (node = tree_next(live->tree, node));) {
        if (node->is_touched)
            node_fit_limits(node);
        if (node->is_touched && live->is_structural)
            start_new(live, node, now);
    }
    aead_forget(engine->core.aead);
}
