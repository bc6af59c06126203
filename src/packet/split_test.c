/* SPDX-License-Identifier: MIT */
#include "packet/split.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "rigs/sample.h"
#include "tap.h"

/* A super-packet in exactly as many bytes as it has, so that a read past its end is seen. */
struct super {
    struct sample sample;
    struct vnet_header vnet;
    struct ip_view view;
    uint8_t *bytes;
    uint32_t len;
};

static void make_super(struct super *super, const struct sample *sample, uint16_t gso_size)
{
    super->sample = *sample;
    super->len = sample_header_bytes(sample) + sample->payload_bytes;
    super->bytes = malloc(super->len);
    sample_write_random(sample, super->bytes);
    super->vnet = sample_to_super(super->bytes, super->len, gso_size);
    super->vnet.hdr_len = (uint16_t)tap_random(); /* never trusted */
    CHECK_EQUAL(ip_parse_quoted(super->bytes, super->len, &super->view), VERDICT_OK);
}

static enum verdict init(struct split *split, const struct super *super)
{
    return split_init(split, &super->vnet, super->bytes, super->len, &super->view);
}

/* Takes the next segment into an exactly allocated packet; the caller frees its floor. */
static struct packet next_segment(struct split *split)
{
    uint32_t room = split_packet_bytes(split);
    uint8_t *bytes = malloc(room ? room : 1);
    struct packet packet = {.data = bytes, .floor = bytes, .ceiling = bytes + room};
    split_next(split, &packet);
    return packet;
}

/* Splits and compares each segment with the naive one, byte for byte. */
static void check_against_naive(const struct super *super)
{
    struct split split;
    const struct sample *sample = &super->sample;
    uint32_t gso_size = super->vnet.gso_size;
    if (!CHECK_EQUAL(init(&split, super), VERDICT_OK))
        return;
    uint32_t segments = (sample->payload_bytes + gso_size - 1) / gso_size;
    segments += segments == 0;
    uint8_t *expected = malloc(SAMPLE_MOST_BYTES);
    for (uint32_t i = 0; i < segments; i++) {
        CHECK(!split_is_finished(&split));
        CHECK_EQUAL(split_packets_left(&split), segments - i);
        struct packet packet = next_segment(&split);
        uint32_t len = sample_segment(sample, super->bytes, gso_size, i, expected);
        if (CHECK_EQUAL(packet.len_bytes, len))
            CHECK_BYTES(packet.data, expected, len);
        CHECK(packet.len_bytes <= split_packet_bytes(&split));
        free(packet.floor);
    }
    CHECK(split_is_finished(&split));
    CHECK_EQUAL(split_packets_left(&split), 0);
    free(expected);
}

static void test_segments_equal_a_naive_segmenter(void)
{
    for (unsigned i = 0; i < 400; i++) {
        struct sample sample = {
            .is_ipv6 = tap_random_below(2),
            .protocol = tap_random_below(3) ? 0 : IP_PROTOCOL_UDP,
            .may_fragment = tap_random_below(2),
            .tos = (uint8_t)tap_random(),
            .ttl = (uint8_t)tap_random(),
            .tcp_flags = (uint8_t)tap_random(),
            .id = (uint16_t)tap_random(),
            .window = (uint16_t)tap_random(),
            .source_port = (uint16_t)tap_random(),
            .sequence = (uint32_t)tap_random(),
            .acknowledgment = (uint32_t)tap_random(),
            .ip_options = (uint16_t)(4 * tap_random_below(11)),
            .tcp_options = (uint16_t)(4 * tap_random_below(11)),
            .payload_bytes = (uint32_t)tap_random_below(i % 8 ? 5000 : 65400),
        };
        struct super super;
        make_super(&super, &sample, (uint16_t)(1 + tap_random_below(i % 8 ? 1500 : 65535)));
        if (sample.protocol != IP_PROTOCOL_UDP && i % 2)
            super.vnet.gso_type |= VNET_GSO_ECN;
        check_against_naive(&super);
        free(super.bytes);
    }
}

static void test_flags_stay_where_they_belong(void)
{
    struct sample sample = {
        .tcp_flags = 0x99, .id = 0xffff, .sequence = 0xfffffff0, .payload_bytes = 3000};
    struct super super;
    struct split split;
    make_super(&super, &sample, 1000);
    CHECK_EQUAL(init(&split, &super), VERDICT_OK);
    CHECK_EQUAL(split_packet_bytes(&split), 1040);
    static const uint8_t flags[] = {0x90, 0x10, 0x19};
    for (uint32_t i = 0; i < 3; i++) {
        struct packet packet = next_segment(&split);
        CHECK_EQUAL(packet.data[20 + 13], flags[i]);
        CHECK_EQUAL(load_be16(packet.data + 4), (0xffff + i) & 0xffff);
        CHECK_EQUAL(load_be32(packet.data + 24), 0xfffffff0 + i * 1000);
        free(packet.floor);
    }
    free(super.bytes);
}

static void test_segment_sizes_at_the_edges(void)
{
    static const struct {
        uint32_t payload;
        uint16_t gso_size;
    } cases[] = {{0, 1},       {1, 1},      {1, 65535},     {1000, 1000},
                 {1001, 1000}, {999, 1000}, {65480, 65535}, {2840, 1420}};
    for (size_t i = 0; i < 4 * sizeof(cases) / sizeof(*cases); i++) {
        struct sample sample = {.protocol = i & 1 ? IP_PROTOCOL_UDP : 0,
                                .is_ipv6 = i & 2,
                                .payload_bytes = cases[i / 4].payload};
        struct super super;
        make_super(&super, &sample, cases[i / 4].gso_size);
        check_against_naive(&super);
        free(super.bytes);
    }
}

static void test_65000_segments_of_one_byte(void)
{
    struct super super;
    struct split split;
    make_super(&super, &(struct sample){.payload_bytes = 65000, .tcp_flags = 0x18}, 1);
    CHECK_EQUAL(init(&split, &super), VERDICT_OK);
    uint32_t segments = 0;
    for (uint8_t bytes[41]; !split_is_finished(&split); segments++) {
        struct packet packet = {.data = bytes, .floor = bytes, .ceiling = bytes + sizeof(bytes)};
        split_next(&split, &packet);
        CHECK_EQUAL(packet.len_bytes, 41);
        CHECK_EQUAL(sample_sum(sample_pseudo(bytes, 6, 21), bytes + 20, 21), 0xffff);
    }
    CHECK_EQUAL(segments, 65000);
    free(super.bytes);
}

/* As the kernel does, a sum of 0 is written as 0xffff in TCP too, where both mean the same. */
static void test_rule_b5_single_packets_are_completed(void)
{
    for (unsigned i = 0; i < 200; i++) {
        struct sample sample = {.is_ipv6 = i & 1,
                                .protocol = i & 2 ? IP_PROTOCOL_UDP : 0,
                                .tcp_options = 12,
                                .payload_bytes = (uint32_t)tap_random_below(1500)};
        struct super super;
        struct split split;
        sample.payload_bytes &= ~1u;
        sample.payload_bytes += i % 5 ? tap_random_below(2) : 2;
        make_super(&super, &sample, 0);
        if (i % 5 == 0) { /* payload that makes the sum 0 */
            memset(super.bytes + super.len - 2, 0, 2);
            memcpy(super.bytes + super.len - 2, sample_seal(super.bytes, super.len), 2);
            sample_to_super(super.bytes, super.len, 0);
        }
        super.vnet.gso_type = VNET_GSO_NONE;
        CHECK_EQUAL(init(&split, &super), VERDICT_OK);
        CHECK_EQUAL(split_packet_bytes(&split), super.len);
        CHECK(!split_is_finished(&split));
        struct packet packet = next_segment(&split);
        CHECK(split_is_finished(&split));
        uint8_t *checksum = sample_seal(super.bytes, super.len);
        if (load_be16(checksum) == 0)
            store_be16(checksum, 0xffff);
        CHECK(i % 5 || load_be16(checksum) == 0xffff);
        CHECK_EQUAL(packet.len_bytes, super.len);
        CHECK_BYTES(packet.data, super.bytes, super.len);
        free(packet.floor);
        free(super.bytes);
    }
}

/* VXLAN: the outer UDP's checksum is final, the partial one is the inner TCP's, at byte 70. */
static void test_rule_b5_the_sum_goes_where_the_kernel_says(void)
{
    struct sample inner = {.payload_bytes = 333, .tcp_flags = 0x18};
    struct sample outer = {.protocol = IP_PROTOCOL_UDP, .payload_bytes = 8 + 14 + 40 + 333};
    struct super super;
    struct split split;
    make_super(&super, &outer, 0);
    uint8_t *inner_at = super.bytes + 28 + 8 + 14;
    uint32_t inner_len = sample_write_random(&inner, inner_at);
    sample_seal(super.bytes, super.len);
    uint8_t *expected = malloc(super.len);
    memcpy(expected, super.bytes, super.len);
    sample_to_super(inner_at, inner_len, 0);
    super.vnet =
        (struct vnet_header){.flags = VNET_NEEDS_CSUM, .csum_start = 70, .csum_offset = 16};
    CHECK_EQUAL(init(&split, &super), VERDICT_OK);
    struct packet packet = next_segment(&split);
    CHECK_BYTES(packet.data, expected, super.len);
    free(packet.floor);
    /* The same, segmented, is nothing that can be cut here. */
    super.vnet.gso_type = VNET_GSO_UDP_L4;
    super.vnet.gso_size = 100;
    CHECK_EQUAL(init(&split, &super), VERDICT_NAT_UNSUPPORTED);
    free(expected);
    free(super.bytes);
}

static void test_a_packet_without_flags_is_copied(void)
{
    struct super super;
    struct split split;
    make_super(&super, &(struct sample){.payload_bytes = 77}, 0);
    super.vnet = (struct vnet_header){.flags = VNET_DATA_VALID, .csum_start = 9, .csum_offset = 9};
    CHECK_EQUAL(init(&split, &super), VERDICT_OK);
    struct packet packet = next_segment(&split);
    CHECK_EQUAL(packet.len_bytes, super.len);
    CHECK_BYTES(packet.data, super.bytes, super.len);
    free(packet.floor);
    /* What stands behind the IP length is no part of the packet; what is missing makes none. */
    store_be16(super.bytes + 2, super.len - 7);
    CHECK_EQUAL(init(&split, &super), VERDICT_OK);
    CHECK_EQUAL(split_packet_bytes(&split), super.len - 7);
    store_be16(super.bytes + 2, super.len + 1);
    CHECK_EQUAL(init(&split, &super), VERDICT_MALFORMED);
    store_be16(super.bytes + 2, 0);
    CHECK_EQUAL(init(&split, &super), VERDICT_MALFORMED);
    free(super.bytes);
}

static void test_rule_b5_a_sum_outside_the_packet_is_malformed(void)
{
    struct super super;
    struct split split = {.len_bytes = 4711};
    make_super(&super, &(struct sample){.payload_bytes = 60}, 0); /* 100 bytes */
    static const struct {
        uint16_t start, offset;
        bool is_good;
    } cases[] = {{20, 16, true},        {20, 78, true}, {20, 79, false},
                 {98, 0, true},         {99, 0, false}, {100, 0, false},
                 {65535, 65535, false}, {0, 16, false}, {19, 1, false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        super.vnet = (struct vnet_header){
            .flags = VNET_NEEDS_CSUM, .csum_start = cases[i].start, .csum_offset = cases[i].offset};
        enum verdict verdict = init(&split, &super);
        CHECK_EQUAL(verdict, cases[i].is_good ? VERDICT_OK : VERDICT_MALFORMED);
    }
    free(super.bytes);
    CHECK_EQUAL(split.len_bytes, 100); /* of the last good one */
}

static void test_a_segmented_packet_that_is_none_is_refused(void)
{
    struct super super;
    struct split split;
    make_super(&super, &(struct sample){.payload_bytes = 3000}, 1000);
    const struct vnet_header good = super.vnet;
    const struct ip_view good_view = super.view;
    CHECK_EQUAL(init(&split, &super), VERDICT_OK);
    static const uint8_t types[] = {VNET_GSO_UDP,
                                    VNET_GSO_TCPV6,
                                    VNET_GSO_UDP_L4,
                                    VNET_GSO_ECN,
                                    2,
                                    6,
                                    127,
                                    VNET_GSO_UDP | VNET_GSO_ECN};
    for (size_t i = 0; i < sizeof(types); i++) {
        super.vnet.gso_type = types[i];
        CHECK_EQUAL(init(&split, &super), VERDICT_MALFORMED);
    }
    super.vnet = good;
    super.vnet.gso_size = 0;
    CHECK_EQUAL(init(&split, &super), VERDICT_MALFORMED);
    super.vnet = good;
    super.vnet.csum_start++;
    CHECK_EQUAL(init(&split, &super), VERDICT_NAT_UNSUPPORTED);
    super.vnet = good;
    super.vnet.csum_offset = 6;
    CHECK_EQUAL(init(&split, &super), VERDICT_NAT_UNSUPPORTED);
    super.vnet = good;
    super.vnet.flags = VNET_DATA_VALID;
    CHECK_EQUAL(init(&split, &super), VERDICT_NAT_UNSUPPORTED);
    super.vnet = good;
    super.view.is_fragment = true;
    CHECK_EQUAL(init(&split, &super), VERDICT_MALFORMED);
    super.view = good_view;
    super.view.has_routing_segments = true;
    CHECK_EQUAL(init(&split, &super), VERDICT_NAT_UNSUPPORTED);
    super.view = good_view;
    for (unsigned offset = 0; offset < 5; offset++) {
        super.bytes[32] = (uint8_t)(offset << 4);
        CHECK_EQUAL(init(&split, &super), VERDICT_MALFORMED);
    }
    free(super.bytes);
}

static void test_cut_off_transport_headers_are_malformed(void)
{
    for (unsigned is_udp = 0; is_udp < 2; is_udp++) {
        struct super super;
        struct split split;
        make_super(&super,
                   &(struct sample){.protocol = is_udp ? IP_PROTOCOL_UDP : 0, .tcp_options = 20},
                   100);
        uint32_t whole = super.len;
        for (super.len = 20; super.len < whole; super.len++) {
            uint8_t *copy = malloc(super.len);
            memcpy(copy, super.bytes, super.len);
            CHECK_EQUAL(ip_parse_quoted(copy, super.len, &super.view), VERDICT_OK);
            CHECK_EQUAL(split_init(&split, &super.vnet, copy, super.len, &super.view),
                        VERDICT_MALFORMED);
            free(copy);
        }
        free(super.bytes);
    }
}

/* A segment that would be no IP packet: more than 65535 bytes. */
static void test_segments_fit_an_ip_length(void)
{
    struct sample sample = {.payload_bytes = 65536};
    for (unsigned i = 0; i < 4; i++) {
        uint8_t *bytes = calloc(1, 70000);
        sample.is_ipv6 = i & 1;
        sample.protocol = i & 2 ? IP_PROTOCOL_UDP : 0;
        uint32_t header = sample_header_bytes(&sample), len = sample_write_random(&sample, bytes);
        uint32_t most = 65535 - header + (sample.is_ipv6 ? 40 : 0);
        struct vnet_header vnet = sample_to_super(bytes, len, 65535);
        struct ip_view view;
        struct split split;
        CHECK_EQUAL(ip_parse_quoted(bytes, len, &view), VERDICT_OK);
        vnet.gso_size = (uint16_t)most;
        CHECK_EQUAL(split_init(&split, &vnet, bytes, len, &view), VERDICT_OK);
        vnet.gso_size = (uint16_t)(most + 1);
        CHECK_EQUAL(split_init(&split, &vnet, bytes, len, &view), VERDICT_MALFORMED);
        free(bytes);
    }
}

static void test_a_stopped_split_goes_on(void)
{
    struct super super;
    struct split split;
    make_super(&super, &(struct sample){.payload_bytes = 10000}, 1000);
    CHECK_EQUAL(init(&split, &super), VERDICT_OK);
    for (unsigned i = 0; i < 10; i++) {
        struct split stored = split; /* the caller may keep it anywhere */
        CHECK(!split_is_finished(&stored));
        struct packet packet = next_segment(&stored);
        CHECK_EQUAL(load_be32(packet.data + 24), i * 1000);
        free(packet.floor);
        split = stored;
    }
    CHECK(split_is_finished(&split));
    free(super.bytes);
}

/* Hostile headers in front of hostile packets: whatever is accepted stays in bounds (ASan) and
 * comes to an end, and every segment is a whole packet. */
static void test_hostile_headers_never_over_read(void)
{
    unsigned accepted = 0;
    for (unsigned i = 0; i < 30000; i++) {
        struct sample sample = {.is_ipv6 = i & 1,
                                .protocol = i & 2 ? IP_PROTOCOL_UDP : 0,
                                .payload_bytes = (uint32_t)tap_random_below(300),
                                .ip_options = (uint16_t)(i & 4),
                                .tcp_options = (uint16_t)(i & 8)};
        struct super super;
        make_super(&super, &sample, (uint16_t)(1 + tap_random_below(100)));
        if (i % 3)
            ((uint8_t *)&super.vnet)[tap_random_below(VNET_HEADER_BYTES)] = (uint8_t)tap_random();
        if (i % 5 == 0)
            tap_random_bytes(&super.vnet, VNET_HEADER_BYTES);
        if (i % 4 == 0)
            super.bytes[tap_random_below(super.len)] = (uint8_t)tap_random();
        struct split split;
        if (ip_parse_quoted(super.bytes, super.len, &super.view) == VERDICT_OK &&
            init(&split, &super) == VERDICT_OK) {
            accepted++;
            for (unsigned segments = 0; !split_is_finished(&split); segments++) {
                struct packet packet = next_segment(&split);
                struct ip_view view;
                CHECK(segments < 400);
                CHECK_EQUAL(ip_parse(packet.data, packet.len_bytes, &view), VERDICT_OK);
                CHECK_EQUAL(view.len_bytes, packet.len_bytes);
                free(packet.floor);
            }
        }
        free(super.bytes);
    }
    CHECK(accepted > 1000);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_segments_equal_a_naive_segmenter);
    TAP_RUN(argc, argv, test_flags_stay_where_they_belong);
    TAP_RUN(argc, argv, test_segment_sizes_at_the_edges);
    TAP_RUN(argc, argv, test_65000_segments_of_one_byte);
    TAP_RUN(argc, argv, test_rule_b5_single_packets_are_completed);
    TAP_RUN(argc, argv, test_rule_b5_the_sum_goes_where_the_kernel_says);
    TAP_RUN(argc, argv, test_a_packet_without_flags_is_copied);
    TAP_RUN(argc, argv, test_rule_b5_a_sum_outside_the_packet_is_malformed);
    TAP_RUN(argc, argv, test_a_segmented_packet_that_is_none_is_refused);
    TAP_RUN(argc, argv, test_cut_off_transport_headers_are_malformed);
    TAP_RUN(argc, argv, test_segments_fit_an_ip_length);
    TAP_RUN(argc, argv, test_a_stopped_split_goes_on);
    TAP_RUN(argc, argv, test_hostile_headers_never_over_read);
    return tap_done();
}
