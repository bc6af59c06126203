/* SPDX-License-Identifier: MIT */
#include "engine/engine.h"

#include "engine/events.h"
#include "engine/lanes.h"
#include "engine/live.h"
#include "engine/mtu.h"
#include "engine/path_mtu.h"
#include "engine/scope.h"
#include "engine/tree_description.h"
#include "engine/tree_routes.h"
#include "engine/ways.h"

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

static void init_core(struct core *core, const struct engine_options *options)
{
    core->memory = options->secrets;
    core->pool = options->pool;
    core->aead = options->aead;
    core->random = options->random;
    core->log = options->log;
    core->path_mtu_deadline = INSTANT_NEVER;
    list_init(&core->wants_handshake);
    heap_init(&core->deadlines, core->memory);
}

/* Who reaches whom. */
static void join_lanes(struct engine *engine)
{
    struct core *core = &engine->core;
    struct outbound *outbound = &engine->outbound;
    struct own_sockets *sockets = &engine->own_sockets;
    engine->plan = (struct plan){.core = core, .outbound = outbound, .own_sockets = sockets};
    outbound->core = core;
    outbound->staging.core = core;
    list_init(&outbound->staging.releasing);
    engine->inbound.core = core;
    engine->inbound.handshakes = &engine->handshakes;
    engine->inbound.own_sockets = sockets;
    engine->inbound.echoes = &engine->echoes;
    engine->echoes.core = core;
    engine->echoes.outbound = outbound;
    engine->handshakes.core = core;
    engine->handshakes.outbound = outbound;
    sockets->core = core;
    sockets->outbound = outbound;
    sockets->reassemblies = &engine->inbound.reassemblies;
}

/* All that is asked; no lane has its memory yet. */
static struct engine *make(const struct engine_options *options,
                           const struct network_description *network, uint32_t packet_most_bytes,
                           struct text *why)
{
    struct engine *engine = memory_take(options->secrets, sizeof(*engine));
    if (!engine) {
        text_append(why, "no memory for the engine");
        return NULL;
    }
    struct core *core = &engine->core;
    init_core(core, options);
    join_lanes(engine);
    if (!tree_init(&core->tree, core->memory, core->random, network, packet_most_bytes, why)) {
        memory_give(core->memory, engine, sizeof(*engine));
        return NULL;
    }
    core->tree.has_port = own_socket_has_port;
    core->tree.others = &engine->own_sockets;
    return engine;
}

struct engine *engine_new(const struct engine_options *options,
                          const struct network_description *network, struct text *why)
{
    uint32_t packet_most_bytes = (uint32_t)pool_shape(options->pool)->payload_bytes;
    struct engine *engine = make(options, network, packet_most_bytes, why);
    if (!engine)
        return NULL;
    struct core *core = &engine->core;
    coalesce_init(&engine->inbound.coalesce, options->tun_takes_tcp4, options->tun_takes_tcp6,
                  options->tun_takes_udp);
    if (!backlog_init(&engine->handshakes.backlog, core->memory) ||
        !heap_reserve(&core->deadlines, core->tree.peer_count + 1) ||
        !reassemblies_init(&engine->inbound.reassemblies, core)) {
        text_append(why, "no memory for %u peers", core->tree.peer_count);
        engine_free(engine);
        return NULL;
    }
    return engine;
}

struct engine *engine_foresee(const struct memory *secrets, const struct random_source *random,
                              const struct network_description *network, struct text *why)
{
    const struct engine_options options = {.secrets = secrets, .random = random};
    return make(&options, network, NETWORK_MTU_MOST_BYTES, why);
}

void engine_free(struct engine *engine)
{
    if (!engine)
        return;
    outbound_wipe(&engine->outbound);
    inbound_wipe(&engine->inbound);
    for (struct node *node = NULL; (node = tree_next(&engine->core.tree, node));) {
        for (struct peer *peer = NULL; (peer = node_next_peer(node, peer));)
            pool_give_queue(engine->core.pool, &peer->stage);
    }
    if (engine->core.aead)
        aead_forget(engine->core.aead); /* it may live on */
    tree_wipe(&engine->core.tree);
    heap_wipe(&engine->core.deadlines);
    const struct memory *memory = engine->core.memory;
    backlog_wipe(&engine->handshakes.backlog, memory);
    bytes_wipe(engine, sizeof(*engine));
    memory_give(memory, engine, sizeof(*engine));
}

static struct node *find_node(const struct engine *engine, uint32_t tunnel)
{
    return tunnel < engine->core.tree.slots ? engine->core.tree.nodes[tunnel] : NULL;
}

static struct peer *find_peer(const struct engine *engine, uint32_t tunnel, uint32_t peer)
{
    const struct node *node = find_node(engine, tunnel);
    return node && peer < node->peer_slots ? node->peers[peer] : NULL;
}

/* ---- doors ---- */

bool engine_from_tun(struct engine *engine, const struct vnet_header *vnet, uint8_t *bytes,
                     size_t len, instant_ns now, struct actions *actions)
{
    return plan_packet(&engine->plan, vnet, bytes, len, now, actions);
}

void engine_from_udp(struct engine *engine, uint32_t root, const struct udp_train *train,
                     instant_ns now, struct actions *actions)
{
    plan_end_turn(&engine->plan);
    struct node *node = find_node(engine, root);
    if (node && !node->carrier) {
        inbound_add(&engine->inbound, node, train, now, actions);
        return;
    }
    core_count(&engine->core, node, VERDICT_MOVED); /* a socket that is about to be closed */
    pool_give_block(engine->core.pool, train->block);
}

void engine_flush(struct engine *engine, instant_ns now, uint64_t wall_ns, struct actions *actions)
{
    plan_end_turn(&engine->plan);
    outbound_run(&engine->outbound, now, actions);
    if (engine->inbound.count) {
        inbound_run(&engine->inbound, now, actions);
        inbound_end_receive(&engine->inbound, actions);
    }
    handshakes_run(&engine->handshakes, now, wall_ns, actions);
    handshakes_initiate_wanted(&engine->handshakes, now, wall_ns, actions);
}

void engine_idle(struct engine *engine, struct actions *actions)
{
    inbound_idle(&engine->inbound, actions);
}

void engine_tick(struct engine *engine, instant_ns now, uint64_t wall_ns, struct actions *actions)
{
    plan_end_turn(&engine->plan);
    reassemblies_tick(&engine->inbound.reassemblies, now);
    path_mtu_tick(&engine->core, now);
    handshakes_tick(&engine->handshakes, TICK_PEERS, now, wall_ns, actions);
    handshakes_run(&engine->handshakes, now, wall_ns, actions);
    handshakes_initiate_wanted(&engine->handshakes, now, wall_ns, actions);
}

instant_ns engine_deadline(const struct engine *engine)
{
    const struct core *core = &engine->core;
    const struct outbound *outbound = &engine->outbound;
    /* Outside of a turn the batch holds what own_socket_send put there. */
    if (engine->handshakes.backlog.count || outbound->count ||
        !list_is_empty(&core->wants_handshake) || !list_is_empty(&outbound->staging.releasing))
        return 0;
    struct heap_node *first = heap_first(&core->deadlines);
    instant_ns other = instant_min(engine->inbound.reassemblies.deadline, core->path_mtu_deadline);
    return first ? instant_min(first->deadline, other) : other;
}

void engine_count(struct engine *engine, uint32_t tunnel, enum verdict verdict, uint64_t packets)
{
    core_count_many(&engine->core, find_node(engine, tunnel), verdict, packets);
}

/* ---- commands ---- */

void engine_set_up(struct engine *engine, bool is_up, instant_ns now)
{
    if (engine->core.is_up == is_up)
        return;
    engine->core.is_up = is_up;
    while (backlog_take(&engine->handshakes.backlog))
        ; /* they were for the link as it was */
    for (struct node *node = NULL; (node = tree_next(&engine->core.tree, node));) {
        for (struct peer *peer = NULL; (peer = node_next_peer(node, peer));) {
            if (!is_up) {
                staging_drop(&engine->outbound.staging, peer, VERDICT_NO_SESSION);
                peer_forget_sessions(peer);
                timers_stop(&peer->timers);
                hop_of(peer)->attempts = 0;
                events_forget(peer);
                handshakes_let_go(&engine->handshakes, peer);
            } else if (peer->timers.persistent_interval) {
                core_hurry(&engine->core, peer, &peer->timers.persistent_keepalive, now);
            }
        }
    }
    if (!is_up)
        aead_forget(engine->core.aead);
}

bool engine_set_endpoint(struct engine *engine, struct peer_handle handle,
                         const struct endpoint *endpoint, instant_ns now)
{
    if (!engine_has_peer(engine, handle))
        return false;
    struct peer *peer = find_peer(engine, handle.tunnel, handle.peer);
    /* That one was asked elsewhere a moment ago is no reason to wait. */
    if (!endpoint_is_equal(&peer->endpoint, endpoint))
        peer->timers.last_initiation = INSTANT_NEVER;
    ways_set_endpoint(&engine->core.tree, peer, endpoint);
    if (peer->stage.count || peer->timers.persistent_interval)
        core_hurry(&engine->core, peer, &peer->timers.new_handshake, now);
    return true;
}

/* For packets that are larger than any that there was room for. Where there is no memory for them,
 * the buffers' size is the limit, until somebody says it again. */
static void enlarge_slots(struct engine *engine, uint32_t mtu_bytes)
{
    struct core *core = &engine->core;
    if (mtu_bytes <= core->tree.packet_most_bytes)
        return;
    struct pool_shape shape = *pool_shape(core->pool);
    shape.payload_bytes = mtu_bytes;
    struct pool_slab *slab = pool_prepare(core->pool, &shape);
    if (!slab)
        return;
    plan_end_turn(&engine->plan);
    pool_adopt(core->pool, slab);
    core->tree.packet_most_bytes = core->tree.link_mtu_bytes = mtu_bytes;
}

void engine_set_root_mtu(struct engine *engine, uint32_t root, uint32_t mtu_bytes)
{
    mtu_bytes = mtu_bytes < NETWORK_MTU_MOST_BYTES ? mtu_bytes : NETWORK_MTU_MOST_BYTES;
    enlarge_slots(engine, mtu_bytes);
    tree_set_root_mtu(&engine->core.tree, engine->core.tree.nodes[root], mtu_bytes);
}

bool engine_set_host(struct engine *engine, const struct prefix *prefixes, size_t count)
{
    return scope_set_host(&engine->core.tree, prefixes, count);
}

static void forget_source(struct hop *hop)
{
    hop->path.source = (struct address){0};
    hop->path.source_interface = 0;
}

void engine_forget_source(struct engine *engine, uint32_t tunnel, uint32_t peer)
{
    forget_source(hop_of(engine->core.tree.nodes[tunnel]->peers[peer]));
}

void engine_network_changed(struct engine *engine, uint32_t root, instant_ns now)
{
    struct node *node = engine->core.tree.nodes[root];
    for (struct peer *peer = NULL; (peer = node_next_peer(node, peer));) {
        struct hop *hop = hop_of(peer);
        forget_source(hop);
        struct timers *timers = &peer->timers;
        /* At once, but never two within REKEY_TIMEOUT: events come in bursts. */
        instant_ns at = timers_may_initiate(timers, now)
                            ? now
                            : instant_add(timers->last_initiation, REKEY_TIMEOUT_NS);
        if (peer->current && !hop->carrier)
            core_hurry(&engine->core, peer, &timers->new_handshake, at);
    }
}

void engine_initiate(struct engine *engine, struct peer_handle handle, instant_ns now)
{
    if (!engine_has_peer(engine, handle))
        return;
    struct peer *peer = find_peer(engine, handle.tunnel, handle.peer);
    struct timers *timers = &peer->timers;
    instant_ns at = timers_may_initiate(timers, now)
                        ? now
                        : instant_add(timers->last_initiation, REKEY_TIMEOUT_NS);
    if (at < timers->new_handshake)
        core_hurry(&engine->core, peer, &timers->new_handshake, at);
}

struct echoes *engine_echoes(struct engine *engine)
{
    return &engine->echoes;
}

struct own_sockets *engine_own_sockets(struct engine *engine)
{
    return &engine->own_sockets;
}

/* ---- questions ---- */

void engine_route(const struct engine *engine, const struct address *destination,
                  struct engine_route *route)
{
    struct node *node;
    struct peer *peer;
    enum family family = (enum family)destination->family;
    *route = (struct engine_route){.tunnel = -1, .peer = -1};
    route->verdict = plan_destination(&engine->core, family, destination->bytes, &node, &peer);
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
    struct node *node = engine->core.tree.nodes[tunnel];
    struct peer *fellow, *carrying;
    const struct node *carrier = ways_carrier_for(node->peers[index], address, &fellow);
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
    return engine->core.tree.nodes[tunnel]->mtu_bytes;
}

uint32_t engine_mtu_changes(const struct engine *engine)
{
    return engine->core.tree.mtu_changes;
}

void engine_walk_routes(const struct engine *engine,
                        void (*visit)(void *context, const struct prefix *prefix, int tunnel),
                        void *context)
{
    routes_walk(&engine->core.tree.routes, visit, context);
}

bool engine_walk_losses(const struct engine *engine,
                        void (*visit)(void *context, const struct routes_loss *loss),
                        void *context)
{
    return tree_routes_walk_losses(&engine->core.tree, visit, context);
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

/* ---- numbers ---- */

struct tunnel_handle engine_tunnel_handle(const struct engine *engine, uint32_t tunnel)
{
    const struct node *node = find_node(engine, tunnel);
    return (struct tunnel_handle){tunnel, node ? node->generation : 0};
}

struct peer_handle engine_peer_handle(const struct engine *engine, uint32_t tunnel, uint32_t peer)
{
    const struct peer *found = find_peer(engine, tunnel, peer);
    return (struct peer_handle){tunnel, peer, found ? hop_of(found)->generation : 0};
}

bool engine_has_peer(const struct engine *engine, struct peer_handle peer)
{
    const struct peer *found = find_peer(engine, peer.tunnel, peer.peer);
    return found && hop_of(found)->generation == peer.generation;
}

int engine_next_tunnel(const struct engine *engine, int after)
{
    const struct node *node = after < 0 ? NULL : find_node(engine, (uint32_t)after);
    node = after < 0 || node ? tree_next(&engine->core.tree, node) : NULL;
    return node ? (int)node->index : -1;
}

int engine_next_peer(const struct engine *engine, uint32_t tunnel, int after)
{
    const struct node *node = find_node(engine, tunnel);
    const struct peer *peer = after < 0 ? NULL : find_peer(engine, tunnel, (uint32_t)after);
    peer = node && (after < 0 || peer) ? node_next_peer(node, peer) : NULL;
    return peer ? (int)peer->index : -1;
}

int engine_first_root(const struct engine *engine)
{
    const struct node *node = tree_first_root(&engine->core.tree);
    return node ? (int)node->index : -1;
}

int engine_find_tunnel(const struct engine *engine, const char *name)
{
    const struct node *node = tree_next(&engine->core.tree, NULL);
    while (node && strcmp(node->name, name) != 0)
        node = tree_next(&engine->core.tree, node);
    return node ? (int)node->index : -1;
}

/* ---- changes ---- */

int engine_apply(struct engine *engine, const struct changes *changes, instant_ns now,
                 struct text *why)
{
    return live_apply(engine, changes, now, why);
}

int engine_try(struct engine *engine, const struct changes *changes, struct text *why)
{
    return live_try(engine, changes, why);
}

bool engine_describe(const struct engine *engine, const struct memory *memory,
                     struct network_description *description)
{
    return tree_description_make(&engine->core.tree, memory, description);
}
