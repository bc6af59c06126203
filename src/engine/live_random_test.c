/* SPDX-License-Identifier: MIT */
/* Whatever the changes, and their order: a network that lived through them is as one that was
 * started with what is configured in the end. */
#include <stdio.h>

#include "engine/describe.h"
#include "engine/lanes.h"
#include "engine/live.h"
#include "engine/scope.h"
#include "simulation/living.h"

#define NAMES 5
#define KEYS 6
#define ADDRESSES 8
#define ROOT_MTU_BYTES 1420

static const char *const names[NAMES] = {"one", "two", "three", "four", "five"};

/* Few addresses, so that much is inside of much else. */
static struct address random_address(void)
{
    struct address address = {.family = tap_random_below(4) ? FAMILY_IPV4 : FAMILY_IPV6};
    address.bytes[0] = tap_random_below(4) ? 10 : 130;
    address.bytes[family_bytes((enum family)address.family) - 1] =
        (uint8_t)(1 + tap_random_below(ADDRESSES));
    return address;
}

/* Hardly a default route: where one changes hands everything is found anew. */
static struct prefix random_prefix(void)
{
    static const uint8_t lengths[] = {8, 8, 27, 28, 29, 30, 31, 32, 32};
    struct prefix prefix = {.address = random_address()};
    prefix.len_bits = lengths[tap_random_below(sizeof(lengths))];
    if (tap_random_below(20) == 0)
        prefix.len_bits = (uint8_t)tap_random_below(2);
    if (prefix.address.family == FAMILY_IPV6 && prefix.len_bits > 8)
        prefix.len_bits = (uint8_t)(prefix.len_bits + 96);
    prefix_mask(&prefix);
    return prefix;
}

/* What a random change points to. */
struct pieces {
    struct change_allowed_ip allowed_ips[4];
    struct prefix prefixes[3][4];
    struct address addresses[2];
    struct address dns[1];
    struct peer_description peers[2];
    struct tunnel_description tunnel;
};

static size_t random_prefixes(struct prefix *prefixes, size_t most)
{
    size_t count = tap_random_below(most + 1);
    for (size_t i = 0; i < count; i++)
        prefixes[i] = random_prefix();
    return count;
}

static void random_peer(struct pieces *pieces, unsigned number)
{
    struct peer_description *peer = &pieces->peers[number];
    *peer = living_peer(20 + (unsigned)tap_random_below(KEYS));
    peer->has_endpoint = tap_random_below(3) > 0;
    if (peer->has_endpoint)
        peer->endpoint = (struct endpoint){.address = random_address(), .port = 7};
    else if (tap_random_below(2))
        peer->endpoint_name = (char *)"relay.example";
    peer->preshared_key[3] = (uint8_t)tap_random_below(3);
    peer->persistent_keepalive_s = (uint16_t)tap_random_below(3);
    peer->allowed_ips = pieces->prefixes[number];
    peer->allowed_ips_count = random_prefixes(peer->allowed_ips, 4);
}

static void random_tunnel(struct pieces *pieces, const char *name)
{
    static const uint32_t mtus[] = {0, 0, 0, 1280, 1400, 2000};
    struct tunnel_description *tunnel = &pieces->tunnel;
    *tunnel = (struct tunnel_description){.addresses = pieces->addresses, .dns = pieces->dns,
                                          .routes = pieces->prefixes[2],
                                          .route_exceptions = pieces->prefixes[2] + 2,
                                          .peers = pieces->peers};
    snprintf(tunnel->name, sizeof(tunnel->name), "%s", name);
    sim_private_key(20 + (unsigned)tap_random_below(KEYS), tunnel->private_key);
    tunnel->address_count = tap_random_below(3);
    for (size_t i = 0; i < 2; i++)
        pieces->addresses[i] = random_address();
    tunnel->dns_count = tap_random_below(2);
    pieces->dns[0] = random_address();
    tunnel->listen_port = tap_random_below(3) ? 0 : (uint16_t)(61000 + tap_random_below(3));
    tunnel->mtu_bytes = mtus[tap_random_below(6)];
    tunnel->nat_is_off = tap_random_below(3) == 0;
    tunnel->routes_are_default = tap_random_below(3) > 0;
    tunnel->route_exception_count = random_prefixes(tunnel->route_exceptions, 2);
    tunnel->route_count =
        tunnel->routes_are_default ? 0 : random_prefixes(tunnel->routes, 2);
    tunnel->peer_count = tap_random_below(3);
    for (unsigned i = 0; i < 2; i++)
        random_peer(pieces, i);
}

static void random_change(struct change *change, struct pieces *pieces)
{
    static const enum change_kind kinds[] = {
        CHANGE_TUNNEL_ADD, CHANGE_TUNNEL_ADD, CHANGE_TUNNEL_REMOVE, CHANGE_TUNNEL_SET,
        CHANGE_TUNNEL_SET, CHANGE_PEER_SET,   CHANGE_PEER_SET,      CHANGE_PEER_SET,
        CHANGE_PEER_SET,   CHANGE_PEER_SET,   CHANGE_PEER_REMOVE,   CHANGE_PEERS_REMOVE};
    const char *name = names[tap_random_below(NAMES)];
    *pieces = (struct pieces){.tunnel = {.mtu_bytes = 0}};
    random_tunnel(pieces, name);
    *change = (struct change){.kind = kinds[tap_random_below(sizeof(kinds) / sizeof(*kinds))],
                              .fields = (unsigned)tap_random_below(512),
                              .tunnel = name,
                              .carrier =
                                  tap_random_below(2) ? names[tap_random_below(NAMES)] : NULL,
                              .description = &pieces->tunnel,
                              .peer = &pieces->peers[0],
                              .allowed_ips = pieces->allowed_ips,
                              .allowed_ips_count = tap_random_below(5)};
    for (unsigned i = 0; i < 4; i++)
        pieces->allowed_ips[i] =
            (struct change_allowed_ip){random_prefix(), tap_random_below(4) == 0};
    if (change->kind == CHANGE_TUNNEL_SET && tap_random_below(2))
        change->fields &= ~(unsigned)CHANGE_CARRIER;
}

/* Of all names, those of no tunnel, too. */
static void random_order(const char *order[NAMES])
{
    for (size_t i = 0; i < NAMES; i++) {
        size_t other = tap_random_below(i + 1);
        order[i] = order[other];
        order[other] = names[i];
    }
}

/* ---- what two engines have in common ---- */

static struct engine *start(const struct network_description *network, struct pool **pool,
                            struct aead *aead, char why[512])
{
    struct pool_shape shape;
    engine_pool_shape(network, &shape);
    shape.slots = 16;
    shape.receive_blocks = 1;
    *pool = pool_new(tap_memory(), &shape);
    const struct engine_options options = {.secrets = tap_memory(), .pool = *pool, .aead = aead,
                                           .random = tap_random_source()};
    return engine_new(&options, network, why, 512);
}

static void set_root_mtus(struct engine *engine)
{
    for (int i = -1; (i = engine_next_tunnel(engine, i)) >= 0;) {
        struct status_tunnel tunnel;
        status_read_tunnel(engine, (uint32_t)i, &tunnel);
        if (tunnel.carrier < 0)
            engine_set_root_mtu(engine, (uint32_t)i, ROOT_MTU_BYTES);
    }
}

static const char *name_of(const struct engine *engine, int tunnel)
{
    struct status_tunnel status = {.name = ""};
    if (tunnel >= 0)
        status_read_tunnel(engine, (uint32_t)tunnel, &status);
    return status.name;
}

struct walked {
    const struct engine *engine;
    size_t count;
    struct prefix prefixes[200];
    const char *winners[200];
};

static void walk(void *context, const struct prefix *prefix, int tunnel)
{
    struct walked *walked = context;
    if (!CHECK(walked->count < 200))
        return;
    walked->prefixes[walked->count] = *prefix;
    walked->winners[walked->count++] =
        tunnel == ROUTES_THROW ? "throw" : name_of(walked->engine, tunnel);
}

static bool have_equal_routes(const struct engine *a, const struct engine *b)
{
    static struct walked of_a, of_b;
    of_a = (struct walked){.engine = a};
    of_b = (struct walked){.engine = b};
    engine_walk_routes(a, walk, &of_a);
    engine_walk_routes(b, walk, &of_b);
    bool are_equal = of_a.count == of_b.count;
    for (size_t i = 0; are_equal && i < of_a.count; i++)
        are_equal = prefix_is_equal(&of_a.prefixes[i], &of_b.prefixes[i]) &&
                    strcmp(of_a.winners[i], of_b.winners[i]) == 0;
    return are_equal;
}

static bool are_same_peers(const struct peer *a, const struct peer *b)
{
    return a && b ? memcmp(a->noise.public_key, b->noise.public_key, 32) == 0 : !a && !b;
}

static bool have_equal_hops(const struct node *a, const struct node *b)
{
    const struct peer *at_a = node_next_peer(a, NULL), *at_b = node_next_peer(b, NULL);
    for (; at_a && at_b; at_a = node_next_peer(a, at_a), at_b = node_next_peer(b, at_b)) {
        const struct hop *of_a = hop_of(at_a), *of_b = hop_of(at_b);
        if (!are_same_peers(at_a, at_b) ||
            !are_same_peers(of_a->carrier_peer, of_b->carrier_peer) ||
            !endpoint_is_equal(&at_a->endpoint, &at_b->endpoint) ||
            !of_a->carrier != !of_b->carrier || of_a->mtu_bytes != of_b->mtu_bytes ||
            of_a->is_awaiting_name != of_b->is_awaiting_name ||
            of_a->is_listed != of_b->is_listed ||
            (of_a->carrier && (strcmp(of_a->carrier->name, of_b->carrier->name) != 0 ||
                               !address_is_equal(&of_a->source, &of_b->source))))
            return false;
    }
    return !at_a && !at_b;
}

static bool are_equal_nodes(const struct node *a, const struct node *b)
{
    return strcmp(a->name, b->name) == 0 && a->depth == b->depth && a->levels == b->levels &&
           a->nat_is_on == b->nat_is_on && a->mtu_bytes == b->mtu_bytes &&
           !a->carrier == !b->carrier &&
           (!a->carrier || strcmp(a->carrier->name, b->carrier->name) == 0) &&
           address_is_equal(&a->ipv4, &b->ipv4) && address_is_equal(&a->ipv6, &b->ipv6) &&
           !a->inner_port == !b->inner_port &&
           (a->reassembly || !(a->first_child || a->inner_port)) && have_equal_hops(a, b);
}

static bool answer_alike(const struct engine *a, const struct engine *b)
{
    struct address address = random_address();
    struct engine_route of_a, of_b;
    engine_route(a, &address, &of_a);
    engine_route(b, &address, &of_b);
    return of_a.verdict == of_b.verdict && of_a.mtu_bytes == of_b.mtu_bytes &&
           address_is_equal(&of_a.source, &of_b.source) &&
           strcmp(name_of(a, of_a.tunnel), name_of(b, of_b.tunnel)) == 0 &&
           scope_is_of_this_host(&a->core.tree, &address) ==
               scope_is_of_this_host(&b->core.tree, &address);
}

static bool behave_alike(const struct engine *a, const struct engine *b)
{
    const struct node *at_a = NULL, *at_b = NULL;
    do {
        at_a = tree_next(&a->core.tree, at_a);
        at_b = tree_next(&b->core.tree, at_b);
        if (!at_a != !at_b || (at_a && !are_equal_nodes(at_a, at_b)))
            return false;
    } while (at_a);
    bool are_alike = have_equal_routes(a, b);
    for (unsigned i = 0; are_alike && i < 20; i++)
        are_alike = answer_alike(a, b);
    return are_alike;
}

static void check_against_a_new_one(const struct engine *engine, struct aead *aead)
{
    struct network_description described, again;
    struct pool *pool;
    char why[512] = "";
    if (!CHECK(engine_describe(engine, tap_memory(), &described)))
        return;
    struct engine *fresh = start(&described, &pool, aead, why);
    if (CHECK(fresh != NULL)) {
        set_root_mtus(fresh);
        CHECK(behave_alike(engine, fresh));
        CHECK(engine_describe(fresh, tap_memory(), &again));
        CHECK(living_are_equal(&described, &again));
        describe_forget(tap_memory(), &again);
    } else {
        CHECK_TEXT(why, "");
    }
    engine_free(fresh);
    pool_free(pool);
    describe_forget(tap_memory(), &described);
}

static void a_network_that_changed_is_as_one_started_so(void)
{
    static struct sim_network network;
    static struct pieces pieces[4];
    unsigned applied = 0, refused = 0;
    sim_network_init(&network);
    sim_add_tunnel(&network, "one", TUNNEL_NO_CARRIER, 1, "10.0.0.200");
    sim_add_peer(&network, 0, 20, "10.0.0.0/8", "130.0.0.1:7");
    struct aead *aead = aead_new(tap_memory(), NULL);
    struct pool *pool;
    char why[512], foreseen[512];
    struct engine *engine = start(&network.description, &pool, aead, why);
    engine_set_up(engine, true, SIM_START_NS);
    for (unsigned step = 0; step < 1500; step++) {
        struct change list[4];
        const char *order[NAMES];
        size_t count = 1 + tap_random_below(4);
        struct network_description before, after;
        for (size_t i = 0; i < count; i++)
            random_change(&list[i], &pieces[i]);
        random_order(order);
        const struct changes changes = {.list = list, .count = count, .order = order,
                                        .order_count = tap_random_below(4) ? 0 : NAMES,
                                        .has_nat = tap_random_below(8) == 0,
                                        .nat_ipv4 = sample_address("10.0.0.3")};
        CHECK(engine_describe(engine, tap_memory(), &before));
        int would_be = engine_try(engine, &changes, foreseen, sizeof(foreseen));
        CHECK(engine_describe(engine, tap_memory(), &after));
        CHECK(living_are_equal(&before, &after));
        describe_forget(tap_memory(), &after);
        int error = engine_apply(engine, &changes, SIM_START_NS + step, why, sizeof(why));
        bool is_applied = error == 0;
        CHECK(engine_describe(engine, tap_memory(), &after));
        CHECK(is_applied || (living_are_equal(&before, &after) && why[0]));
        CHECK(would_be == error && (is_applied || strcmp(foreseen, why) == 0));
        describe_forget(tap_memory(), &before);
        describe_forget(tap_memory(), &after);
        *(is_applied ? &applied : &refused) += 1;
        set_root_mtus(engine);
        check_against_a_new_one(engine, aead);
    }
    printf("# %u applied, %u refused\n", applied, refused);
    CHECK(applied > 100 && refused > 100);
    engine_free(engine);
    pool_free(pool);
    aead_free(aead);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, a_network_that_changed_is_as_one_started_so);
    return tap_done();
}
