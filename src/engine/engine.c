/* SPDX-License-Identifier: MIT */
#include "engine/engine.h"

#include <stdio.h>

#include "engine/core.h"
#include "engine/events.h"
#include "engine/fragments.h"
#include "engine/handshakes.h"
#include "engine/inbound.h"
#include "engine/mtu.h"
#include "engine/outbound.h"
#include "engine/path_mtu.h"
#include "engine/plan.h"

/* Slots: a turn's batch, what is staged (a quarter of them), what waits at the sockets. */
#define POOL_SLOTS 4096
#define POOL_RECEIVE_BLOCKS 192
#define POOL_PAYLOAD_LEAST_BYTES 1500
#define TICK_PEERS 64

void engine_pool_shape(const struct network_description *network, struct pool_shape *shape)
{
    size_t depth = description_longest_path(network), payload = POOL_PAYLOAD_LEAST_BYTES;
    if (network->link_mtu_bytes > payload)
        payload = network->link_mtu_bytes;
    for (size_t i = 0; i < network->tunnel_count; i++) {
        if (network->tunnels[i].mtu_bytes > payload)
            payload = network->tunnels[i].mtu_bytes;
    }
    *shape = (struct pool_shape){.slots = POOL_SLOTS,
                                 .headroom_bytes = depth * TREE_HEADROOM_PER_HOP_BYTES,
                                 .payload_bytes = payload,
                                 .tailroom_bytes = depth * TREE_TAILROOM_PER_HOP_BYTES,
                                 .receive_blocks = POOL_RECEIVE_BLOCKS,
                                 .receive_block_bytes = 65536};
}

static void insert_peers(struct engine *engine)
{
    for (uint32_t i = 0; i < engine->tree.count; i++) {
        struct node *node = &engine->tree.nodes[i];
        for (uint32_t p = 0; p < node->peer_count; p++)
            node->peers[p]->deadline.deadline = INSTANT_NEVER;
    }
}

struct engine *engine_new(const struct engine_options *options,
                          const struct network_description *network, char *why, size_t why_bytes)
{
    struct engine *engine = memory_take(options->secrets, sizeof(*engine));
    if (!engine) {
        snprintf(why, why_bytes, "no memory for the engine");
        return NULL;
    }
    engine->memory = options->secrets;
    engine->pool = options->pool;
    engine->aead = options->aead;
    engine->random = options->random;
    engine->log = options->log;
    engine->log_context = options->log_context;
    list_init(&engine->wants_handshake);
    list_init(&engine->releasing);
    engine->path_mtu_deadline = INSTANT_NEVER;
    heap_init(&engine->deadlines, engine->memory);
    coalesce_init(&engine->coalesce, options->tun_takes_tcp4, options->tun_takes_tcp6,
                  options->tun_takes_udp);
    uint32_t packet_most = (uint32_t)pool_shape(engine->pool)->payload_bytes;
    if (!tree_init(&engine->tree, engine->memory, engine->random, network, packet_most, why,
                   why_bytes)) {
        memory_give(engine->memory, engine, sizeof(*engine));
        return NULL;
    }
    insert_peers(engine);
    if (!backlog_init(&engine->backlog, engine->memory) ||
        !heap_reserve(&engine->deadlines, engine->tree.peer_count + 1) ||
        !fragments_init(engine)) {
        snprintf(why, why_bytes, "no memory for %u peers", engine->tree.peer_count);
        engine_free(engine);
        return NULL;
    }
    return engine;
}

static void discard(void *context, const struct tun_frame *frame)
{
    struct packet *packet = frame->first;
    while (packet) {
        struct packet *next = packet->next;
        pool_give_packet(context, packet);
        packet = next;
    }
}

void engine_free(struct engine *engine)
{
    if (!engine)
        return;
    for (size_t i = 0; i < engine->outbound_count; i++)
        pool_give_packet(engine->pool, engine->outbound[i].packet);
    for (size_t i = 0; i < engine->inbound_count; i++)
        pool_give_packet(engine->pool, engine->inbound[i].packet);
    struct coalesce_sink sink = {.emit = discard, .context = engine->pool};
    coalesce_flush(&engine->coalesce, &sink);
    for (uint32_t i = 0; i < engine->tree.count; i++) {
        struct node *node = &engine->tree.nodes[i];
        for (uint32_t p = 0; p < node->peer_count; p++)
            pool_give_queue(engine->pool, &node->peers[p]->stage);
    }
    fragments_wipe(engine);
    aead_forget(engine->aead); /* it may live on */
    tree_wipe(&engine->tree);
    heap_wipe(&engine->deadlines);
    const struct memory *memory = engine->memory;
    backlog_wipe(&engine->backlog, memory);
    bytes_wipe(engine, sizeof(*engine));
    memory_give(memory, engine, sizeof(*engine));
}

/* ---- doors ---- */

bool engine_from_tun(struct engine *engine, const struct vnet_header *vnet, uint8_t *bytes,
                     size_t len, instant_ns now, struct actions *actions)
{
    return plan_packet(engine, vnet, bytes, len, now, actions);
}

void engine_from_udp(struct engine *engine, uint32_t root, const struct udp_train *train,
                     instant_ns now, uint64_t wall_ns, struct actions *actions)
{
    (void)wall_ns;
    inbound_add(engine, &engine->tree.nodes[root], train, now, actions);
}

void engine_flush(struct engine *engine, instant_ns now, uint64_t wall_ns, struct actions *actions)
{
    outbound_run(engine, now, actions);
    if (engine->inbound_count) {
        inbound_run(engine, now, actions);
        inbound_end_receive(engine, actions);
    }
    handshakes_run(engine, now, wall_ns, actions);
    handshakes_initiate_wanted(engine, now, wall_ns, actions);
}

void engine_idle(struct engine *engine, struct actions *actions)
{
    inbound_idle(engine, actions);
}

void engine_tick(struct engine *engine, instant_ns now, uint64_t wall_ns, struct actions *actions)
{
    fragments_tick(engine, now);
    path_mtu_tick(engine, now);
    handshakes_tick(engine, TICK_PEERS, now, wall_ns, actions);
    handshakes_run(engine, now, wall_ns, actions);
    handshakes_initiate_wanted(engine, now, wall_ns, actions);
}

instant_ns engine_deadline(const struct engine *engine)
{
    /* Outside of a turn the batch holds what own_socket_send put there. */
    if (engine->backlog.count || engine->outbound_count ||
        !list_is_empty(&engine->wants_handshake) || !list_is_empty(&engine->releasing))
        return 0;
    struct heap_node *first = heap_first(&engine->deadlines);
    instant_ns other = instant_min(engine->fragments_deadline, engine->path_mtu_deadline);
    return first ? instant_min(first->deadline, other) : other;
}

void engine_count(struct engine *engine, uint32_t tunnel, enum verdict verdict, uint64_t packets)
{
    engine->tree.nodes[tunnel].drops[verdict] += packets;
}

/* ---- commands ---- */

/* Makes a peer's timer fire at this instant. */
static void hurry(struct engine *engine, struct peer *peer, instant_ns *timer, instant_ns at)
{
    *timer = at;
    core_touch_deadline(engine, peer);
}

void engine_set_up(struct engine *engine, bool is_up, instant_ns now)
{
    if (engine->is_up == is_up)
        return;
    engine->is_up = is_up;
    while (backlog_take(&engine->backlog))
        ; /* they were for the link as it was */
    for (uint32_t i = 0; i < engine->tree.count; i++) {
        struct node *node = &engine->tree.nodes[i];
        for (uint32_t p = 0; p < node->peer_count; p++) {
            struct peer *peer = node->peers[p];
            if (!is_up) {
                outbound_drop_staged(engine, peer, VERDICT_NO_SESSION);
                peer_forget_sessions(peer);
                timers_stop(&peer->timers);
                hop_of(peer)->attempts = 0;
                events_forget(peer);
                list_remove(&hop_of(peer)->wanting);
                heap_set(&engine->deadlines, &peer->deadline, INSTANT_NEVER);
            } else if (peer->timers.persistent_interval) {
                hurry(engine, peer, &peer->timers.persistent_keepalive, now);
            }
        }
    }
    if (!is_up)
        aead_forget(engine->aead);
}

void engine_set_endpoint(struct engine *engine, uint32_t tunnel, uint32_t peer_index,
                         const struct endpoint *endpoint, instant_ns now)
{
    struct peer *peer = engine->tree.nodes[tunnel].peers[peer_index];
    /* That one was asked elsewhere a moment ago is no reason to wait. */
    if (!endpoint_is_equal(&peer->endpoint, endpoint))
        peer->timers.last_initiation = INSTANT_NEVER;
    tree_set_endpoint(&engine->tree, peer, endpoint);
    if (peer->stage.count || peer->timers.persistent_interval)
        hurry(engine, peer, &peer->timers.new_handshake, now);
}

void engine_set_root_mtu(struct engine *engine, uint32_t root, uint32_t mtu_bytes)
{
    tree_set_root_mtu(&engine->tree, &engine->tree.nodes[root], mtu_bytes);
}

void engine_network_changed(struct engine *engine, uint32_t root, instant_ns now)
{
    struct node *node = &engine->tree.nodes[root];
    for (uint32_t p = 0; p < node->peer_count; p++) {
        struct hop *hop = &node->hops[p];
        hop->path.source = (struct address){0};
        hop->path.source_interface = 0;
        struct timers *timers = &node->peers[p]->timers;
        /* At once, but never two within REKEY_TIMEOUT: events come in bursts. */
        instant_ns at = timers_may_initiate(timers, now)
                            ? now
                            : instant_add(timers->last_initiation, REKEY_TIMEOUT_NS);
        if (node->peers[p]->current && !hop->carrier)
            hurry(engine, node->peers[p], &timers->new_handshake, at);
    }
}

/* ---- questions ---- */

void engine_route(const struct engine *engine, const struct address *destination,
                  struct engine_route *route)
{
    struct node *node;
    struct peer *peer;
    enum family family = (enum family)destination->family;
    *route = (struct engine_route){.tunnel = -1, .peer = -1};
    route->verdict = plan_destination(engine, family, destination->bytes, &node, &peer);
    if (!node)
        return;
    route->tunnel = (int)node->index;
    route->peer = peer ? (int)peer->index : -1;
    route->mtu_bytes = peer ? hop_of(peer)->mtu_bytes : node->mtu_bytes;
    route->source = *node_address(node, family);
}

enum engine_way engine_way(const struct engine *engine, uint32_t tunnel, uint32_t index,
                           const struct address *address)
{
    struct node *node = &engine->tree.nodes[tunnel];
    struct peer *fellow, *carrying;
    const struct node *carrier = tree_carrier_for(node->peers[index], address, &fellow);
    if (!carrier)
        return ENGINE_WAY_SOCKET;
    enum family family = (enum family)address->family;
    carrying = carrier == node ? fellow : trie_lookup(&carrier->tunnel.allowed_ips, address);
    /* Over IPv6 a narrow path carries nothing (E4). */
    bool is_reached = carrying && node_address(carrier, family)->family &&
                      (family == FAMILY_IPV4 ||
                       hop_of(carrying)->mtu_bytes >= IPV6_LEAST_MTU_BYTES);
    if (carrier == node)
        return is_reached ? ENGINE_WAY_FELLOW : ENGINE_WAY_HIDDEN;
    return is_reached ? ENGINE_WAY_CARRIER : ENGINE_WAY_NONE;
}

uint32_t engine_mtu(const struct engine *engine, uint32_t tunnel)
{
    return engine->tree.nodes[tunnel].mtu_bytes;
}

uint32_t engine_mtu_changes(const struct engine *engine)
{
    return engine->tree.mtu_changes;
}

void engine_walk_routes(const struct engine *engine,
                        void (*visit)(void *context, const struct prefix *prefix, int tunnel),
                        void *context)
{
    routes_walk(&engine->tree.routes, visit, context);
}

struct widest {
    const struct engine *engine;
    uint32_t mtu_bytes;
};

static void widen(void *context, const struct prefix *prefix, int tunnel)
{
    struct widest *widest = context;
    (void)prefix;
    uint32_t mtu = tunnel >= 0 ? engine_mtu(widest->engine, (uint32_t)tunnel) : 0;
    widest->mtu_bytes = mtu > widest->mtu_bytes ? mtu : widest->mtu_bytes;
}

uint32_t engine_widest_mtu(const struct engine *engine)
{
    struct widest widest = {.engine = engine};
    engine_walk_routes(engine, widen, &widest);
    return widest.mtu_bytes;
}
