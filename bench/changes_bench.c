/* SPDX-License-Identifier: MIT */
/* Rung 8 of the ladder, its second half: what a change costs beside many others (engine_apply), in
 * ns a change of this thread's own time: many at once take longer than others leave us the core.
 * Each burst undoes, outside of its time, what the next one would find done. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/bytes.h"
#include "engine/engine.h"
#include "engine/lanes.h"
#include "engine/ways.h"
#include "measure.h"
#include "tap.h"

#define MANY_PEERS 10000
#define MANY_PREFIXES 130000
#define MORE_MOST 10000 /* peers or prefixes in one change */
#define EVERYTHING UINT32_MAX
#define NOW (1000 * NS_PER_S)

struct world {
    struct engine *engine;
    uint32_t peers; /* of the root, as it began */
    uint32_t turn;  /* what a burst sets is another than the one before set */
    struct peer_description more[MORE_MOST];
    struct change_allowed_ip allowed_ips[MANY_PREFIXES];
    struct change changes[MORE_MOST];
};

static struct address address_of(uint32_t ipv4)
{
    struct address address = {.family = FAMILY_IPV4};
    store_be32(address.bytes, ipv4);
    return address;
}

/* Its own of the peer's number: in 10.0.0.0/8, and from 198.18.0.0 on. */
static struct prefix prefix_of(uint32_t number)
{
    struct address address = address_of(0x0a000000 + number);
    return prefix_host(&address);
}

static struct endpoint endpoint_of(uint32_t number)
{
    return (struct endpoint){.address = address_of(0xc6120000 + number), .port = 51820};
}

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void *take(size_t count, size_t bytes)
{
    void *taken = calloc(count, bytes);
    if (!taken)
        abort();
    return taken;
}

static void describe_peer(struct peer_description *peer, uint32_t number, uint32_t prefixes)
{
    tap_random_bytes(peer->public_key, sizeof(peer->public_key));
    peer->has_endpoint = true;
    peer->endpoint = endpoint_of(number);
    peer->allowed_ips_count = prefixes;
    peer->allowed_ips = take(prefixes, sizeof(*peer->allowed_ips));
    for (uint32_t i = 0; i < prefixes; i++)
        peer->allowed_ips[i] = prefix_of(number + i);
}

static void start(struct world *world, struct network_description *network)
{
    struct pool_shape shape;
    struct text why = TEXT_ROOM(256);
    engine_pool_shape(network, &shape);
    const struct engine_options options = {.secrets = tap_memory(),
                                           .pool = pool_new(tap_memory(), &shape),
                                           .aead = aead_new(tap_memory(), NULL),
                                           .random = tap_random_source()};
    world->engine = engine_new(&options, network, &why);
    if (!world->engine) {
        fprintf(stderr, "%s\n", why.bytes);
        abort();
    }
    engine_set_root_mtu(world->engine, 0, 1420);
    engine_set_up(world->engine, true, NOW);
}

/* One in the middle. */
static struct peer *middle(const struct world *world)
{
    return world->engine->core.tree.nodes[0]->peers[world->peers / 2];
}

/* As an authenticated packet from elsewhere does. */
static struct measure_burst roam(void *context)
{
    struct world *world = context;
    struct endpoint to = endpoint_of(4 * MANY_PEERS + ++world->turn % 2);
    double start_ns = now_ns();
    ways_set_endpoint(&world->engine->core.tree, middle(world), &to);
    return (struct measure_burst){now_ns() - start_ns, 1};
}

/* A root with so many peers, of which the first has so many prefixes and the others one, and a
 * tunnel that it carries, with so many, or none. */
static struct world *new_world(uint32_t peers, uint32_t prefixes, bool has_name, uint32_t carried)
{
    struct world *world = take(1, sizeof(*world));
    struct address addresses[] = {address_of(0xc0000201), address_of(0xac100001)};
    struct tunnel_description tunnels[2] = {
        {.name = "wg0", .carrier = TUNNEL_NO_CARRIER, .addresses = addresses, .address_count = 1,
         .routes_are_default = true},
        {.name = "wg1", .carrier = 0, .addresses = addresses + 1, .address_count = 1,
         .routes_are_default = true, .peer_count = carried}};
    struct network_description network = {.tunnels = tunnels, .tunnel_count = carried ? 2 : 1};
    char name[] = "vpn.example.org";
    tunnels[0].peers = take(peers, sizeof(*tunnels[0].peers));
    tunnels[0].peer_count = world->peers = peers;
    for (uint32_t i = 0; i < peers; i++)
        describe_peer(&tunnels[0].peers[i], i ? i + prefixes : 0, i ? 1 : prefixes);
    if (has_name) {
        tunnels[0].peers[0].has_endpoint = false;
        tunnels[0].peers[0].endpoint_name = name;
    }
    tap_random_bytes(tunnels[0].private_key, 32);
    tap_random_bytes(tunnels[1].private_key, 32);
    tunnels[1].peers = take(carried + 1, sizeof(*tunnels[1].peers));
    for (uint32_t i = 0; i < carried; i++) {
        struct peer_description *peer = &tunnels[1].peers[i];
        describe_peer(peer, i, 1);
        peer->allowed_ips[0].address.bytes[0] = 11;
        peer->endpoint = (struct endpoint){.address = prefix_of(0).address,
                                           .port = (uint16_t)(1 + i)};
    }
    start(world, &network);
    for (unsigned i = 0; i < MORE_MOST; i++)
        describe_peer(&world->more[i], peers + prefixes + i, 1);
    roam(world); /* where one has roamed more is looked at */
    return world;
}

static double apply(struct world *world, size_t count)
{
    const struct changes changes = {.list = world->changes, .count = count};
    struct text why = TEXT_ROOM(256);
    double start_ns = now_ns();
    if (engine_apply(world->engine, &changes, NOW, &why) != 0) {
        fprintf(stderr, "%s\n", why.bytes);
        abort();
    }
    return now_ns() - start_ns;
}

/* ---- peers ---- */

static double add_or_remove(struct world *world, enum change_kind kind, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        world->allowed_ips[i].prefix = world->more[i].allowed_ips[0];
        world->changes[i] = (struct change){.kind = kind, .tunnel = "wg0",
                                            .fields = CHANGE_ENDPOINT, .peer = &world->more[i],
                                            .allowed_ips = &world->allowed_ips[i],
                                            .allowed_ips_count = 1};
    }
    return apply(world, count);
}

static struct measure_burst add_one(void *context)
{
    double spent_ns = add_or_remove(context, CHANGE_PEER_SET, 1);
    add_or_remove(context, CHANGE_PEER_REMOVE, 1);
    return (struct measure_burst){spent_ns, 1};
}

static struct measure_burst remove_one(void *context)
{
    add_or_remove(context, CHANGE_PEER_SET, 1);
    return (struct measure_burst){add_or_remove(context, CHANGE_PEER_REMOVE, 1), 1};
}

static struct measure_burst add_many(void *context)
{
    double spent_ns = add_or_remove(context, CHANGE_PEER_SET, MORE_MOST);
    add_or_remove(context, CHANGE_PEER_REMOVE, MORE_MOST);
    return (struct measure_burst){spent_ns, 1};
}

static struct measure_burst remove_many(void *context)
{
    add_or_remove(context, CHANGE_PEER_SET, MORE_MOST);
    return (struct measure_burst){add_or_remove(context, CHANGE_PEER_REMOVE, MORE_MOST), 1};
}

/* From the number on; EVERYTHING: all of IPv4, which is one. */
static double set_middle(struct world *world, unsigned fields, size_t prefixes, uint32_t number)
{
    struct peer_description *peer = &world->more[0];
    struct peer_description kept = *peer;
    const struct prefix everything = {.address.family = FAMILY_IPV4};
    memcpy(peer->public_key, middle(world)->noise.public_key, 32);
    store_be32(peer->preshared_key, ++world->turn);
    peer->endpoint = endpoint_of(number);
    for (uint32_t i = 0; i < prefixes; i++)
        world->allowed_ips[i].prefix = number == EVERYTHING ? everything : prefix_of(number + i);
    world->changes[0] = (struct change){.kind = CHANGE_PEER_SET, .tunnel = "wg0", .fields = fields,
                                        .peer = peer, .allowed_ips = world->allowed_ips,
                                        .allowed_ips_count = prefixes};
    double spent_ns = apply(world, 1);
    *peer = kept;
    return spent_ns;
}

static struct measure_burst set_key(void *context)
{
    return (struct measure_burst){set_middle(context, CHANGE_PRESHARED_KEY, 0, 0), 1};
}

static uint32_t another(const struct world *world)
{
    return MANY_PREFIXES + 3 * MANY_PEERS + world->turn % 2 * 1000;
}

static struct measure_burst set_endpoint(void *context)
{
    return (struct measure_burst){set_middle(context, CHANGE_ENDPOINT, 0, another(context)), 1};
}

static struct measure_burst replace_by_one(void *context)
{
    double spent_ns = set_middle(context, CHANGE_REPLACE_ALLOWED_IPS, 1, another(context));
    return (struct measure_burst){spent_ns, 1};
}

static struct measure_burst replace_by_20(void *context)
{
    double spent_ns = set_middle(context, CHANGE_REPLACE_ALLOWED_IPS, 20, another(context));
    return (struct measure_burst){spent_ns, 1};
}

static struct measure_burst replace_by_all(void *context)
{
    double spent_ns = set_middle(context, CHANGE_REPLACE_ALLOWED_IPS, 1, EVERYTHING);
    set_middle(context, CHANGE_REPLACE_ALLOWED_IPS, 1, another(context));
    return (struct measure_burst){spent_ns, 1};
}

static struct measure_burst replace_all_by_one(void *context)
{
    set_middle(context, CHANGE_REPLACE_ALLOWED_IPS, 1, EVERYTHING);
    double spent_ns = set_middle(context, CHANGE_REPLACE_ALLOWED_IPS, 1, another(context));
    return (struct measure_burst){spent_ns, 1};
}

static struct measure_burst replace_by_many(void *context)
{
    double spent_ns = set_middle(context, CHANGE_REPLACE_ALLOWED_IPS, MANY_PREFIXES, MANY_PEERS);
    set_middle(context, CHANGE_REPLACE_ALLOWED_IPS, 1, another(context));
    return (struct measure_burst){spent_ns, 1};
}

static struct measure_burst replace_many_by_one(void *context)
{
    set_middle(context, CHANGE_REPLACE_ALLOWED_IPS, MANY_PREFIXES, MANY_PEERS);
    double spent_ns = set_middle(context, CHANGE_REPLACE_ALLOWED_IPS, 1, another(context));
    return (struct measure_burst){spent_ns, 1};
}

static struct measure_burst replace_9_by_others(void *context)
{
    double spent_ns = set_middle(context, CHANGE_REPLACE_ALLOWED_IPS, 9, another(context));
    return (struct measure_burst){spent_ns, 1};
}

static struct measure_burst replace_9_by_the_same(void *context)
{
    double spent_ns = set_middle(context, CHANGE_REPLACE_ALLOWED_IPS, 9, 3 * MANY_PREFIXES);
    return (struct measure_burst){spent_ns, 1};
}

static void add_peer_rows(struct world *world, const char *beside)
{
    const struct {
        struct measure_burst (*burst)(void *context);
        const char *name;
    } rows[] = {{add_one, "add"},
                {remove_one, "remove"},
                {set_key, "preshared-key"},
                {set_endpoint, "endpoint"},
                {replace_by_one, "allowed-ips"},
                {replace_by_20, "20-allowed-ips"},
                {replace_by_all, "all-allowed-ips"},
                {replace_all_by_one, "no-longer-all-allowed-ips"},
                {roam, "roam"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        measure_add(rows[i].burst, world, "rung=8 beside=%s change=%s", beside, rows[i].name);
}

int main(int argc, char **argv)
{
    struct world *peers = new_world(MANY_PEERS, 1, false, 0);
    struct world *named = new_world(MANY_PEERS, 1, true, 0);
    struct world *carrier = new_world(MANY_PEERS, 1, false, 1);
    struct world *carried = new_world(3, 1, false, MANY_PEERS);
    struct world *prefixes = new_world(3, MANY_PREFIXES, false, 0);
    struct world *few = new_world(1, 1, false, 1);
    struct world *two = new_world(3, 1, false, 0);
    add_peer_rows(peers, "10000-peers");
    add_peer_rows(named, "10000-peers-one-named");
    add_peer_rows(carrier, "10000-peers-one-carrying");
    add_peer_rows(carried, "10000-carried-peers");
    measure_add(replace_9_by_others, prefixes, "rung=8 beside=130000-prefixes change=9-others");
    measure_add(replace_9_by_the_same, prefixes, "rung=8 beside=130000-prefixes change=9-same");
    measure_add(add_many, few, "rung=8 beside=a-carried-tunnel change=10000-adds");
    measure_add(remove_many, few, "rung=8 beside=a-carried-tunnel change=10000-removes");
    measure_add(replace_by_many, two, "rung=8 beside=two-peers change=130000-allowed-ips");
    measure_add(replace_many_by_one, two, "rung=8 beside=two-peers change=130000-fewer");
    measure_run(argc, argv);
    return 0;
}
