/* SPDX-License-Identifier: MIT */
/* RULES E1, E4, design rule 5: what fits where, by peer, also when a path narrows under the packets
 * that are on their way. */
#include <stdio.h>
#include <stdlib.h>

#include "simulation/chain.h"
#include "wireguard/message.h"

static uint8_t super[SAMPLE_MOST_BYTES];

/* ---- peers of both families ---- */

enum { ENTRY, MIXED, DEEP };

/* Carried by `entry`, `mixed` has peers at an IPv4 and an IPv6 endpoint; carried by it, `deep` has
 * one behind each of them. */
static struct sim_host *add_mixed(struct sim *sim)
{
    struct sim_network network;
    sim_network_init(&network);
    sim_add_tunnel(&network, "entry", TUNNEL_NO_CARRIER, 1, "10.64.0.2 fd64::2");
    sim_add_tunnel(&network, "mixed", ENTRY, 2, "10.9.0.2 fd09::2");
    sim_add_tunnel(&network, "deep", MIXED, 3, "10.8.0.2 fd08::2");
    sim_add_peer(&network, ENTRY, 11, "0.0.0.0/0 ::/0", "203.0.113.1:51820");
    sim_add_peer(&network, MIXED, 12, "10.1.0.0/16 fd01::/32", "203.0.113.2:51820");
    sim_add_peer(&network, MIXED, 13, "10.2.0.0/16 fd02::/32", "[2001:db8::3]:51820");
    sim_add_peer(&network, DEEP, 14, "10.3.0.0/16 fd03::/32", "10.1.0.5:51820");
    sim_add_peer(&network, DEEP, 15, "10.4.0.0/16 fd04::/32", "10.2.0.5:51820");
    return sim_add_host(sim, "client", "192.0.2.1", &network, 1500);
}

static struct engine_route route_to(const struct sim_host *host, const char *destination)
{
    struct engine_route route;
    struct address address = sample_address(destination);
    engine_route(host->engine, &address, &route);
    return route;
}

static void expect_verdict(const struct sim_host *host, const char *destination,
                           enum verdict verdict)
{
    CHECK_TEXT(verdict_name(route_to(host, destination).verdict), verdict_name(verdict));
}

static void expect_mtu(const struct sim_host *host, const char *destination, uint32_t mtu)
{
    expect_verdict(host, destination, VERDICT_OK);
    CHECK_EQUAL(route_to(host, destination).mtu_bytes, mtu);
}

static void e1_each_peer_has_its_own_path(void)
{
    struct sim *sim = sim_new();
    struct sim_host *client = add_mixed(sim);
    expect_mtu(client, "10.1.0.1", 1380);
    expect_mtu(client, "10.2.0.1", 1360);
    expect_mtu(client, "10.3.0.1", 1320);
    expect_mtu(client, "10.4.0.1", 1300);
    CHECK_EQUAL(engine_mtu(client->engine, MIXED), 1360);
    CHECK_EQUAL(engine_mtu(client->engine, DEEP), 1300);
    struct endpoint moved = sample_endpoint("[2001:db8::2]:51820");
    sim_set_endpoint(client, MIXED, 0, &moved);
    expect_mtu(client, "10.1.0.1", 1360);
    expect_mtu(client, "10.3.0.1", 1300);
    /* to a peer of the same family with another path of its own */
    moved = sample_endpoint("10.1.0.6:51820");
    sim_set_endpoint(client, DEEP, 1, &moved);
    moved = sample_endpoint("203.0.113.2:51820");
    sim_set_endpoint(client, MIXED, 0, &moved);
    expect_mtu(client, "10.4.0.1", 1320);
    CHECK_EQUAL(engine_mtu(client->engine, DEEP), 1320);
    sim_free(sim);
}

static void e4_a_narrow_path_is_narrow_for_its_own_peer_alone(void)
{
    struct sim *sim = sim_new();
    struct sim_host *client = add_mixed(sim);
    engine_set_root_mtu(client->engine, ENTRY, 1350);
    expect_mtu(client, "fd01::1", 1290);
    expect_verdict(client, "fd02::1", VERDICT_NARROW_PATH);
    expect_mtu(client, "10.2.0.1", 1270);
    expect_verdict(client, "fd03::1", VERDICT_NARROW_PATH);
    /* under 1280 the entry carries no datagrams over IPv6 */
    engine_set_root_mtu(client->engine, ENTRY, 1279);
    expect_mtu(client, "10.1.0.1", 1219);
    expect_verdict(client, "10.2.0.1", VERDICT_UNROUTABLE);
    expect_mtu(client, "10.3.0.1", 1159);
    expect_verdict(client, "10.4.0.1", VERDICT_UNROUTABLE);
    expect_verdict(client, "fd02::1", VERDICT_UNROUTABLE);
    CHECK_EQUAL(engine_mtu(client->engine, MIXED), 1219);
    struct status_peer peer;
    status_read_peer(client->engine, MIXED, 1, sim->now, &peer);
    CHECK_EQUAL(peer.state, STATUS_PEER_UNROUTABLE);
    engine_set_root_mtu(client->engine, ENTRY, 1440);
    expect_mtu(client, "fd02::1", 1360);
    sim_free(sim);
}

/* A root's MTU that nobody has told is no narrow path: of neither family, at no depth. */
static void e1_a_way_whose_mtu_is_not_known_is_said_to_be_that(void)
{
    static const char *const destinations[] = {"10.1.0.1", "fd01::1", "10.2.0.1", "fd02::1",
                                               "10.4.0.1", "fd03::1"};
    struct sim *sim = sim_new();
    struct sim_host *client = add_mixed(sim);
    engine_set_root_mtu(client->engine, ENTRY, 0);
    for (size_t i = 0; i < sizeof(destinations) / sizeof(*destinations); i++)
        expect_verdict(client, destinations[i], VERDICT_NO_MTU);
    engine_set_root_mtu(client->engine, ENTRY, 60); /* nothing fits beside the headers */
    expect_verdict(client, "10.1.0.1", VERDICT_UNROUTABLE);
    engine_set_root_mtu(client->engine, ENTRY, 60 + 67);
    expect_verdict(client, "10.1.0.1", VERDICT_NARROW_PATH);
    expect_verdict(client, "fd01::1", VERDICT_NARROW_PATH);
    engine_set_root_mtu(client->engine, ENTRY, 60 + 68);
    expect_mtu(client, "10.1.0.1", 68);
    sim_free(sim);
}

/* Neither data nor handshakes. */
static void e4_no_datagram_over_ipv6_leaves_on_a_narrow_path(void)
{
    struct chain chain;
    const struct chain_shape shape = {
        .depth = 2, .families = 2, .link_mtu_bytes = 1500, .keepalive_s = 5};
    chain_init(&chain, &shape);
    sim_run(chain.sim, SIM_S);
    CHECK_EQUAL(sim_peer_state(chain.client, 1, 0), STATUS_PEER_UP);
    engine_set_root_mtu(chain.client->engine, 0, 1270);
    struct status_peer peer;
    status_read_peer(chain.relays[1]->engine, 0, 0, chain.sim->now, &peer);
    uint64_t received = peer.received_bytes;
    sim_run(chain.sim, 400 * SIM_S);
    CHECK_EQUAL(sim_peer_state(chain.client, 1, 0), STATUS_PEER_UNROUTABLE);
    status_read_peer(chain.relays[1]->engine, 0, 0, chain.sim->now, &peer);
    CHECK_EQUAL(peer.received_bytes, received);
    engine_set_root_mtu(chain.client->engine, 0, 1440);
    sim_run(chain.sim, 30 * SIM_S);
    CHECK_EQUAL(sim_peer_state(chain.client, 1, 0), STATUS_PEER_UP);
    chain_wipe(&chain);
}

/* ---- a path that narrows ---- */

static struct sample to_world(uint8_t protocol, size_t len)
{
    return (struct sample){.source = "10.100.0.2", .destination = "198.51.100.9",
                           .protocol = protocol, .tcp_flags = 0x10, .source_port = 1000,
                           .destination_port = 80, .len_bytes = len};
}

static void connect_chain(struct chain *chain, const struct chain_shape *shape)
{
    chain_init(chain, shape);
    struct sample hello = to_world(IP_PROTOCOL_ICMP, 28);
    sim_send(chain->client, &hello);
    sim_run(chain->sim, SIM_S);
    CHECK_EQUAL(chain->exit->inbox_count, 1);
    sim_forget_inbox(chain->exit);
    chain->client->datagram_most_bytes = 0;
}

/* Half of a super-packet is cut and sent; then the root's MTU falls to 440. */
static void send_while_narrowing(struct sim_host *client, const struct sample *sample)
{
    size_t len = sample_write(sample, super);
    const struct vnet_header vnet = sample_to_super(super, len, 400);
    instant_ns now = client->sim->now;
    CHECK(!engine_from_tun(client->engine, &vnet, super, len, now, client->actions));
    sim_flush(client);
    engine_set_root_mtu(client->engine, 0, 440);
    client->datagram_most_bytes = 0;
    CHECK(engine_from_tun(client->engine, &vnet, super, len, now, client->actions));
    sim_flush(client);
}

static void h2_the_rest_of_a_half_cut_super_packet_is_not_sent_at_the_old_size(void)
{
    struct chain chain;
    const struct chain_shape shape = {.depth = 2, .link_mtu_bytes = 1500};
    connect_chain(&chain, &shape);
    struct sim_host *client = chain.client;
    struct sample sample = to_world(IP_PROTOCOL_TCP, 40 + 150 * 400);
    send_while_narrowing(client, &sample);
    CHECK_EQUAL(client->datagram_most_bytes, 0);
    CHECK_EQUAL(sim_drops(client, VERDICT_TOO_BIG), 150 - 128); /* all that was left */
    /* what comes again is told */
    size_t len = sample_write(&sample, super);
    const struct vnet_header again = sample_to_super(super, len, 400);
    sim_send_bytes(client, super, len, &again);
    CHECK_EQUAL(client->inbox_count, 1);
    sim_run(chain.sim, SIM_S);
    sim_forget_inbox(chain.exit);
    chain_wipe(&chain);
}

static void all_that_finds_no_buffer_is_counted(void)
{
    struct chain chain;
    const struct chain_shape shape = {.depth = 2, .link_mtu_bytes = 1500};
    connect_chain(&chain, &shape);
    struct sim_host *client = chain.client;
    struct packet *taken[4096];
    size_t count = 0;
    while (count < 4096 && pool_free_slots(client->pool) > 3)
        taken[count++] = pool_take_packet(client->pool);
    struct sample sample = to_world(IP_PROTOCOL_TCP, 40 + 20 * 400);
    size_t len = sample_write(&sample, super);
    const struct vnet_header vnet = sample_to_super(super, len, 400);
    sim_send_bytes(client, super, len, &vnet);
    CHECK_EQUAL(sim_drops(client, VERDICT_POOL_EMPTY), 20 - 3);
    while (count)
        pool_give_packet(client->pool, taken[--count]);
    sim_run(chain.sim, SIM_S);
    sim_forget_inbox(chain.exit);
    chain_wipe(&chain);
}

/* Without DF the rest is fragmented (D5). */
static void h2_the_rest_of_a_half_cut_super_packet_is_fragmented_where_it_may(void)
{
    struct chain chain;
    const struct chain_shape shape = {.depth = 2, .link_mtu_bytes = 1500};
    connect_chain(&chain, &shape);
    struct sim_host *client = chain.client;
    struct sample sample = to_world(IP_PROTOCOL_UDP, 28 + 130 * 400);
    sample.may_fragment = true;
    send_while_narrowing(client, &sample);
    CHECK(client->datagram_most_bytes > 400 && client->datagram_most_bytes <= 500);
    CHECK_EQUAL(sim_drops(client, VERDICT_TOO_BIG), 0);
    sim_run(chain.sim, SIM_S);
    sim_forget_inbox(chain.exit);
    chain_wipe(&chain);
}

static void what_waited_for_a_session_is_not_sent_at_the_old_size(void)
{
    struct chain chain;
    const struct chain_shape shape = {.depth = 2, .link_mtu_bytes = 1500};
    chain_init(&chain, &shape);
    struct sample large = to_world(IP_PROTOCOL_UDP, 1300), small = to_world(IP_PROTOCOL_UDP, 300);
    sim_send(chain.client, &large);
    sim_send(chain.client, &small);
    engine_set_root_mtu(chain.client->engine, 0, 1000);
    sim_run(chain.sim, SIM_S);
    CHECK_EQUAL(sim_drops(chain.client, VERDICT_TOO_BIG), 1);
    CHECK_EQUAL(chain.exit->inbox_count, 1);
    CHECK(chain.client->datagram_most_bytes <= 1060);
    sim_forget_inbox(chain.exit);
    chain_wipe(&chain);
}

/* ---- the property ---- */

struct watcher {
    struct sim_host *client;
    uint32_t mtu_bytes; /* of the root */
    uint64_t seen;
};

static bool watch(void *context, struct sim_datagram *datagram)
{
    struct watcher *watcher = context;
    if (datagram->sender == watcher->client && datagram->bytes[0] == MESSAGE_DATA) {
        CHECK(datagram->len_bytes <= watcher->mtu_bytes + 32);
        watcher->seen++;
    }
    return true;
}

static void change_mtu(struct watcher *watcher)
{
    sim_flush(watcher->client); /* what is seen from now on was cut or sealed after this */
    watcher->mtu_bytes = 200 + (uint32_t)tap_random_below(1221);
    engine_set_root_mtu(watcher->client->engine, 0, watcher->mtu_bytes);
}

static void write_something(struct chain *chain, struct watcher *watcher)
{
    static const uint8_t protocols[] = {IP_PROTOCOL_TCP, IP_PROTOCOL_UDP};
    struct sample sample = to_world(protocols[tap_random_below(2)], 100 + tap_random_below(60000));
    if (tap_random_below(3) == 0) {
        sample.source = "fd00:100::2";
        sample.destination = "2001:db8:aaaa::9";
    }
    sample.may_fragment = tap_random_below(2);
    bool is_super = tap_random_below(3) > 0;
    if (!is_super)
        sample.len_bytes = 60 + tap_random_below(1500);
    size_t len = sample_write(&sample, super);
    struct vnet_header vnet = {0};
    if (is_super)
        vnet = sample_to_super(super, len, (uint16_t)(200 + tap_random_below(1300)));
    struct sim_host *client = chain->client;
    /* a path may narrow between two turns of one super-packet */
    while (!engine_from_tun(client->engine, &vnet, super, len, chain->sim->now, client->actions)) {
        sim_flush(client);
        if (tap_random_below(2))
            change_mtu(watcher);
    }
    if (tap_random_below(2))
        sim_flush(client);
}

static void nothing_emitted_exceeds_the_carriers_mtu(void)
{
    uint64_t seen = 0;
    for (unsigned depth = 1; depth <= 4; depth++) {
        struct chain chain;
        const struct chain_shape shape = {.depth = depth,
                                          .families = (unsigned)tap_random_below(16),
                                          .link_mtu_bytes = 1500,
                                          .keepalive_s = 25};
        chain_init(&chain, &shape);
        chain.sim->is_fed_rubbish = true;
        struct watcher watcher = {.client = chain.client, .mtu_bytes = 1420};
        engine_set_root_mtu(chain.client->engine, 0, 1420); /* over both families */
        chain.sim->hook = watch;
        chain.sim->hook_context = &watcher;
        for (unsigned round = 0; round < 300; round++) {
            write_something(&chain, &watcher);
            if (tap_random_below(3) == 0)
                change_mtu(&watcher);
            if (tap_random_below(5) == 0) {
                unsigned level = (unsigned)tap_random_below(depth);
                char text[64];
                snprintf(text, sizeof(text),
                         tap_random_below(2) ? "[2001:db8:%u::1]:51820" : "203.0.113.%u:51820",
                         level + 1);
                struct endpoint endpoint = sample_endpoint(text);
                sim_set_endpoint(chain.client, level, 0, &endpoint);
            }
            sim_run(chain.sim, SIM_S / 20);
            sim_flush(chain.client);
            sim_forget_inbox(chain.client);
            for (unsigned i = 0; i < depth; i++)
                sim_forget_inbox(chain.relays[i]);
        }
        seen += watcher.seen;
        chain_wipe(&chain);
    }
    CHECK(seen > 1000);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, e1_each_peer_has_its_own_path);
    TAP_RUN(argc, argv, e4_a_narrow_path_is_narrow_for_its_own_peer_alone);
    TAP_RUN(argc, argv, e1_a_way_whose_mtu_is_not_known_is_said_to_be_that);
    TAP_RUN(argc, argv, e4_no_datagram_over_ipv6_leaves_on_a_narrow_path);
    TAP_RUN(argc, argv, h2_the_rest_of_a_half_cut_super_packet_is_not_sent_at_the_old_size);
    TAP_RUN(argc, argv, all_that_finds_no_buffer_is_counted);
    TAP_RUN(argc, argv, h2_the_rest_of_a_half_cut_super_packet_is_fragmented_where_it_may);
    TAP_RUN(argc, argv, what_waited_for_a_session_is_not_sent_at_the_old_size);
    TAP_RUN(argc, argv, nothing_emitted_exceeds_the_carriers_mtu);
    return tap_done();
}
