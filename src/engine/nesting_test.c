/* SPDX-License-Identifier: MIT */
/* The main job: a packet goes out through one to eight hops and the answer comes back, in every
 * combination of address families. */
#include "simulation/chain.h"

#include <stdlib.h>

/* One packet out, its answer back; both exactly as sent but for the translated address. */
static void round_trip(struct chain *chain, const struct sample *out)
{
    bool is_ipv6 = sample_address(out->source).family == FAMILY_IPV6;
    char translated[48];
    chain_address(is_ipv6, chain->depth - 1, 2, translated);
    sim_send(chain->client, out);
    sim_run(chain->sim, 3 * SIM_S);
    chain_expect(chain->exit, out, translated, out->destination);

    struct sample back = *out;
    back.source = out->destination;
    back.destination = translated;
    sim_send(chain->exit, &back);
    sim_run(chain->sim, 3 * SIM_S);
    chain_expect(chain->client, &back, back.source, out->source);
}

static void check_undisturbed(struct chain *chain)
{
    CHECK(sim_is_undisturbed(chain->client));
    for (unsigned i = 0; i < chain->depth; i++)
        CHECK(sim_is_undisturbed(chain->relays[i]));
}

/* Full-size packets of both families: every hop fills its carrier exactly, nothing exceeds it. */
static void try_chain(unsigned depth, unsigned families, uint32_t link_mtu)
{
    struct chain chain;
    const struct chain_shape shape = {
        .depth = depth, .families = families, .link_mtu_bytes = link_mtu};
    chain_init(&chain, &shape);
    uint32_t mtu = engine_mtu(chain.client->engine, depth - 1), cost = 0;
    for (unsigned i = 0; i < depth; i++)
        cost += families >> i & 1 ? 80 : 60;
    CHECK_EQUAL(mtu, link_mtu - cost);
    struct sample small = chain_to_world(false, 61, 1), full = chain_to_world(false, mtu, 2);
    round_trip(&chain, &small);
    round_trip(&chain, &full);
    CHECK_EQUAL(chain.client->datagram_most_bytes, link_mtu);
    CHECK_EQUAL(chain.relays[0]->datagram_most_bytes, link_mtu);
    for (unsigned i = 1; i < depth; i++)
        CHECK_EQUAL(chain.relays[i - 1]->forwarded_most_bytes,
                    engine_mtu(chain.client->engine, i - 1));
    if (mtu >= 1280) {
        struct sample full6 = chain_to_world(true, mtu, 3);
        round_trip(&chain, &full6);
        CHECK_EQUAL(chain.client->datagram_most_bytes, link_mtu);
    }
    check_undisturbed(&chain);
    chain_wipe(&chain);
}

/* Any packet at all: nothing that leaves a hop exceeds its carrier, whatever becomes of it. */
static void try_any_packets(unsigned depth)
{
    struct chain chain;
    unsigned families = (unsigned)tap_random_below(1u << depth);
    const struct chain_shape shape = {.depth = depth, .families = families, .keepalive_s = 25,
                                      .link_mtu_bytes = 2000 + (uint32_t)tap_random_below(7000)};
    static uint8_t bytes[SAMPLE_MOST_BYTES];
    chain_init(&chain, &shape);
    chain.sim->is_fed_rubbish = true; /* fragments: their sums are of the whole */
    sim_run(chain.sim, 3 * SIM_S);
    uint32_t mtu = engine_mtu(chain.client->engine, depth - 1);
    size_t arrived = 0;
    for (uint32_t i = 0; i < 60; i++) {
        bool is_super = tap_random_below(3) == 0;
        size_t most = tap_random_below(2) ? mtu + 40 : 12000;
        struct sample sample = chain_to_world(tap_random_below(2), 100 + tap_random_below(most), i);
        sample.protocol = tap_random_below(2) ? IP_PROTOCOL_TCP : IP_PROTOCOL_UDP;
        sample.may_fragment = tap_random_below(2);
        sample.tcp_flags = 0x10;
        size_t len = sample_write(&sample, bytes);
        uint16_t gso_size = (uint16_t)(1 + tap_random_below(mtu));
        struct vnet_header vnet = {0};
        if (is_super && gso_size < len - 80 && len / gso_size < 60)
            vnet = sample_to_super(bytes, len, gso_size);
        sim_send_bytes(chain.client, bytes, len, &vnet);
        sim_run(chain.sim, SIM_S);
        arrived += chain.exit->inbox_count;
        for (struct sim_packet *packet; (packet = sim_take(chain.exit)); free(packet))
            CHECK(packet->len_bytes <= mtu || packet->vnet.gso_type != VNET_GSO_NONE);
        sim_forget_inbox(chain.client); /* too-big */
    }
    CHECK(arrived > 10);
    CHECK(chain.client->datagram_most_bytes <= shape.link_mtu_bytes);
    for (unsigned i = 1; i < depth; i++)
        CHECK(chain.relays[i - 1]->forwarded_most_bytes <=
              engine_mtu(chain.client->engine, i - 1));
    chain_wipe(&chain); /* and all buffers are back */
}

static void nothing_emitted_exceeds_its_carrier_at_depth_1_to_8(void)
{
    for (unsigned depth = 1; depth <= 8; depth++)
        try_any_packets(depth);
}

static void depth_1_to_4_in_every_combination_of_families(void)
{
    for (unsigned depth = 1; depth <= 4; depth++)
        for (unsigned families = 0; families < 1u << depth; families++)
            try_chain(depth, families, 9000);
}

static void depth_5_to_8_in_combinations_of_families(void)
{
    for (unsigned depth = 5; depth <= 8; depth++) {
        try_chain(depth, 0, 9000);
        try_chain(depth, (1u << depth) - 1, 9000);
        try_chain(depth, 0x55 & ((1u << depth) - 1), 9000);
        for (unsigned i = 0; i < 3; i++)
            try_chain(depth, (unsigned)tap_random_below(1u << depth), 9000);
    }
}

static void depth_1_to_8_on_an_ordinary_link(void)
{
    for (unsigned depth = 1; depth <= 8; depth++) {
        try_chain(depth, 0, 1500);
        try_chain(depth, 7 & ((1u << depth) - 1), 1500); /* as far as IPv6 reaches (RULES E4) */
    }
}

static void e4_no_datagrams_over_ipv6_on_a_narrow_path(void)
{
    struct chain chain;
    const struct chain_shape shape = {.depth = 5, .families = 0x0f, .link_mtu_bytes = 1500};
    chain_init(&chain, &shape);
    CHECK_EQUAL(engine_mtu(chain.client->engine, 2), 1500 - 3 * 80);
    CHECK_EQUAL(engine_mtu(chain.client->engine, 3), 0);
    CHECK_EQUAL(engine_mtu(chain.client->engine, 4), 0);
    const struct sample sample = chain_to_world(false, 60, 0);
    sim_send(chain.client, &sample);
    CHECK_EQUAL(sim_drops(chain.client, VERDICT_UNROUTABLE), 1);
    CHECK_EQUAL(chain.client->datagrams_sent, 0);
    CHECK_EQUAL(chain.client->inbox_count, 1);
    chain_wipe(&chain);
}

static void every_length_survives_padding(void)
{
    struct chain chain;
    const struct chain_shape shape = {.depth = 3, .families = 2, .link_mtu_bytes = 1500};
    chain_init(&chain, &shape);
    uint32_t mtu = engine_mtu(chain.client->engine, 2);
    struct sample sample = chain_to_world(false, 28, 0);
    round_trip(&chain, &sample);
    for (size_t len = 28; len <= mtu; len += len < 80 || len > mtu - 40 ? 1 : 97) {
        sample.len_bytes = len;
        sample.serial = (uint32_t)len;
        sim_send(chain.client, &sample);
        sim_run(chain.sim, SIM_S / 10);
        chain_expect(chain.exit, &sample, "10.102.0.2", sample.destination);
    }
    CHECK(chain.client->datagram_most_bytes <= 1500);
    check_undisturbed(&chain);
    chain_wipe(&chain);
}

/* TCP, ICMP and ICMPv6 through two hops: their checksums cover the translated address (TRAPS 4). */
static void every_protocol_passes_two_hops(void)
{
    static const uint8_t protocols[] = {IP_PROTOCOL_TCP, IP_PROTOCOL_UDP, IP_PROTOCOL_ICMP};
    struct chain chain;
    const struct chain_shape shape = {.depth = 2, .link_mtu_bytes = 1500};
    chain_init(&chain, &shape);
    for (unsigned i = 0; i < 6; i++) {
        struct sample sample = chain_to_world(i % 2, 333, i);
        sample.protocol = protocols[i / 2];
        sample.tcp_flags = 0x10;
        round_trip(&chain, &sample);
    }
    check_undisturbed(&chain);
    chain_wipe(&chain);
}

static uint32_t take_all_in_order(struct sim_host *host, uint32_t first)
{
    for (struct sim_packet *packet; (packet = sim_take(host)); first++) {
        CHECK_EQUAL(sample_serial(packet->bytes, packet->len_bytes), first);
        free(packet);
    }
    return first;
}

/* A whole turn's batch, larger than one receive block, stays in order at every hop. */
static void order_is_kept_through_three_hops(void)
{
    struct chain chain;
    const struct chain_shape shape = {.depth = 3, .link_mtu_bytes = 1500};
    chain_init(&chain, &shape);
    static uint8_t bytes[SAMPLE_MOST_BYTES];
    struct sample sample = chain_to_world(false, 0, 0);
    sample.protocol = IP_PROTOCOL_ICMP; /* is not merged */
    sim_send(chain.client, &sample);
    sim_run(chain.sim, 3 * SIM_S);
    sim_forget_inbox(chain.exit);
    for (uint32_t serial = 0; serial < 500; serial++) {
        sample.serial = serial;
        sample.len_bytes = 32 + tap_random_below(1200);
        sim_write(chain.client, bytes, sample_write(&sample, bytes), NULL);
        if (serial % 100 == 99)
            sim_run(chain.sim, SIM_S / 10);
    }
    sim_flush(chain.client);
    sim_run(chain.sim, SIM_S);
    CHECK_EQUAL(take_all_in_order(chain.exit, 0), 500);
    check_undisturbed(&chain);
    chain_wipe(&chain);
}

/* What waited at the exit's peer while nobody answered, of which each is longer: none is coalesced.
 * The exit's initiation waited at the entry's, where it may meet the next one. */
static void what_waited_through_an_outage_arrives_when_both_hops_come_back(void)
{
    for (unsigned round = 0; round < 60; round++) {
        struct chain chain;
        const struct chain_shape shape = {.depth = 2, .link_mtu_bytes = 1500};
        chain_init(&chain, &shape);
        chain.sim->link.lose_permille = 1000;
        for (uint32_t serial = 0; serial < 20; serial++) {
            const struct sample sample = chain_to_world(false, 200 + serial, serial);
            sim_send(chain.client, &sample);
        }
        sim_run(chain.sim, (1 + tap_random_below(15)) * SIM_S);
        chain.sim->link.lose_permille = 0;
        sim_run(chain.sim, 20 * SIM_S);
        CHECK_EQUAL(chain.exit->inbox_count, 20);
        sim_forget_inbox(chain.exit);
        chain_wipe(&chain);
    }
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, nothing_emitted_exceeds_its_carrier_at_depth_1_to_8);
    TAP_RUN(argc, argv, depth_1_to_4_in_every_combination_of_families);
    TAP_RUN(argc, argv, depth_5_to_8_in_combinations_of_families);
    TAP_RUN(argc, argv, depth_1_to_8_on_an_ordinary_link);
    TAP_RUN(argc, argv, e4_no_datagrams_over_ipv6_on_a_narrow_path);
    TAP_RUN(argc, argv, every_length_survives_padding);
    TAP_RUN(argc, argv, every_protocol_passes_two_hops);
    TAP_RUN(argc, argv, order_is_kept_through_three_hops);
    TAP_RUN(argc, argv, what_waited_through_an_outage_arrives_when_both_hops_come_back);
    return tap_done();
}
