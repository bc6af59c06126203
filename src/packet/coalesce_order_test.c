/* SPDX-License-Identifier: MIT */
#include "packet/coalesce.h"

#include "base/bytes.h"
#include "packet/split.h"
#include "rigs/coalescer.h"

/* Cuts the super-packet and adds all its segments. */
static void coalescer_split(struct coalescer *coalescer, const struct vnet_header *vnet,
                            const uint8_t *super, uint32_t len)
{
    struct ip_view view;
    struct split split;
    CHECK_EQUAL(ip_parse_quoted(super, len, &view), VERDICT_OK);
    if (!CHECK_EQUAL(split_init(&split, vnet, super, len, &view), VERDICT_OK))
        return;
    while (!split_is_finished(&split)) {
        struct packet *packet = pool_take_packet(coalescer->pool);
        split_next(&split, packet);
        if (CHECK_EQUAL(ip_parse(packet->data, packet->len_bytes, &view), VERDICT_OK))
            coalesce_add(&coalescer->coalesce, packet, &view, &coalescer->sink);
        else
            pool_give_packet(coalescer->pool, packet);
    }
}

static void test_split_then_coalesce_is_the_identity(void)
{
    static uint8_t super[SAMPLE_MOST_BYTES], segment[SAMPLE_MOST_BYTES];
    for (unsigned i = 0; i < 300; i++) {
        uint16_t gso_size = (uint16_t)(1 + tap_random_below(1500));
        struct sample sample = {
            .is_ipv6 = tap_random_below(2),
            .protocol = tap_random_below(3) ? 0 : IP_PROTOCOL_UDP,
            .may_fragment = tap_random_below(2),
            .tos = (uint8_t)tap_random(),
            .ttl = (uint8_t)tap_random(),
            .tcp_flags = tap_random_below(2) ? 0x18 : 0x10,
            .id = (uint16_t)tap_random(),
            .window = (uint16_t)tap_random(),
            .source_port = (uint16_t)tap_random(),
            .sequence = (uint32_t)tap_random(),
            .acknowledgment = (uint32_t)tap_random(),
            .tcp_options = (uint16_t)(4 * tap_random_below(11)),
        };
        uint32_t most = gso_size * 64u;
        if (most > 65535 - sample_header_bytes(&sample))
            most = 65535 - sample_header_bytes(&sample);
        if (most <= gso_size)
            continue;
        sample.payload_bytes = (uint32_t)(gso_size + 1 + tap_random_below(most - gso_size));
        uint32_t len = sample_write_random(&sample, super);
        struct vnet_header vnet = sample_to_super(super, len, gso_size);
        struct coalescer coalescer;
        coalescer_start(&coalescer);
        uint32_t segments = (sample.payload_bytes + gso_size - 1) / gso_size;
        bool is_naive = tap_random_below(2); /* both cut alike: else one of the two would not fit */
        for (uint32_t j = 0; is_naive && j < segments; j++)
            coalescer_add(&coalescer, segment,
                          sample_segment(&sample, super, gso_size, j, segment));
        if (!is_naive)
            coalescer_split(&coalescer, &vnet, super, len);
        coalesce_flush(&coalescer.coalesce, &coalescer.sink);
        vnet.hdr_len = (uint16_t)sample_header_bytes(&sample);
        if (CHECK_EQUAL(coalescer.count, 1) && CHECK_EQUAL(coalescer.outcomes[0].len, len)) {
            CHECK_BYTES(coalescer.outcomes[0].bytes, super, len);
            CHECK_BYTES(&coalescer.outcomes[0].vnet, &vnet, sizeof(vnet));
        }
        coalescer_stop(&coalescer);
    }
}

static void test_push_and_a_shorter_segment_end_a_run(void)
{
    struct coalescer coalescer;
    struct sample sample = coalescer_plain;
    coalescer_start(&coalescer);
    for (unsigned i = 0; i < 9; i++) {
        sample.tcp_flags = i == 2 ? 0x18 : 0x10;
        sample.payload_bytes = i == 5 ? 40 : 100;
        coalescer_add_sample(&coalescer, &sample);
        sample = coalescer_following(&sample);
        if (i == 2)
            CHECK_EQUAL(coalescer.outcomes[0].bytes[33], 0x18);
    }
    CHECK_EQUAL(coalescer.count, 2);
    coalesce_flush(&coalescer.coalesce, &coalescer.sink);
    coalescer_check_frames(&coalescer, "3 3 3");
    coalescer_stop(&coalescer);
}

static void test_a_run_has_64_segments_at_most(void)
{
    struct coalescer coalescer;
    for (unsigned is_udp = 0; is_udp < 2; is_udp++) {
        struct sample sample = coalescer_plain;
        sample.protocol = is_udp ? IP_PROTOCOL_UDP : 0;
        coalescer_start(&coalescer);
        for (unsigned i = 0; i < 130; i++) {
            coalescer_add_sample(&coalescer, &sample);
            sample = coalescer_following(&sample);
        }
        coalesce_flush(&coalescer.coalesce, &coalescer.sink);
        coalescer_check_frames(&coalescer, "64 64 2");
        coalescer_stop(&coalescer);
    }
}

static void test_a_run_has_65535_bytes_at_most(void)
{
    static uint8_t bytes[SAMPLE_MOST_BYTES];
    static const struct {
        uint32_t payload;
        const char *frames;
    } cases[] = {{1448, "45 5"},
                 {9000, "7 3"},
                 {32747, "2 2 2 2 2"},
                 {32748, "1 1 1 1 1 1 1 1 1 1"},
                 {65495, "1 1 1 1 1 1 1 1 1 1"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct coalescer coalescer;
        struct sample sample = coalescer_plain;
        sample.payload_bytes = cases[i].payload;
        coalescer_start_with(&coalescer, 50, 65535);
        for (unsigned j = 0; j < (i ? 10 : 50); j++) {
            coalescer_add(&coalescer, bytes, sample_write_random(&sample, bytes));
            sample = coalescer_following(&sample);
        }
        coalesce_flush(&coalescer.coalesce, &coalescer.sink);
        coalescer_check_frames(&coalescer, cases[i].frames);
        coalescer_stop(&coalescer);
    }
}

static void test_rule_h4_held_over_4_receives_at_most(void)
{
    struct coalescer coalescer;
    coalescer_start(&coalescer);
    struct sample sample = coalescer_plain;
    for (unsigned i = 1; i <= 8; i++) {
        coalescer_add_sample(&coalescer, &sample);
        sample = coalescer_following(&sample);
        coalesce_end_receive(&coalescer.coalesce, &coalescer.sink);
        CHECK_EQUAL(coalescer.count, i / 4);
        CHECK(coalesce_is_holding(&coalescer.coalesce) == (i % 4 != 0));
    }
    coalescer_check_frames(&coalescer, "4 4");
    coalescer_add_sample(&coalescer, &sample);
    coalesce_flush(&coalescer.coalesce, &coalescer.sink); /* an empty poll */
    coalescer_check_frames(&coalescer, "1");
    coalescer_stop(&coalescer);
}

static void test_more_flows_than_runs_evict_the_oldest(void)
{
    struct coalescer coalescer;
    coalescer_start(&coalescer);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned flow = 0; flow < COALESCE_FLOWS; flow++) {
            struct sample sample = coalescer_plain;
            sample.source_port = (uint16_t)flow;
            if (round)
                sample = coalescer_following(&sample);
            coalescer_add_sample(&coalescer, &sample);
        }
    }
    CHECK_EQUAL(coalescer.count, 0);
    struct sample other = coalescer_plain;
    other.is_ipv6 = true;
    coalescer_add_sample(&coalescer, &other);
    CHECK_EQUAL(coalescer.count, 1);
    CHECK_EQUAL(load_be16(coalescer.outcomes[0].bytes + 20), 0);
    coalesce_flush(&coalescer.coalesce, &coalescer.sink);
    CHECK_EQUAL(load_be16(coalescer.outcomes[15].bytes + 20), 15);
    coalescer_check_frames(&coalescer, "2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 1");
    coalescer_stop(&coalescer);
}

/* A stream with every kind of disturbance: each flow's packets come out in their order, all of
 * them, and what was merged is, cut again by the splitter, exactly what went in. */
static void test_rule_h4_order_and_bytes_survive_any_mix(void)
{
    static uint8_t sent[200][200];
    static uint32_t sent_len[200];
    for (unsigned round = 0; round < 60; round++) {
        struct coalescer coalescer;
        struct sample flows[3];
        unsigned queues[3][200], counts[3] = {0}, given[3] = {0};
        coalescer_start(&coalescer);
        for (unsigned i = 0; i < 3; i++) {
            flows[i] = coalescer_plain;
            flows[i].source_port = (uint16_t)(i + 1);
            flows[i].is_ipv6 = i == 1;
            flows[i].protocol = i == 2 ? IP_PROTOCOL_UDP : 0;
            flows[i].may_fragment = true;
        }
        for (unsigned i = 0; i < 200; i++) {
            unsigned flow = (unsigned)tap_random_below(3);
            struct sample *sample = &flows[flow];
            unsigned chance = (unsigned)tap_random_below(30);
            sample->payload_bytes = chance == 0 ? 50 : chance == 1 ? 110 : 100;
            sample->tcp_flags = chance == 2 ? 0x18 : chance == 3 ? 0x11 : 0x10;
            sample->sequence += chance == 4;
            sample->ip_options = chance == 5 ? 4 : 0;
            sent_len[i] = sample_write_random(sample, sent[i]);
            *sample = coalescer_following(sample);
            queues[flow][counts[flow]++] = i;
            coalescer_add(&coalescer, sent[i], sent_len[i]);
            if (tap_random_below(8) == 0)
                coalesce_end_receive(&coalescer.coalesce, &coalescer.sink);
        }
        coalesce_flush(&coalescer.coalesce, &coalescer.sink);
        for (size_t i = 0; i < coalescer.count; i++) {
            const struct outcome *outcome = &coalescer.outcomes[i];
            struct ip_view view;
            struct split split;
            CHECK_EQUAL(ip_parse(outcome->bytes, outcome->len, &view), VERDICT_OK);
            CHECK_EQUAL(split_init(&split, &outcome->vnet, outcome->bytes, outcome->len, &view),
                        VERDICT_OK);
            unsigned flow = load_be16(outcome->bytes + view.transport_offset) - 1;
            while (!split_is_finished(&split)) {
                uint8_t bytes[400];
                struct packet packet = {.data = bytes, .floor = bytes, .ceiling = bytes + 400};
                split_next(&split, &packet);
                unsigned at = queues[flow][given[flow]++];
                if (CHECK_EQUAL(packet.len_bytes, sent_len[at]))
                    CHECK_BYTES(packet.data, sent[at], sent_len[at]);
            }
        }
        for (unsigned i = 0; i < 3; i++)
            CHECK_EQUAL(given[i], counts[i]);
        coalescer_stop(&coalescer);
    }
}

/* Anything that ip_parse lets through comes out once, whole. */
static void test_hostile_packets_pass_unharmed(void)
{
    struct coalescer coalescer;
    coalescer_start(&coalescer);
    uint64_t in = 0, out = 0;
    for (unsigned i = 0; i < 20000; i++) {
        uint8_t bytes[200];
        struct sample sample = coalescer_plain;
        sample.is_ipv6 = i & 1;
        sample.protocol = i & 2 ? IP_PROTOCOL_UDP : 0;
        sample.payload_bytes = (uint32_t)tap_random_below(60);
        uint32_t len = sample_write_random(&sample, bytes), header = sample_header_bytes(&sample);
        for (unsigned flips = (unsigned)tap_random_below(3); flips > 0; flips--)
            bytes[tap_random_below(header)] = (uint8_t)tap_random();
        if (i % 3 == 0) /* cut off, the IP length with it */
            store_be16(bytes + (sample.is_ipv6 ? 4 : 2),
                       (uint32_t)tap_random_below(sample.is_ipv6 ? 20 : 60));
        struct ip_view view;
        if (ip_parse(bytes, len, &view) != VERDICT_OK)
            continue;
        in++;
        struct packet *packet = pool_take_packet(coalescer.pool);
        memcpy(packet_put(packet, len), bytes, len);
        coalesce_add(&coalescer.coalesce, packet, &view, &coalescer.sink);
        if (coalescer.count > FRAMES_MOST / 2) {
            for (size_t j = 0; j < coalescer.count; j++)
                out += coalescer.outcomes[j].packets;
            coalescer_forget(&coalescer);
        }
    }
    coalesce_flush(&coalescer.coalesce, &coalescer.sink);
    for (size_t j = 0; j < coalescer.count; j++)
        out += coalescer.outcomes[j].packets;
    CHECK(in > 5000);
    CHECK_EQUAL(out, in);
    coalescer_stop(&coalescer);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_split_then_coalesce_is_the_identity);
    TAP_RUN(argc, argv, test_push_and_a_shorter_segment_end_a_run);
    TAP_RUN(argc, argv, test_a_run_has_64_segments_at_most);
    TAP_RUN(argc, argv, test_a_run_has_65535_bytes_at_most);
    TAP_RUN(argc, argv, test_rule_h4_held_over_4_receives_at_most);
    TAP_RUN(argc, argv, test_more_flows_than_runs_evict_the_oldest);
    TAP_RUN(argc, argv, test_rule_h4_order_and_bytes_survive_any_mix);
    TAP_RUN(argc, argv, test_hostile_packets_pass_unharmed);
    return tap_done();
}
