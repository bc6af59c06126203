/* SPDX-License-Identifier: MIT */
/* Super-packets on their way out, and what waits for a session. */
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "engine/lanes.h"
#include "engine/own_socket.h"
#include "simulation/chain.h"
#include "simulation/office.h"
#include "wireguard/message.h"

static uint8_t super[SAMPLE_MOST_BYTES];

/* ---- super-packets ---- */

static size_t header_bytes(const uint8_t *packet)
{
    bool is_ipv6 = packet[0] >> 4 == 6;
    size_t at = is_ipv6 ? 40 : 20;
    return at + ((is_ipv6 ? packet[6] : packet[9]) == IP_PROTOCOL_UDP ? 8 : 20);
}

/* The payload of what arrived, put together, is that of `len` bytes of `super`; no segment,
 * coalesced or not, exceeds `most`. */
static void expect_super(struct sim_host *host, size_t len, const char *source, size_t most)
{
    size_t header = header_bytes(super), at = header;
    for (struct sim_packet *packet; (packet = sim_take(host)); free(packet)) {
        size_t payload = packet->len_bytes - header;
        CHECK((packet->vnet.gso_type ? header + packet->vnet.gso_size : packet->len_bytes) <= most);
        if (CHECK(at + payload <= len))
            CHECK_BYTES(packet->bytes + header, super + at, payload);
        bool is_ipv6 = packet->bytes[0] >> 4 == 6;
        struct address address = sample_address(source);
        CHECK_BYTES(packet->bytes + (is_ipv6 ? 8 : 12), address.bytes, is_ipv6 ? 16 : 4);
        at += payload;
    }
    CHECK_EQUAL(at, len);
}

static void super_packets_are_cut_to_the_path(void)
{
    struct chain chain;
    const struct chain_shape shape = {.depth = 2, .families = 2, .link_mtu_bytes = 1500};
    chain_init(&chain, &shape);
    uint32_t mtu = engine_mtu(chain.client->engine, 1);
    const struct sample hello = {.source = "10.100.0.2",
                                 .destination = "198.51.100.9",
                                 .protocol = IP_PROTOCOL_ICMP};
    sim_send(chain.client, &hello); /* all of a super-packet would not fit into the stage */
    sim_run(chain.sim, SIM_S);
    sim_forget_inbox(chain.exit);
    for (unsigned i = 0; i < 12; i++) {
        bool is_ipv6 = i & 1, is_udp = i & 2;
        size_t header = (is_ipv6 ? 40u : 20u) + (is_udp ? 8u : 20u);
        const struct sample sample = {.source = is_ipv6 ? "fd00:100::2" : "10.100.0.2",
                                      .destination = is_ipv6 ? "2001:db8:aaaa::9" : "198.51.100.9",
                                      .protocol = is_udp ? IP_PROTOCOL_UDP : IP_PROTOCOL_TCP,
                                      .tcp_flags = 0x10,
                                      .source_port = (uint16_t)(100 + i),
                                      .destination_port = 80,
                                      .serial = i,
                                      .len_bytes = i < 8 ? 2 + header + tap_random_below(20000)
                                                         : 65535 - tap_random_below(9)};
        uint16_t segment = (uint16_t)(i == 8 || i == 9 ? mtu - header : 1 + tap_random_below(1300));
        if (is_ipv6 && mtu < 1280)
            continue;
        size_t len = sample_write(&sample, super);
        const struct vnet_header vnet = sample_to_super(super, len, segment);
        sim_send_bytes(chain.client, super, len, &vnet);
        sim_run(chain.sim, 2 * SIM_S);
        expect_super(chain.exit, len, is_ipv6 ? "fd00:101::2" : "10.101.0.2", mtu);
        if (i == 0)
            CHECK(sim_is_undisturbed(chain.client));
    }
    CHECK(chain.client->datagram_most_bytes <= 1500);
    chain_wipe(&chain);
}

/* RULES H2: the batch is full, the same bytes again in the next turn; nothing twice, nothing
 * lost. */
static void h2_a_super_packet_goes_on_in_the_next_turn(void)
{
    struct chain chain;
    const struct chain_shape shape = {.depth = 2, .link_mtu_bytes = 1500};
    chain_init(&chain, &shape);
    struct sim_host *client = chain.client;
    struct sample sample = {.source = "10.100.0.2",
                            .destination = "198.51.100.9",
                            .protocol = IP_PROTOCOL_TCP,
                            .tcp_flags = 0x10,
                            .len_bytes = 40};
    sim_send(client, &sample);
    sim_run(chain.sim, SIM_S);
    sim_forget_inbox(chain.exit);

    sample.len_bytes = 40 + 300 * 100;
    size_t len = sample_write(&sample, super);
    const struct vnet_header vnet = sample_to_super(super, len, 100);
    unsigned turns = 1;
    static uint8_t bytes[SAMPLE_MOST_BYTES];
    memcpy(bytes, super, len);
    while (!engine_from_tun(client->engine, &vnet, bytes, len, chain.sim->now, client->actions)) {
        CHECK_EQUAL(client->actions->send_count, 0);
        turns++;
        engine_flush(client->engine, chain.sim->now, 0, client->actions);
        CHECK_EQUAL(client->actions->send_count, 128);
        while (client->actions->send_count)
            pool_give_packet(client->pool,
                             client->actions->sends[--client->actions->send_count].packet);
    }
    CHECK_EQUAL(turns, 3);
    sim_flush(client);
    sim_run(chain.sim, SIM_S);
    /* the exit got the rest: segments 256 to 299 */
    size_t payload = 0;
    for (struct sim_packet *packet; (packet = sim_take(chain.exit)); free(packet)) {
        CHECK_BYTES(packet->bytes + 40, super + 40 + 25600 + payload, packet->len_bytes - 40);
        payload += packet->len_bytes - 40;
    }
    CHECK_EQUAL(payload, 4400);
    chain_wipe(&chain);
}

static void too_big_segments_are_refused_whole(void)
{
    struct chain chain;
    const struct chain_shape shape = {.depth = 2, .link_mtu_bytes = 1500};
    chain_init(&chain, &shape);
    const struct sample sample = {.source = "10.100.0.2",
                                  .destination = "198.51.100.9",
                                  .protocol = IP_PROTOCOL_TCP,
                                  .tcp_flags = 0x10,
                                  .len_bytes = 20000};
    size_t len = sample_write(&sample, super);
    const struct vnet_header vnet = sample_to_super(super, len, 1341);
    sim_send_bytes(chain.client, super, len, &vnet);
    CHECK_EQUAL(sim_drops(chain.client, VERDICT_TOO_BIG), 1);
    CHECK_EQUAL(chain.client->datagrams_sent, 0);
    struct sim_packet *error = sim_take(chain.client);
    if (CHECK(error != NULL)) {
        CHECK_EQUAL(load_be32(error->bytes + 24), 1380);
        CHECK_BYTES(error->bytes + 28, super, error->len_bytes - 28);
    }
    free(error);
    chain_wipe(&chain);
}

/* ---- staging ---- */

static bool drop_initiations(void *context, struct sim_datagram *datagram)
{
    const bool *drops = context;
    return !*drops || datagram->bytes[0] != MESSAGE_INITIATION;
}

static void the_oldest_of_more_than_128_is_dropped_and_order_is_kept(void)
{
    struct chain chain;
    const struct chain_shape shape = {.depth = 3, .link_mtu_bytes = 1500};
    chain_init(&chain, &shape);
    for (uint32_t i = 0; i < 200; i++) {
        struct sample sample = office_sample("198.51.100.9", 60 + i, i);
        sample.source = "10.100.0.2";
        sample.protocol = IP_PROTOCOL_ICMP;
        sim_send(chain.client, &sample);
    }
    CHECK_EQUAL(sim_drops(chain.client, VERDICT_STAGE_FULL), 72);
    sim_run(chain.sim, 2 * SIM_S);
    CHECK_EQUAL(chain.exit->inbox_count, 128);
    uint32_t serial = 72;
    for (struct sim_packet *packet; (packet = sim_take(chain.exit)); free(packet))
        CHECK_EQUAL(sample_serial(packet->bytes, packet->len_bytes), serial++);
    CHECK_EQUAL(sim_drops(chain.client, VERDICT_STAGE_FULL), 72);
    chain_wipe(&chain);
}

/* C7: what waits takes at most a quarter of the pool. */
static void c7_staging_is_bounded_over_all_peers(void)
{
    struct office office;
    bool drops = true;
    office_init(&office);
    office.sim->hook = drop_initiations;
    office.sim->hook_context = &drops;
    static const char *const destinations[] = {"9.9.9.9", "10.20.0.1", "10.31.0.1", "10.31.5.1",
                                               "192.168.0.1"};
    for (uint32_t i = 0; i < 1000; i++) {
        const struct sample sample = office_sample(destinations[i % 5], 60, i);
        sim_send(office.client, &sample);
    }
    CHECK_EQUAL(pool_free_slots(office.client->pool), 1024 - 256);
    office_wipe(&office);
}

/* The carrier was away for long: of the carried tunnel's initiations only the newest is worth
 * sending, and it is answered at once. */
static void c7_only_the_newest_initiation_waits_in_a_carrier(void)
{
    struct chain chain;
    bool drops = true;
    const struct chain_shape shape = {.depth = 2, .link_mtu_bytes = 1500};
    chain_init(&chain, &shape);
    chain.sim->hook = drop_initiations;
    chain.sim->hook_context = &drops;
    struct sample sample = office_sample("198.51.100.9", 60, 0);
    sample.source = "10.100.0.2";
    sim_send(chain.client, &sample);
    sim_run(chain.sim, 42 * SIM_S);
    CHECK(sim_drops(chain.client, VERDICT_SUPERSEDED) >= 7);
    drops = false;
    uint64_t before = chain.client->sent_of_type[MESSAGE_INITIATION];
    while (chain.client->sent_of_type[MESSAGE_INITIATION] == before)
        sim_run(chain.sim, SIM_S / 10);
    sim_run(chain.sim, SIM_S / 2);
    uint64_t answers = chain.exit->sent_of_type[MESSAGE_RESPONSE];
    if (answers == 1)
        chain_expect(chain.exit, &sample, "10.101.0.2", sample.destination);
    else /* its own timer rang just then: the exit waits for the newer session to be used */
        CHECK_EQUAL(answers, 2);
    sim_forget_inbox(chain.exit);
    chain_wipe(&chain);
}

/* No answer for 90 s: the count of initiations, then silence and STAGE_EXPIRED. */
static void gives_up_after_90_s(void)
{
    struct office office;
    bool drops = true;
    office_init(&office);
    office.sim->hook = drop_initiations;
    office.sim->hook_context = &drops;
    for (uint32_t i = 0; i < 5; i++) {
        const struct sample sample = office_sample("9.9.9.9", 60, i);
        sim_send(office.client, &sample);
    }
    CHECK_EQUAL(sim_peer_state(office.client, OFFICE_ENTRY, 0), STATUS_PEER_HANDSHAKE);
    sim_run(office.sim, 88 * SIM_S);
    CHECK_EQUAL(sim_drops(office.client, VERDICT_STAGE_EXPIRED), 0);
    sim_run(office.sim, 12 * SIM_S);
    CHECK_EQUAL(sim_drops(office.client, VERDICT_STAGE_EXPIRED), 5);
    CHECK_EQUAL(sim_peer_state(office.client, OFFICE_ENTRY, 0), STATUS_PEER_IDLE);
    uint64_t sent = office.client->datagrams_sent;
    CHECK(sent >= 17 && sent <= 19);
    sim_run(office.sim, 3600 * SIM_S);
    CHECK_EQUAL(office.client->datagrams_sent, sent);
    drops = false; /* and the next packet begins anew */
    const struct sample sample = office_sample("9.9.9.9", 60, 9);
    sim_send(office.client, &sample);
    sim_run(office.sim, SIM_S);
    office_expect(office.entry, &sample, OFFICE_CLIENT4);
    office_wipe(&office);
}

/* TRAPS 14 */
static bool blackhole_office(void *context, struct sim_datagram *datagram)
{
    const struct office *office = context;
    return !address_is_equal(&datagram->destination.address, &office->office->ipv4);
}

static void a_blackholed_sibling_touches_nobody_else(void)
{
    struct office office;
    office_init(&office);
    office.sim->hook = blackhole_office;
    office.sim->hook_context = &office;
    for (uint32_t i = 0; i < 400; i++) {
        const struct sample lost = office_sample("10.20.0.1", 1300, i);
        const struct sample direct = office_sample("9.9.9.9", 700, i);
        const struct sample lab = office_sample("10.31.0.1", 700, i);
        sim_send(office.client, &lost);
        sim_send(office.client, &lost);
        sim_send(office.client, &direct);
        sim_send(office.client, &lab);
        if (i == 0)
            sim_run(office.sim, SIM_S);
        sim_run(office.sim, SIM_S / 2);
        office_expect(office.entry, &direct, OFFICE_CLIENT4);
        office_expect(office.lab[0], &lab, "10.30.0.2");
    }
    office_expect_nothing(office.office);
    CHECK(sim_is_undisturbed(office.lab[0]));
    CHECK(sim_drops(office.client, VERDICT_STAGE_FULL) > 0);
    office_wipe(&office);
}

/* 300 direct packets and an initiation of the carried tunnel wait for the carrier's session: of the
 * packets the newest 128 do, and the initiation, which came first, is still there. */
static void c7_data_do_not_push_out_a_carried_initiation(void)
{
    struct chain chain;
    const struct chain_shape shape = {.depth = 2, .link_mtu_bytes = 1500};
    chain_init(&chain, &shape);
    const struct sample sample = {.source = "10.100.0.2", .destination = "198.51.100.9",
                                  .protocol = IP_PROTOCOL_UDP, .len_bytes = 100};
    struct engine *engine = chain.client->engine;
    sim_send(chain.client, &sample);
    const struct endpoint to = sample_endpoint("198.51.100.53:53");
    int own = own_socket_open(engine_own_sockets(engine), engine_tunnel_handle(engine, 0), NULL,
                              NULL);
    for (unsigned i = 0; i < 300; i++) {
        CHECK_EQUAL(
            own_socket_send(engine_own_sockets(engine), own, &to, (const uint8_t *)"query", 5),
            VERDICT_OK);
        sim_flush(chain.client);
    }
    CHECK_EQUAL(sim_drops(chain.client, VERDICT_STAGE_FULL), 300 - 128);
    sim_run(chain.sim, SIM_S);
    CHECK_EQUAL(chain.exit->sent_of_type[MESSAGE_RESPONSE], 1); /* within the first second */
    chain_wipe(&chain);
}

/* ---- more than one batch waits ---- */

#define CROWD 400 /* peers of the carried tunnel: an initiation each waits in the carrier */
#define CROWD_DATA 100 /* less than would drop the oldest */

struct crowd {
    struct engine *engine;
    struct pool *pool;
    struct tunnel_description tunnels[2];
    struct peer_description peers[CROWD + 1];
    struct prefix prefixes[CROWD + 2];
    struct address addresses[2];
};

static void crowd_init(struct crowd *crowd, const struct aead *aead)
{
    struct network_description network = {.tunnels = crowd->tunnels, .tunnel_count = 2};
    for (unsigned i = 0; i < CROWD + 1; i++) {
        struct peer_description *peer = &crowd->peers[i];
        char text[48];
        sim_public_key(1000 + i, peer->public_key);
        snprintf(text, sizeof(text), i == CROWD ? "0.0.0.0/0" : "10.%u.%u.0/24", i / 256, i % 256);
        CHECK(prefix_parse(text, &crowd->prefixes[i]));
        peer->allowed_ips = &crowd->prefixes[i];
        peer->allowed_ips_count = 1;
        peer->has_endpoint = true;
        snprintf(text, sizeof(text), i == CROWD ? "192.0.2.1:51820" : "198.18.%u.%u:51820", i / 256,
                 i % 256);
        peer->endpoint = sample_endpoint(text);
    }
    crowd->addresses[0] = sample_address("10.99.0.2");
    crowd->addresses[1] = sample_address("10.98.0.2");
    for (unsigned i = 0; i < 2; i++) {
        struct tunnel_description *tunnel = &crowd->tunnels[i];
        *tunnel = (struct tunnel_description){.carrier = (int)i - 1, .routes_are_default = true,
                                              .addresses = &crowd->addresses[i],
                                              .address_count = 1,
                                              .peers = i ? crowd->peers : &crowd->peers[CROWD],
                                              .peer_count = i ? CROWD : 1};
        snprintf(tunnel->name, sizeof(tunnel->name), i ? "crowd" : "carrier");
        sim_private_key(900 + i, tunnel->private_key);
    }
    network.nat_ipv4 = crowd->addresses[0];
    struct pool_shape shape;
    struct text why = TEXT_ROOM(512);
    engine_pool_shape(&network, &shape);
    crowd->pool = pool_new(tap_memory(), &shape);
    const struct engine_options options = {.secrets = tap_memory(), .pool = crowd->pool,
                                           .aead = (struct aead *)aead,
                                           .random = tap_random_source()};
    crowd->engine = engine_new(&options, &network, &why);
    CHECK_TEXT(why.bytes, "");
    engine_set_root_mtu(crowd->engine, 0, 1440);
    engine_set_up(crowd->engine, true, SIM_START_NS);
}

static void write_crowd(struct crowd *crowd, const struct sample *sample, instant_ns now,
                        struct actions *actions)
{
    const struct vnet_header vnet = {0};
    size_t len = sample_write(sample, super);
    CHECK(engine_from_tun(crowd->engine, &vnet, super, len, now, actions));
    engine_flush(crowd->engine, now, 0, actions);
}

/* Data of the carrier carry their number in their length, a carried initiation has its own. */
static unsigned take_data(struct crowd *crowd, struct actions *actions, unsigned expected,
                          unsigned *initiations)
{
    for (size_t i = 0; i < actions->send_count; i++) {
        struct packet *packet = actions->sends[i].packet;
        bool is_data = packet->data[0] == MESSAGE_DATA;
        unsigned len = packet->len_bytes - MESSAGE_DATA_HEADER_BYTES - AEAD_TAG_BYTES;
        bool is_initiation = is_data && len == 176; /* 148 and headers */
        *initiations += is_initiation;
        if (is_data && !is_initiation)
            CHECK_EQUAL(len, 256 + 16 * (expected++ % 64));
        pool_give_packet(crowd->pool, packet);
    }
    actions->send_count = 0;
    actions->reply_path_count = 0;
    return expected;
}

/* A session for the carrier, as if its handshake had been answered just now. */
static void give_session(struct crowd *crowd, instant_ns now)
{
    struct peer *peer = crowd->engine->core.tree.nodes[0]->peers[0];
    static const struct noise_keys keys;
    static const uint8_t timestamp[NOISE_TIMESTAMP_BYTES];
    const struct peer_derivation derivation = {.keys = &keys, .timestamp = timestamp,
                                               .local_index = 7, .remote_index = 8,
                                               .is_initiator = true, .initiation_sent = now};
    CHECK(peer_derive_session(peer, &derivation, now) != NULL);
}

/* 400 initiations and up to 100 packets wait for the carrier: all of them leave at once, in order,
 * and what an application sends meanwhile goes behind them, also where the caller's list was nearly
 * full. */
static void c7_all_that_waits_is_released_in_order_and_soon(void)
{
    struct aead *aead = aead_new(tap_memory(), NULL);
    for (unsigned round = 0; round < 20; round++) {
        static struct crowd crowd;
        static struct actions actions;
        instant_ns now = SIM_START_NS;
        unsigned initiations = 0, sent = 0, seen = 0;
        crowd_init(&crowd, aead);
        for (unsigned i = 0; i < CROWD; i++) {
            char text[48];
            snprintf(text, sizeof(text), "10.%u.%u.9", i / 256, i % 256);
            const struct sample sample = {.source = "10.99.0.2", .destination = text,
                                          .protocol = IP_PROTOCOL_ICMP, .len_bytes = 60};
            if (sent < CROWD_DATA && tap_random_below(3) == 0) {
                const struct sample data = {.source = "10.99.0.2", .destination = "203.0.113.9",
                                            .protocol = IP_PROTOCOL_UDP,
                                            .len_bytes = 256 + 16 * (sent++ % 64)};
                write_crowd(&crowd, &data, now, &actions);
            }
            write_crowd(&crowd, &sample, now, &actions);
        }
        take_data(&crowd, &actions, 0, &initiations);
        CHECK_EQUAL(initiations, 0);
        CHECK_EQUAL(crowd.engine->core.tree.nodes[0]->peers[0]->stage.count, CROWD + sent);
        give_session(&crowd, now);
        staging_release(&crowd.engine->outbound.staging,
                        crowd.engine->core.tree.nodes[0]->peers[0]);
        /* What else is in the caller's list leaves room for one batch, for two, or for none. */
        size_t others = tap_random_below(ACTIONS_PER_DOOR);
        for (unsigned turn = 0; turn < 6 && seen < sent + 6; turn++) {
            actions.send_count = others;
            const struct sample data = {.source = "10.99.0.2", .destination = "203.0.113.9",
                                        .protocol = IP_PROTOCOL_UDP,
                                        .len_bytes = 256 + 16 * (sent++ % 64)};
            write_crowd(&crowd, &data, now, &actions);
            memmove(actions.sends, actions.sends + others,
                    (actions.send_count - others) * sizeof(actions.sends[0]));
            actions.send_count -= others;
            seen = take_data(&crowd, &actions, seen, &initiations);
            if (list_is_empty(&crowd.engine->outbound.staging.releasing))
                CHECK(engine_deadline(crowd.engine) > now);
            else
                CHECK_EQUAL(engine_deadline(crowd.engine), 0);
        }
        CHECK_EQUAL(seen, sent);
        CHECK_EQUAL(initiations, CROWD);
        CHECK(list_is_empty(&crowd.engine->outbound.staging.releasing));
        CHECK_EQUAL(crowd.engine->core.tree.nodes[0]->peers[0]->stage.count, 0);
        engine_free(crowd.engine);
        CHECK_EQUAL(pool_free_slots(crowd.pool), pool_shape(crowd.pool)->slots);
        pool_free(crowd.pool);
    }
    aead_free(aead);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, super_packets_are_cut_to_the_path);
    TAP_RUN(argc, argv, h2_a_super_packet_goes_on_in_the_next_turn);
    TAP_RUN(argc, argv, too_big_segments_are_refused_whole);
    TAP_RUN(argc, argv, the_oldest_of_more_than_128_is_dropped_and_order_is_kept);
    TAP_RUN(argc, argv, c7_staging_is_bounded_over_all_peers);
    TAP_RUN(argc, argv, c7_only_the_newest_initiation_waits_in_a_carrier);
    TAP_RUN(argc, argv, c7_data_do_not_push_out_a_carried_initiation);
    TAP_RUN(argc, argv, c7_all_that_waits_is_released_in_order_and_soon);
    TAP_RUN(argc, argv, gives_up_after_90_s);
    TAP_RUN(argc, argv, a_blackholed_sibling_touches_nobody_else);
    return tap_done();
}
