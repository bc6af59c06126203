/* SPDX-License-Identifier: MIT */
/* Changes of roots and their ports: a set of them is one, so a port that one root leaves in it is
 * another one's to take, in whatever order they stand. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "engine/lanes.h"
#include "engine/tree_description.h"
#include "rigs/network_pair.h"
#include "rigs/own_netns.h"
#include "tap.h"

#define NEAR_PORT 20001
#define FAR_PORT 20002
#define OTHER_PORT 20007

static struct network_end *near_of(struct network_pair *pair)
{
    return &pair->ends[0];
}

static int apply(struct network_pair *pair, const struct change *list, size_t count)
{
    struct text why = TEXT_ROOM(300);
    const struct changes changes = {.list = list, .count = count};
    int result = network_apply(near_of(pair)->network, &changes, &why);
    if (result != 0)
        printf("# refused: %s\n", why.bytes);
    CHECK_EQUAL(result != 0, why.len > 0);
    return result;
}

static void apply_all(struct network_pair *pair, const struct change *list, size_t count)
{
    CHECK_EQUAL(apply(pair, list, count), 0);
}

static uint16_t port_of(struct network_pair *pair, const char *name)
{
    const struct network *network = near_of(pair)->network;
    int tunnel = engine_find_tunnel(network_engine(network), name);
    return tunnel < 0 ? 0 : network_port(network, (uint32_t)tunnel);
}

static uint32_t mark_of(struct network_pair *pair, const char *name)
{
    const struct network *network = near_of(pair)->network;
    int tunnel = engine_find_tunnel(network_engine(network), name);
    return tunnel < 0 ? 0 : network_mark(network, (uint32_t)tunnel);
}

/* Its changes, of a tunnel with a key and an address of its own. */
static struct tunnel_description bare(const char *name, uint16_t port)
{
    static struct address address = {.family = FAMILY_IPV4, .bytes = {10, 99, 0, 1}};
    struct tunnel_description tunnel = {.addresses = &address,
                                        .address_count = 1,
                                        .listen_port = port,
                                        .mtu_bytes = 1420,
                                        .routes_are_default = true};
    snprintf(tunnel.name, sizeof(tunnel.name), "%s", name);
    memset(tunnel.private_key, 0x48, 32);
    return tunnel;
}

static struct change adding(const struct tunnel_description *tunnel)
{
    return (struct change){
        .kind = CHANGE_TUNNEL_ADD, .tunnel = tunnel->name, .description = tunnel};
}

static struct change setting_port(const struct tunnel_description *tunnel)
{
    return (struct change){.kind = CHANGE_TUNNEL_SET,
                           .fields = CHANGE_LISTEN_PORT,
                           .tunnel = tunnel->name,
                           .description = tunnel};
}

static struct change removing(const char *name)
{
    return (struct change){.kind = CHANGE_TUNNEL_REMOVE, .tunnel = name};
}

/* The other end answers there. */
static void expect_traffic(struct network_pair *pair)
{
    CHECK_EQUAL(network_pair_converse(pair), NETWORK_PAIR_STREAM_BYTES);
}

/* What the near end is made from; tree_description_forget gives it back. */
static struct network_description describe(struct network_pair *pair)
{
    struct network_description described;
    CHECK(engine_describe(network_engine(near_of(pair)->network), tap_memory(), &described));
    return described;
}

static bool open_pair(struct network_pair *pair)
{
    return network_pair_open(pair, (struct tun_options){0}, (struct network_offloads){0});
}

static void a_root_moves_to_another_port(void)
{
    struct network_pair pair;
    if (!open_pair(&pair))
        return;
    struct network_description first = describe(&pair);
    struct tunnel_description *tunnel = &first.tunnels[0];
    const struct change move = setting_port(tunnel);
    tunnel->listen_port = FAR_PORT;
    CHECK_EQUAL(apply(&pair, &move, 1), -EADDRINUSE);
    CHECK_EQUAL(port_of(&pair, tunnel->name), NEAR_PORT);
    tunnel->listen_port = OTHER_PORT;
    apply_all(&pair, &move, 1);
    CHECK_EQUAL(port_of(&pair, tunnel->name), OTHER_PORT);
    expect_traffic(&pair);
    tunnel->listen_port = 0;
    apply_all(&pair, &move, 1);
    CHECK(port_of(&pair, tunnel->name) != OTHER_PORT && port_of(&pair, tunnel->name) > 0);
    expect_traffic(&pair);
    /* The port that it had is free for others. */
    struct tunnel_description other = bare("other", OTHER_PORT);
    const struct change add = adding(&other);
    apply_all(&pair, &add, 1);
    CHECK_EQUAL(port_of(&pair, "other"), OTHER_PORT);
    tree_description_forget(tap_memory(), &first);
    network_pair_close(&pair);
}

static void two_roots_swap_their_ports(void)
{
    struct network_pair pair;
    if (!open_pair(&pair))
        return;
    struct network_description first = describe(&pair);
    struct tunnel_description *near = &first.tunnels[0], other = bare("other", OTHER_PORT);
    other.fwmark = 0x48;
    const struct change add = adding(&other);
    apply_all(&pair, &add, 1);
    expect_traffic(&pair);
    for (unsigned turn = 0; turn < 4; turn++) {
        uint16_t port = near->listen_port;
        near->listen_port = other.listen_port;
        other.listen_port = port;
        const struct change swap[] = {setting_port(turn & 1 ? near : &other),
                                      setting_port(turn & 1 ? &other : near)};
        apply_all(&pair, swap, 2);
        CHECK_EQUAL(port_of(&pair, near->name), near->listen_port);
        CHECK_EQUAL(port_of(&pair, "other"), other.listen_port);
        CHECK_EQUAL(mark_of(&pair, near->name), 0);
        CHECK_EQUAL(mark_of(&pair, "other"), 0x48); /* it is the tunnel's, not the port's */
        expect_traffic(&pair);
    }
    tree_description_forget(tap_memory(), &first);
    network_pair_close(&pair);
}

/* Round and round, by one that goes elsewhere at last. */
static void ports_move_along_a_row_of_roots(void)
{
    struct network_pair pair;
    if (!open_pair(&pair))
        return;
    struct network_description first = describe(&pair);
    struct tunnel_description *near = &first.tunnels[0];
    struct tunnel_description others[] = {bare("b", 20011), bare("c", 20012)};
    const struct change add[] = {adding(&others[0]), adding(&others[1])};
    apply_all(&pair, add, 2);
    near->listen_port = 20011;
    others[0].listen_port = 20012;
    others[1].listen_port = 20013;
    const struct change along[] = {setting_port(near), setting_port(&others[0]),
                                   setting_port(&others[1])};
    apply_all(&pair, along, 3);
    CHECK_EQUAL(port_of(&pair, near->name), 20011);
    CHECK_EQUAL(port_of(&pair, "b"), 20012);
    CHECK_EQUAL(port_of(&pair, "c"), 20013);
    expect_traffic(&pair);
    tree_description_forget(tap_memory(), &first);
    network_pair_close(&pair);
}

static void a_renamed_root_keeps_its_port(void)
{
    for (unsigned is_removed_first = 0; is_removed_first < 2; is_removed_first++) {
        struct network_pair pair;
        if (!open_pair(&pair))
            return;
        struct network_description first = describe(&pair);
        struct tunnel_description renamed = first.tunnels[0];
        snprintf(renamed.name, sizeof(renamed.name), "renamed");
        const struct change add = adding(&renamed), remove = removing(first.tunnels[0].name);
        const struct change both[] = {is_removed_first ? remove : add,
                                      is_removed_first ? add : remove};
        apply_all(&pair, both, 2);
        CHECK_EQUAL(port_of(&pair, "renamed"), NEAR_PORT);
        CHECK_EQUAL(engine_find_tunnel(network_engine(near_of(&pair)->network),
                                       first.tunnels[0].name), -1);
        expect_traffic(&pair);
        tree_description_forget(tap_memory(), &first);
        network_pair_close(&pair);
    }
}

/* One that goes inside another tunnel has no socket any more. */
static void the_port_of_one_that_is_carried_now_goes_to_an_added_one(void)
{
    struct network_pair pair;
    if (!open_pair(&pair))
        return;
    struct network_description first = describe(&pair);
    struct tunnel_description inner = bare("inner", OTHER_PORT), added = bare("added", OTHER_PORT);
    inner.mtu_bytes = 0; /* it fits into the other one */
    const struct change add = adding(&inner);
    apply_all(&pair, &add, 1);
    const struct change both[] = {adding(&added),
                                  {.kind = CHANGE_TUNNEL_SET,
                                   .fields = CHANGE_CARRIER,
                                   .tunnel = "inner",
                                   .carrier = first.tunnels[0].name,
                                   .description = &inner}};
    apply_all(&pair, both, 2);
    CHECK_EQUAL(port_of(&pair, "added"), OTHER_PORT);
    CHECK_EQUAL(port_of(&pair, "inner"), 0);
    /* And back, each where the other was. */
    const struct change back[] = {removing("added"),
                                  {.kind = CHANGE_TUNNEL_SET,
                                   .fields = CHANGE_CARRIER,
                                   .tunnel = "inner",
                                   .description = &inner}};
    apply_all(&pair, back, 2);
    CHECK_EQUAL(port_of(&pair, "inner"), OTHER_PORT);
    expect_traffic(&pair);
    tree_description_forget(tap_memory(), &first);
    network_pair_close(&pair);
}

/* The engine says no when all sockets are there. */
static void a_refusal_leaves_all_sockets_where_they_are(void)
{
    struct network_pair pair;
    if (!open_pair(&pair))
        return;
    struct network_description first = describe(&pair);
    struct tunnel_description *near = &first.tunnels[0], other = bare("other", OTHER_PORT);
    const struct change add = adding(&other);
    apply_all(&pair, &add, 1);
    near->listen_port = OTHER_PORT;
    other.listen_port = NEAR_PORT;
    struct tunnel_description more = bare("more", 20020);
    const struct change list[] = {setting_port(near), setting_port(&other), adding(&more),
                                  removing("nobody")};
    CHECK_EQUAL(apply(&pair, list, 4), -EINVAL);
    CHECK_EQUAL(port_of(&pair, near->name), NEAR_PORT);
    CHECK_EQUAL(port_of(&pair, "other"), OTHER_PORT);
    expect_traffic(&pair);
    const struct change later = adding(&more); /* its port is free again */
    apply_all(&pair, &later, 1);
    CHECK_EQUAL(port_of(&pair, "more"), 20020);
    tree_description_forget(tap_memory(), &first);
    network_pair_close(&pair);
}

static void *take_nothing(void *context, size_t bytes)
{
    (void)context;
    (void)bytes;
    return NULL;
}

/* `wg set` shows nothing else of a refusal. */
static void a_refusal_has_its_own_errno(void)
{
    struct network_pair pair;
    if (!open_pair(&pair))
        return;
    struct network_description first = describe(&pair);
    struct tunnel_description inner = bare("inner", OTHER_PORT), same = bare("same", OTHER_PORT);
    inner.mtu_bytes = same.mtu_bytes = 0;
    struct change add[] = {adding(&inner), adding(&same)};
    add[0].carrier = add[1].carrier = first.tunnels[0].name;
    CHECK_EQUAL(apply(&pair, add, 2), -EADDRINUSE); /* a virtual one is taken like any other */
    apply_all(&pair, add, 1);
    CHECK_EQUAL(apply(&pair, &add[1], 1), -EADDRINUSE);
    same.listen_port = OTHER_PORT + 1;
    struct core *core = &network_engine(near_of(&pair)->network)->core;
    const struct memory *memory = core->memory, none = {.take = take_nothing};
    core->memory = &none;
    CHECK_EQUAL(apply(&pair, &add[1], 1), -ENOMEM);
    core->memory = memory;
    CHECK_EQUAL(apply(&pair, &add[0], 1), -EINVAL); /* it is there */
    apply_all(&pair, &add[1], 1);
    expect_traffic(&pair);
    tree_description_forget(tap_memory(), &first);
    network_pair_close(&pair);
}

int main(int argc, char **argv)
{
    if (!own_netns_enter() || access("/dev/net/tun", R_OK | W_OK) < 0) {
        printf("1..0 # SKIP no right to make a network namespace, or no /dev/net/tun\n");
        return 0;
    }
    TAP_RUN(argc, argv, a_root_moves_to_another_port);
    TAP_RUN(argc, argv, two_roots_swap_their_ports);
    TAP_RUN(argc, argv, ports_move_along_a_row_of_roots);
    TAP_RUN(argc, argv, a_renamed_root_keeps_its_port);
    TAP_RUN(argc, argv, the_port_of_one_that_is_carried_now_goes_to_an_added_one);
    TAP_RUN(argc, argv, a_refusal_leaves_all_sockets_where_they_are);
    TAP_RUN(argc, argv, a_refusal_has_its_own_errno);
    return tap_done();
}
