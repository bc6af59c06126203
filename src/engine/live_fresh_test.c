/* SPDX-License-Identifier: MIT */
/* Random changes of peers and AllowedIPs, in many small steps and large ones, lead to the same tree
 * as building it from what it is then: ways, levels, MTUs and routes. */
#include <stdio.h>

#include "engine/engine.h"
#include "engine/lanes.h"
#include "engine/tree_description.h"
#include "engine/ways.h"
#include "rigs/sample.h"
#include "tap.h"

#define TUNNELS 4
#define KEYS 7
#define CHANGES_MOST 4
#define PREFIXES_MOST 30
#define BULK 300

static const char *const names[TUNNELS] = {"root", "inside", "deeper", "other"};
static const char *const prefixes[] = {
    "10.0.0.0/8",   "10.1.0.0/16",     "10.1.2.0/24",     "10.1.2.3/32",   "0.0.0.0/0",
    "0.0.0.0/1",    "128.0.0.0/1",     "198.51.100.0/24", "203.0.113.0/24", "10.1.9.0/24",
    "::/0",         "8000::/1",        "2001:db8::/32",   "2001:db8:1::/48", "100.64.0.0/10"};
static const char *const endpoints[] = {"10.1.2.3:1",     "10.1.9.9:2",    "198.51.100.7:3",
                                        "203.0.113.5:4",  "192.0.2.77:5",  "[2001:db8:1::9]:6",
                                        "[2001:db9::1]:7", "100.64.3.4:8"};

static struct prefix parse(const char *text)
{
    struct prefix prefix;
    CHECK(prefix_parse(text, &prefix));
    return prefix;
}

/* One of few, or a host route of many. */
static struct prefix random_prefix(void)
{
    if (tap_random_below(3))
        return parse(prefixes[tap_random_below(sizeof(prefixes) / sizeof(*prefixes))]);
    struct address host = sample_address(tap_random_below(2) ? "100.64.0.0" : "10.1.0.0");
    host.bytes[3] = (uint8_t)tap_random_below(64);
    return prefix_host(&host);
}

static struct engine *make_engine(const struct network_description *network, struct pool *pool,
                                  struct aead *aead)
{
    struct text why = TEXT_ROOM(512);
    const struct engine_options options = {.secrets = tap_memory(), .pool = pool, .aead = aead,
                                           .random = tap_random_source()};
    struct engine *engine = engine_new(&options, network, &why);
    if (!CHECK(engine))
        CHECK_TEXT(why.bytes, "");
    return engine;
}

static void set_root_mtus(struct engine *engine)
{
    for (int at = -1; (at = engine_next_tunnel(engine, at)) >= 0;) {
        if (!engine->core.tree.nodes[at]->carrier)
            engine_set_root_mtu(engine, (uint32_t)at, 1420);
    }
}

/* Two forests of a root and what it carries, the first with many prefixes of one peer. */
static struct engine *make_first(struct pool *pool, struct aead *aead)
{
    static struct prefix bulk[BULK];
    struct address addresses[TUNNELS] = {sample_address("172.16.0.1"), sample_address("172.16.0.2"),
                                         sample_address("172.16.0.3"),
                                         sample_address("172.16.0.4")};
    struct peer_description peer = {.allowed_ips = bulk, .allowed_ips_count = BULK};
    struct tunnel_description tunnels[TUNNELS] = {{.carrier = -1}, {.carrier = 0}, {.carrier = 1},
                                                  {.carrier = -1}};
    const struct network_description network = {.tunnels = tunnels, .tunnel_count = TUNNELS,
                                                .link_mtu_bytes = 1500};
    for (unsigned i = 0; i < BULK; i++) {
        struct address host = sample_address("100.65.0.0");
        host.bytes[2] = (uint8_t)(i >> 8);
        host.bytes[3] = (uint8_t)i;
        bulk[i] = prefix_host(&host);
    }
    for (unsigned i = 0; i < TUNNELS; i++) {
        snprintf(tunnels[i].name, sizeof(tunnels[i].name), "%s", names[i]);
        tap_random_bytes(tunnels[i].private_key, 32);
        tunnels[i].addresses = &addresses[i];
        tunnels[i].address_count = 1;
        tunnels[i].routes_are_default = i < 3;
        tunnels[i].nat_is_off = true;
    }
    memset(peer.public_key, 0xee, 32);
    tunnels[0].peers = &peer;
    tunnels[0].peer_count = 1;
    struct engine *engine = make_engine(&network, pool, aead);
    set_root_mtus(engine);
    return engine;
}

/* ---- the same tree ---- */

static bool are_equal;

static const uint8_t *key_of(const struct peer *peer)
{
    static const uint8_t none[32];
    return peer ? peer->noise.public_key : none;
}

static const char *name_of(const struct node *node)
{
    return node ? node->name : "none";
}

static void check_peers(const struct node *a, const struct node *b)
{
    const struct peer *left = NULL, *right = NULL;
    are_equal &= CHECK_EQUAL(a->tunnel.peer_count, b->tunnel.peer_count);
    while ((left = node_next_peer(a, left)) && (right = node_next_peer(b, right))) {
        const struct hop *there = hop_of(left), *here = hop_of(right);
        are_equal &= CHECK_BYTES(key_of(left), key_of(right), 32);
        are_equal &= CHECK_TEXT(name_of(there->carrier), name_of(here->carrier));
        are_equal &= CHECK_BYTES(key_of(there->carrier_peer), key_of(here->carrier_peer), 32);
        are_equal &= CHECK_BYTES(key_of(there->fellow), key_of(here->fellow), 32);
        are_equal &= CHECK_EQUAL(there->mtu_bytes, here->mtu_bytes);
        are_equal &= CHECK_EQUAL(there->is_listed, here->is_listed);
        are_equal &= CHECK_EQUAL(list_is_empty(&there->among_riders),
                                 list_is_empty(&here->among_riders));
        are_equal &=
            CHECK(address_is_equal(&a->places[left->index].address, &left->endpoint.address));
    }
}

struct listing {
    const struct tree *tree;
    struct prefix prefixes[1000];
    const char *winners[1000];
    size_t count;
};

static void add_route(void *context, const struct prefix *prefix, int winner)
{
    struct listing *list = context;
    list->prefixes[list->count] = *prefix;
    list->winners[list->count++] = winner < 0 ? "throw" : list->tree->nodes[winner]->name;
}

/* Walked as a packet looks it up. */
static void add_from_trie(void *context, const struct prefix *prefix, void *value)
{
    add_route(context, prefix, routes_decode(value));
}

static void compare_listings(const struct listing *a, const struct listing *b)
{
    are_equal &= CHECK_EQUAL(a->count, b->count);
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        are_equal &= CHECK(prefix_is_equal(&a->prefixes[i], &b->prefixes[i]));
        are_equal &= CHECK_TEXT(a->winners[i], b->winners[i]);
    }
}

static void check_routes(const struct tree *a, const struct tree *b)
{
    static struct listing lists[2], of_trie;
    lists[0] = of_trie = (struct listing){.tree = a};
    lists[1] = (struct listing){.tree = b};
    routes_walk(&a->routes, add_route, &lists[0]);
    routes_walk(&b->routes, add_route, &lists[1]);
    trie_walk(&a->routes.trie, add_from_trie, &of_trie);
    compare_listings(&lists[0], &lists[1]);
    compare_listings(&lists[0], &of_trie);
}

/* True: as if it had been started so. */
static bool check_fresh(const struct engine *engine)
{
    struct network_description network;
    are_equal = CHECK(engine_describe(engine, tap_memory(), &network));
    struct engine *fresh = make_engine(&network, engine->core.pool, engine->core.aead);
    set_root_mtus(fresh);
    const struct node *a = NULL, *b = NULL;
    while ((a = tree_next(&engine->core.tree, a)) && (b = tree_next(&fresh->core.tree, b))) {
        are_equal &= CHECK_TEXT(a->name, b->name);
        are_equal &= CHECK_EQUAL(a->levels, b->levels);
        are_equal &= CHECK_EQUAL(a->is_flat, b->is_flat);
        are_equal &= CHECK_EQUAL(a->names, b->names);
        are_equal &= CHECK_EQUAL(a->mtu_bytes, b->mtu_bytes);
        are_equal &= CHECK_EQUAL(!a->inner_port, !b->inner_port);
        check_peers(a, b);
    }
    check_routes(&engine->core.tree, &fresh->core.tree);
    tree_description_forget(tap_memory(), &network);
    engine_free(fresh);
    return are_equal;
}

/* ---- changes ---- */

struct pieces {
    struct peer_description peers[CHANGES_MOST];
    struct tunnel_description tunnel;
    struct change_allowed_ip allowed_ips[CHANGES_MOST][PREFIXES_MOST];
};

static void random_endpoint(struct peer_description *peer)
{
    static char name[] = "vpn.example.org";
    unsigned which = (unsigned)tap_random_below(12);
    peer->has_endpoint = which < 8;
    if (which < 8)
        peer->endpoint = sample_endpoint(endpoints[which]);
    else if (which < 10)
        peer->endpoint_name = name;
}

static struct change random_change(struct pieces *pieces, size_t number)
{
    struct peer_description *peer = &pieces->peers[number];
    struct change_allowed_ip *allowed_ips = pieces->allowed_ips[number];
    static const enum change_kind kinds[] = {CHANGE_PEER_SET, CHANGE_PEER_SET, CHANGE_PEER_SET,
                                             CHANGE_PEER_SET, CHANGE_PEER_SET, CHANGE_PEER_REMOVE,
                                             CHANGE_PEERS_REMOVE, CHANGE_TUNNEL_SET};
    *peer = (struct peer_description){0};
    memset(peer->public_key, 1 + (int)tap_random_below(KEYS), 32);
    random_endpoint(peer);
    pieces->tunnel = (struct tunnel_description){
        .mtu_bytes = tap_random_below(2) ? 0 : 1300, .mtu_is_upper_bound = true};
    struct change change = {.kind = kinds[tap_random_below(8)],
                            .tunnel = names[tap_random_below(TUNNELS)],
                            .peer = peer, .description = &pieces->tunnel,
                            .allowed_ips = allowed_ips,
                            .allowed_ips_count =
                                tap_random_below(tap_random_below(4) ? 4 : PREFIXES_MOST)};
    if (change.kind == CHANGE_TUNNEL_SET)
        change.fields = CHANGE_MTU;
    if (change.kind == CHANGE_PEER_SET)
        change.fields = (tap_random_below(2) ? CHANGE_ENDPOINT : 0) |
                        (tap_random_below(3) ? 0 : CHANGE_REPLACE_ALLOWED_IPS);
    if (change.kind == CHANGE_PEERS_REMOVE && tap_random_below(3))
        change.kind = CHANGE_PEER_REMOVE;
    for (size_t i = 0; i < change.allowed_ips_count; i++)
        allowed_ips[i] = (struct change_allowed_ip){random_prefix(), tap_random_below(3) == 0};
    return change;
}

/* Some of the peers are elsewhere for a while, or come back to what is configured. */
static void roam(struct engine *engine, bool is_home)
{
    for (struct node *node = NULL; (node = tree_next(&engine->core.tree, node));) {
        for (struct peer *peer = NULL; (peer = node_next_peer(node, peer));) {
            struct endpoint to = hop_of(peer)->configured_endpoint;
            if (hop_of(peer)->endpoint_name)
                to = (struct endpoint){.port = 0};
            if (!is_home && tap_random_below(3))
                continue;
            if (!is_home)
                to = sample_endpoint(endpoints[tap_random_below(8)]);
            if (!endpoint_is_equal(&to, &peer->endpoint))
                ways_set_endpoint(&engine->core.tree, peer, &to);
        }
    }
}

static void changes_lead_to_what_a_fresh_start_would_be(void)
{
    static struct pieces pieces;
    static const struct pool_shape shape = {.headroom_bytes = 3 * 64, .tailroom_bytes = 3 * 31,
                                            .payload_bytes = 1500, .slots = 64,
                                            .receive_blocks = 4, .receive_block_bytes = 4096};
    struct pool *pool = pool_new(tap_memory(), &shape);
    struct aead *aead = aead_new(tap_memory(), NULL);
    unsigned applied = 0, tried = 0;
    for (unsigned round = 0; round < 8; round++) {
        struct engine *engine = make_first(pool, aead);
        bool is_fine = check_fresh(engine);
        for (unsigned step = 0; step < 50 && is_fine; step++) {
            struct change list[CHANGES_MOST];
            const struct changes changes = {.list = list,
                                            .count = 1 + tap_random_below(CHANGES_MOST)};
            for (size_t i = 0; i < changes.count; i++)
                list[i] = random_change(&pieces, i);
            if (tap_random_below(2))
                roam(engine, false);
            if (tap_random_below(3) == 0)
                engine_try(engine, &changes, TEXT_UNHEARD);
            applied += engine_apply(engine, &changes, NS_PER_S, TEXT_UNHEARD) == 0;
            tried++;
            set_root_mtus(engine);
            roam(engine, true);
            is_fine = check_fresh(engine);
        }
        engine_free(engine);
    }
    aead_free(aead);
    pool_free(pool);
    printf("# %u of %u applied\n", applied, tried);
    CHECK(applied > tried / 4);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, changes_lead_to_what_a_fresh_start_would_be);
    return tap_done();
}
