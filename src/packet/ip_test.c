/* SPDX-License-Identifier: MIT */
#include "packet/ip.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "packet/checksum.h"
#include "rigs/sample.h"
#include "tap.h"

/* Parses an exactly allocated copy, so that a read past the end is seen. */
static enum verdict parse_copy(const uint8_t *bytes, size_t len, bool is_quoted,
                               struct ip_view *view)
{
    uint8_t *copy = malloc(len ? len : 1);
    memcpy(copy, bytes, len);
    enum verdict verdict = is_quoted ? ip_parse_quoted(copy, len, view) : ip_parse(copy, len, view);
    free(copy);
    return verdict;
}

/* An IPv6 packet whose payload is given as hex, starting with `next_header`'s header. */
static size_t make_ipv6(uint8_t *out, uint8_t next_header, const char *payload)
{
    memset(out, 0, 40);
    out[0] = 0x60;
    out[6] = next_header;
    out[7] = 64;
    size_t len = tap_hex(payload, out + 40, 1000);
    store_be16(out + 4, (uint32_t)len);
    return 40 + len;
}

static void test_plain_packets_of_both_families(void)
{
    uint8_t bytes[2000];
    struct ip_view view;
    struct sample sample = {.tos = 0xb9, .ttl = 61, .payload_bytes = 100};
    size_t len = sample_write_random(&sample, bytes);
    CHECK_EQUAL(parse_copy(bytes, len, false, &view), VERDICT_OK);
    CHECK_EQUAL(view.family, FAMILY_IPV4);
    CHECK_EQUAL(view.protocol, IP_PROTOCOL_TCP);
    CHECK_EQUAL(view.tos, 0xb9);
    CHECK_EQUAL(view.ttl, 61);
    CHECK_EQUAL(view.transport_offset, 20);
    CHECK_EQUAL(view.len_bytes, 140);
    CHECK(view.has_dont_fragment && !view.has_options && !view.is_fragment);
    CHECK_EQUAL(ip_source(bytes, &view).bytes[3], 2);
    CHECK_EQUAL(ip_destination(bytes, &view).bytes[3], 1);
    sample.is_ipv6 = true;
    sample.protocol = IP_PROTOCOL_UDP;
    len = sample_write_random(&sample, bytes);
    CHECK_EQUAL(parse_copy(bytes, len + 15, false, &view), VERDICT_OK);
    CHECK_EQUAL(view.family, FAMILY_IPV6);
    CHECK_EQUAL(view.protocol, IP_PROTOCOL_UDP);
    CHECK_EQUAL(view.tos, 0xb9);
    CHECK_EQUAL(view.ttl, 61);
    CHECK_EQUAL(view.transport_offset, 40);
    CHECK_EQUAL(view.len_bytes, 148);
    CHECK(view.has_dont_fragment && !view.has_options && !view.is_fragment);
    CHECK_EQUAL(ip_source(bytes, &view).bytes[15], 2);
    CHECK_EQUAL(ip_destination(bytes, &view).bytes[15], 1);
}

static void test_what_contradicts_itself_is_malformed(void)
{
    uint8_t bytes[200], good[200];
    struct ip_view view = {.len_bytes = 77}, untouched = view;
    size_t len = sample_write_random(&(struct sample){.payload_bytes = 10}, good);
    static const struct {
        uint8_t at, value;
    } changes[] = {{0, 0x35}, {0, 0x55}, {0, 0x44}, {0, 0x40}, {3, 51}, {2, 1}, {3, 19}, {3, 0}};
    for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
        memcpy(bytes, good, len);
        bytes[changes[i].at] = changes[i].value;
        CHECK_EQUAL(parse_copy(bytes, len, false, &view), VERDICT_MALFORMED);
    }
    for (size_t cut = 0; cut < len; cut++)
        CHECK_EQUAL(parse_copy(good, cut, false, &view), VERDICT_MALFORMED);
    len = sample_write_random(&(struct sample){.is_ipv6 = true, .payload_bytes = 10}, good);
    for (size_t cut = 0; cut < len; cut++)
        CHECK_EQUAL(parse_copy(good, cut, false, &view), VERDICT_MALFORMED);
    CHECK_BYTES(&view, &untouched, sizeof(view));
}

static void test_trap_1_ipv4_options(void)
{
    uint8_t bytes[200];
    struct ip_view view;
    struct sample sample = {.ip_options = 12, .payload_bytes = 10};
    size_t len = sample_write_random(&sample, bytes);
    CHECK_EQUAL(parse_copy(bytes, len, false, &view), VERDICT_OK);
    CHECK_EQUAL(view.transport_offset, 32);
    CHECK(view.has_options && !view.has_routing_segments);
    static const struct {
        const char *options;
        bool is_good, has_route;
    } cases[] = {
        {"83 0b 04 01010101 02020202 00", true, true},   /* LSRR, nothing passed yet */
        {"01 89 07 04 01010101 01010101", true, true},   /* SSRR behind a NOP */
        {"83 07 08 01010101 00 000000 00", true, false}, /* run through */
        {"83 02 0404 010101010101 0101", false, false},  /* no room for the pointer */
        {"83 07 03 01010101 00000000 00", false, false}, /* points into itself */
        {"44 01 0101 01010101 01010101", false, false},  /* shorter than its own head */
        {"44 0d 0101 01010101 01010101", false, false},  /* beyond the header */
        {"01010101 01010101 010101 44", false, false},   /* no length byte */
        {"00 44ffff ffffffff ffffffff", true, false},    /* nothing counts behind the end */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        tap_hex(cases[i].options, bytes + 20, 12);
        enum verdict verdict = parse_copy(bytes, len, false, &view);
        CHECK_EQUAL(verdict, cases[i].is_good ? VERDICT_OK : VERDICT_MALFORMED);
        if (verdict == VERDICT_OK)
            CHECK_EQUAL(view.has_routing_segments, cases[i].has_route);
    }
}

static void test_trap_2_ipv4_fragments(void)
{
    uint8_t bytes[200];
    struct ip_view view;
    size_t len = sample_write_random(&(struct sample){.id = 0x1234, .payload_bytes = 60}, bytes);
    store_be16(bytes + 6, 0x2000);
    CHECK_EQUAL(parse_copy(bytes, len, false, &view), VERDICT_OK);
    CHECK(view.is_fragment && !view.is_later_fragment && view.has_more_fragments);
    CHECK(!view.has_dont_fragment);
    CHECK_EQUAL(view.fragment_id, 0x1234);
    store_be16(bytes + 6, 0x0005);
    CHECK_EQUAL(parse_copy(bytes, len, false, &view), VERDICT_OK);
    CHECK(view.is_fragment && view.is_later_fragment && !view.has_more_fragments);
    CHECK_EQUAL(view.fragment_offset_bytes, 40);
    CHECK_EQUAL(view.transport_offset, 20);
    store_be16(bytes + 6, 0x1fff);
    CHECK_EQUAL(parse_copy(bytes, len, false, &view), VERDICT_MALFORMED);
    CHECK_EQUAL(parse_copy(bytes, len, true, &view), VERDICT_OK);
    store_be16(bytes + 6, (65535 - 80) / 8);
    CHECK_EQUAL(parse_copy(bytes, len, false, &view), VERDICT_OK);
}

static void test_trap_3_extension_headers_are_walked(void)
{
    uint8_t bytes[2000];
    struct ip_view view;
    size_t len = make_ipv6(bytes, 0,
                           "3c00 0104 00000000"                  /* hop-by-hop */
                           "2b01 0104 00000000 0000000000000000" /* destination, 16 bytes */
                           "2c00 0000 00000000"                  /* routing, nothing left */
                           "1100 0001 12345678"                  /* fragment, first */
                           "1234 0035 0008 0000");
    CHECK_EQUAL(parse_copy(bytes, len, false, &view), VERDICT_OK);
    CHECK_EQUAL(view.protocol, IP_PROTOCOL_UDP);
    CHECK_EQUAL(view.transport_offset, 80);
    CHECK_EQUAL(view.fragment_header_offset, 72);
    CHECK_EQUAL(view.fragment_id, 0x12345678);
    CHECK(view.has_options && view.is_fragment && view.has_more_fragments);
    CHECK(!view.is_later_fragment && !view.has_routing_segments && !view.has_jumbo);
    for (size_t cut = 0; cut < 80; cut++) /* quoted, cut off in the chain */
        CHECK_EQUAL(parse_copy(bytes, cut, true, &view), VERDICT_MALFORMED);
    CHECK_EQUAL(parse_copy(bytes, 80, true, &view), VERDICT_OK);
    bytes[40 + 8 + 16 + 3] = 2;
    CHECK_EQUAL(parse_copy(bytes, len, false, &view), VERDICT_OK);
    CHECK(view.has_routing_segments);
}

static void test_trap_3_later_fragments_end_the_walk(void)
{
    uint8_t bytes[2000];
    struct ip_view view;
    size_t len = make_ipv6(bytes, 44, "3c00 0009 00000007 ffffffffffffffff");
    CHECK_EQUAL(parse_copy(bytes, len, false, &view), VERDICT_OK);
    CHECK(view.is_later_fragment && view.has_more_fragments);
    CHECK_EQUAL(view.fragment_offset_bytes, 8);
    CHECK_EQUAL(view.protocol, IP_PROTOCOL_DSTOPTS);
    CHECK_EQUAL(view.transport_offset, 48);
    CHECK(!view.has_options);
    /* An atomic fragment (RFC 6946) is whole. */
    len = make_ipv6(bytes, 44, "1100 0000 00000007 1234003500080000");
    CHECK_EQUAL(parse_copy(bytes, len, false, &view), VERDICT_OK);
    CHECK(!view.is_fragment && view.fragment_header_offset == 40);
    /* A fragment of a fragment is nothing that a host makes. */
    len = make_ipv6(bytes, 44, "2c00 0001 00000007 1100000100000007 1234003500080000");
    CHECK_EQUAL(parse_copy(bytes, len, false, &view), VERDICT_MALFORMED);
}

static void test_trap_3_ah_and_esp_end_the_walk(void)
{
    uint8_t bytes[2000];
    struct ip_view view;
    size_t len = make_ipv6(bytes, 60, "3300 0104 00000000 0604 0000 00000001 00000001 00000000");
    CHECK_EQUAL(parse_copy(bytes, len, false, &view), VERDICT_OK);
    CHECK_EQUAL(view.protocol, IP_PROTOCOL_AH);
    CHECK_EQUAL(view.transport_offset, 48);
    len = make_ipv6(bytes, 50, "00000001");
    CHECK_EQUAL(parse_copy(bytes, len, false, &view), VERDICT_OK);
    CHECK_EQUAL(view.protocol, IP_PROTOCOL_ESP);
    len = make_ipv6(bytes, 59, "");
    CHECK_EQUAL(parse_copy(bytes, len, false, &view), VERDICT_OK);
    CHECK_EQUAL(view.protocol, IP_PROTOCOL_NONE);
}

static void test_trap_3_the_walk_is_bounded(void)
{
    uint8_t bytes[2000] = {0x60};
    struct ip_view view;
    for (unsigned headers = 1; headers < 40; headers++) {
        bytes[6] = IP_PROTOCOL_DSTOPTS;
        for (unsigned i = 0; i < headers; i++) {
            memset(bytes + 40 + 8 * i, 0, 8);
            bytes[40 + 8 * i] = i + 1 < headers ? IP_PROTOCOL_DSTOPTS : IP_PROTOCOL_UDP;
        }
        store_be16(bytes + 4, headers * 8 + 8);
        enum verdict verdict = parse_copy(bytes, 40 + headers * 8 + 8, false, &view);
        CHECK_EQUAL(verdict, headers <= 16 ? VERDICT_OK : VERDICT_MALFORMED);
    }
}

static void test_trap_3_hop_by_hop_and_jumbograms(void)
{
    uint8_t bytes[2000];
    struct ip_view view;
    /* Hop-by-hop stands first or nowhere; its options end where it does. */
    size_t len = make_ipv6(bytes, 60, "0000 0104 00000000 1100 0104 00000000 1234003500080000");
    CHECK_EQUAL(parse_copy(bytes, len, false, &view), VERDICT_MALFORMED);
    len = make_ipv6(bytes, 0, "1100 0105 00000000 1234003500080000");
    CHECK_EQUAL(parse_copy(bytes, len, false, &view), VERDICT_MALFORMED);
    len = make_ipv6(bytes, 0, "1100 0000 00000001 1234003500080000");
    CHECK_EQUAL(parse_copy(bytes, len, false, &view), VERDICT_MALFORMED);
    len = make_ipv6(bytes, 0, "1100 c204 00011000 1234003500080000");
    store_be16(bytes + 4, 0);
    CHECK_EQUAL(parse_copy(bytes, len, false, &view), VERDICT_OK);
    CHECK(view.has_jumbo);
    CHECK_EQUAL(view.len_bytes, len);
    /* No length and no jumbo option either. */
    len = make_ipv6(bytes, 0, "1100 0104 00000000 1234003500080000");
    store_be16(bytes + 4, 0);
    CHECK_EQUAL(parse_copy(bytes, len, false, &view), VERDICT_MALFORMED);
    CHECK_EQUAL(parse_copy(bytes, len, true, &view), VERDICT_OK);
}

static void test_quoted_lengths_are_not_trusted(void)
{
    uint8_t bytes[200];
    struct ip_view view;
    for (unsigned is_ipv6 = 0; is_ipv6 < 2; is_ipv6++) {
        sample_write_random(&(struct sample){.is_ipv6 = is_ipv6, .payload_bytes = 100}, bytes);
        for (unsigned claimed = 0; claimed < 65536; claimed += 13107) {
            store_be16(bytes + (is_ipv6 ? 4 : 2), claimed);
            CHECK_EQUAL(parse_copy(bytes, 48, true, &view), VERDICT_OK);
            CHECK_EQUAL(view.len_bytes, 48);
        }
        CHECK_EQUAL(parse_copy(bytes, 19, true, &view), VERDICT_MALFORMED);
    }
}

/* Anything in: no read past the end (ASan), and no view that points there. */
static void test_trap_37_random_bytes_never_over_read(void)
{
    for (unsigned i = 0; i < 40000; i++) {
        uint8_t bytes[200];
        size_t len = tap_random_below(sizeof(bytes) + 1);
        tap_random_bytes(bytes, len);
        static const uint8_t chain[] = {0, 43, 44, 60, 17, 51, 60, 0};
        if (len > 48 && i % 4) {
            bytes[0] = (uint8_t)(i % 2 ? 0x45 + i % 11 : 0x60);
            store_be16(bytes + (i % 2 ? 2 : 4), (uint32_t)(len - (i % 2 ? 0 : 40)));
            for (size_t at = 40; i % 2 == 0 && at + 8 <= len; at += 8) {
                bytes[at] = chain[tap_random_below(8)];
                bytes[at + 1] = (uint8_t)tap_random_below(3);
            }
            if (i % 2 == 0)
                bytes[6] = chain[tap_random_below(8)];
        }
        struct ip_view view;
        bool is_quoted = i % 8 < 4;
        if (parse_copy(bytes, len, is_quoted, &view) != VERDICT_OK)
            continue;
        CHECK(view.len_bytes <= len && view.transport_offset <= view.len_bytes);
        CHECK(view.family == bytes[0] >> 4);
        CHECK(view.is_later_fragment == (view.fragment_offset_bytes > 0));
    }
}

static void test_outer_headers_of_any_size(void)
{
    static const size_t lens[] = {0, 1, 2, 31, 32, 148, 1419, 1420, 8999, 65507};
    for (unsigned i = 0; i < 2 * sizeof(lens) / sizeof(*lens); i++) {
        bool is_ipv6 = i % 2;
        size_t payload_len = lens[i / 2];
        struct ip_outer outer = {
            .source_port = 51820, .destination_port = 443, .id = 0xabcd, .tos = 2};
        CHECK(address_parse(is_ipv6 ? "fd00::2" : "10.64.0.2", &outer.source));
        CHECK(address_parse(is_ipv6 ? "2001:db8::1" : "192.0.2.1", &outer.destination));
        size_t header_len = ip_outer_bytes((enum family)outer.source.family);
        CHECK_EQUAL(header_len, is_ipv6 ? 48 : 28);
        uint8_t *bytes = malloc(header_len + payload_len), expected[48];
        tap_random_bytes(bytes, header_len + payload_len);
        ip_write_outer(bytes, &outer, payload_len);
        struct ip_view view;
        CHECK_EQUAL(ip_parse(bytes, header_len + payload_len, &view), VERDICT_OK);
        CHECK_EQUAL(view.len_bytes, header_len + payload_len);
        CHECK_EQUAL(view.tos, 2);
        CHECK_EQUAL(view.ttl, 64);
        CHECK_EQUAL(view.protocol, IP_PROTOCOL_UDP);
        CHECK_EQUAL(view.has_dont_fragment, is_ipv6);
        struct address source = ip_source(bytes, &view), destination = ip_destination(bytes, &view);
        CHECK(address_is_equal(&source, &outer.source));
        CHECK(address_is_equal(&destination, &outer.destination));
        CHECK_EQUAL(load_be16(bytes + header_len - 8), 51820);
        CHECK_EQUAL(load_be16(bytes + header_len - 6), 443);
        if (is_ipv6)
            CHECK_EQUAL(load_be32(bytes), 0x60200000); /* flow label 0 */
        else
            CHECK_EQUAL(view.fragment_id, 0xabcd);
        memcpy(expected, bytes, header_len);
        sample_seal(bytes, (uint32_t)(header_len + payload_len));
        CHECK_BYTES(expected, bytes, header_len);
        free(bytes);
    }
}

static void test_a_zero_udp_checksum_is_written_as_ffff(void)
{
    struct ip_outer outer = {.source_port = 1, .destination_port = 2};
    CHECK(address_parse("10.64.0.2", &outer.source));
    CHECK(address_parse("192.0.2.1", &outer.destination));
    uint8_t bytes[30] = {0};
    ip_write_outer(bytes, &outer, 2);
    memcpy(bytes + 28, bytes + 26, 2); /* the payload that makes the sum 0xffff */
    ip_write_outer(bytes, &outer, 2);
    CHECK_EQUAL(load_be16(bytes + 26), 0xffff);
}

static void test_trap_38_ecn_of_rfc_6040(void)
{
    enum { NOT, ECT1, ECT0, CE, DROP };
    static const uint8_t table[4][4] = {
        /* outer: NOT, ECT1, ECT0, CE */
        [NOT] = {NOT, NOT, NOT, DROP},
        [ECT1] = {ECT1, ECT1, ECT1, CE},
        [ECT0] = {ECT0, ECT1, ECT0, CE},
        [CE] = {CE, CE, CE, CE},
    };
    for (uint8_t inner = 0; inner < 4; inner++) {
        for (uint8_t outer = 0; outer < 4; outer++) {
            uint8_t tos = 0x55;
            bool is_kept = ip_decapsulate_ecn(0xfc | outer, 0xb8 | inner, &tos);
            CHECK_EQUAL(is_kept, table[inner][outer] != DROP);
            CHECK_EQUAL(tos, is_kept ? 0xb8 | table[inner][outer] : 0x55);
        }
    }
}

static void test_the_tos_is_rewritten_in_place(void)
{
    for (unsigned i = 0; i < 512; i++) {
        uint8_t bytes[200], expected[200];
        struct sample sample = {.is_ipv6 = i % 2,
                                .tos = (uint8_t)tap_random(),
                                .id = (uint16_t)tap_random(),
                                .flow_label = 0x12345,
                                .ip_options = i % 3 ? 0 : 8};
        struct ip_view view;
        size_t len = sample_write_random(&sample, bytes);
        memcpy(expected, bytes, len);
        CHECK_EQUAL(ip_parse(bytes, len, &view), VERDICT_OK);
        uint8_t tos = (uint8_t)tap_random();
        ip_set_tos(bytes, &view, tos);
        if (sample.is_ipv6)
            store_be32(expected, 6u << 28 | (uint32_t)tos << 20 | 0x12345);
        else
            expected[1] = tos;
        sample_seal(expected, (uint32_t)len);
        CHECK_BYTES(bytes, expected, len);
    }
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_plain_packets_of_both_families);
    TAP_RUN(argc, argv, test_what_contradicts_itself_is_malformed);
    TAP_RUN(argc, argv, test_trap_1_ipv4_options);
    TAP_RUN(argc, argv, test_trap_2_ipv4_fragments);
    TAP_RUN(argc, argv, test_trap_3_extension_headers_are_walked);
    TAP_RUN(argc, argv, test_trap_3_later_fragments_end_the_walk);
    TAP_RUN(argc, argv, test_trap_3_ah_and_esp_end_the_walk);
    TAP_RUN(argc, argv, test_trap_3_the_walk_is_bounded);
    TAP_RUN(argc, argv, test_trap_3_hop_by_hop_and_jumbograms);
    TAP_RUN(argc, argv, test_quoted_lengths_are_not_trusted);
    TAP_RUN(argc, argv, test_trap_37_random_bytes_never_over_read);
    TAP_RUN(argc, argv, test_outer_headers_of_any_size);
    TAP_RUN(argc, argv, test_a_zero_udp_checksum_is_written_as_ffff);
    TAP_RUN(argc, argv, test_trap_38_ecn_of_rfc_6040);
    TAP_RUN(argc, argv, test_the_tos_is_rewritten_in_place);
    return tap_done();
}
