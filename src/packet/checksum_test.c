/* SPDX-License-Identifier: MIT */
#include "packet/checksum.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "rigs/sample.h"
#include "tap.h"

static void test_rfc_1071_example(void)
{
    static const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    CHECK_EQUAL(checksum_fold(checksum_add(0, bytes, 8)), 0xddf2);
    CHECK_EQUAL(checksum_finish(checksum_add(0, bytes, 8)), 0x220d);
    /* Even pieces may be added in any order. */
    CHECK_EQUAL(checksum_fold(checksum_add(checksum_add(0, bytes + 2, 6), bytes, 2)), 0xddf2);
    CHECK_EQUAL(checksum_fold(checksum_add(0, bytes, 3)), 0xf201);
}

static void test_a_known_ipv4_header(void)
{
    uint8_t header[20];
    tap_hex("4500 0073 0000 4000 4011 0000 c0a8 0001 c0a8 00c7", header, sizeof(header));
    checksum_set_ipv4(header, sizeof(header));
    CHECK_EQUAL(load_be16(header + 10), 0xb861);
    checksum_set_ipv4(header, sizeof(header));
    CHECK_EQUAL(load_be16(header + 10), 0xb861);
}

static void test_rfc_1624_examples(void)
{
    static const uint8_t from[] = {0x55, 0x55}, to[] = {0x32, 0x85};
    CHECK_EQUAL(checksum_update(0xdd2f, from, to, 2), 0x0000);
    CHECK_EQUAL(checksum_update(0xdd2f, from, from, 2), 0xdd2f);
}

static void test_udp_zero_is_sent_as_ffff(void)
{
    CHECK_EQUAL(checksum_finish(0xffff), 0);
    CHECK_EQUAL(checksum_finish_udp(0xffff), 0xffff);
    CHECK_EQUAL(checksum_finish_udp(0x0001), 0xfffe);
}

static void test_folds_of_large_sums(void)
{
    CHECK_EQUAL(checksum_fold(0), 0);
    CHECK_EQUAL(checksum_fold(UINT64_MAX), 0xffff);
    CHECK_EQUAL(checksum_fold(0xffffffffffff0001), 0x0001);
    CHECK_EQUAL(checksum_fold(0x1ffffffff), 0x0001);
    CHECK_EQUAL(checksum_fold(0x10000), 1);
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t sum = tap_random();
        CHECK_EQUAL(checksum_fold(sum) % 0xffff, sum % 0xffff);
    }
}

/* Every length up to 300 and random ones, at every alignment, exactly allocated. */
static void test_races_a_naive_sum(void)
{
    for (unsigned i = 0; i < 1200; i++) {
        size_t len = i < 300 ? i : tap_random_below(i % 10 ? 2000 : 66000);
        size_t offset = tap_random_below(64), out_offset = tap_random_below(64);
        uint8_t *in = malloc(offset + len), *out = malloc(out_offset + len);
        uint64_t start = tap_random() >> 20;
        tap_random_bytes(in, offset + len);
        if (i % 7 == 0 && in)
            memset(in, 0xff, offset + len);
        uint32_t seed = (uint32_t)(start % 0xffff);
        uint32_t expected = sample_sum(seed, in + offset, len) % 0xffff;
        CHECK_EQUAL(checksum_fold(checksum_add(start, in + offset, len)) % 0xffff, expected);
        CHECK_EQUAL(checksum_fold(checksum_copy(start, out + out_offset, in + offset, len)) %
                        0xffff,
                    expected);
        CHECK(len == 0 || memcmp(out + out_offset, in + offset, len) == 0);
        free(in);
        free(out);
    }
}

static void test_zeros_and_ones_are_told_apart(void)
{
    static const uint8_t zeros[256];
    uint8_t ones[256];
    memset(ones, 0xff, sizeof(ones));
    for (size_t len = 0; len <= sizeof(ones); len += 2) {
        CHECK_EQUAL(checksum_fold(checksum_add(0, zeros, len)), 0);
        CHECK_EQUAL(checksum_fold(checksum_add(0, ones, len)), len ? 0xffff : 0);
    }
}

static void test_pseudo_header_races_a_naive_one(void)
{
    for (unsigned i = 0; i < 200; i++) {
        uint8_t ip[40];
        tap_random_bytes(ip, sizeof(ip));
        bool is_ipv6 = i % 2;
        ip[0] = is_ipv6 ? 0x60 : 0x45;
        uint8_t protocol = (uint8_t)tap_random();
        uint32_t len = (uint32_t)tap_random_below(i % 3 ? 65536 : 70000);
        uint64_t sum = is_ipv6 ? checksum_pseudo(FAMILY_IPV6, ip + 8, ip + 24, protocol, len)
                               : checksum_pseudo(FAMILY_IPV4, ip + 12, ip + 16, protocol, len);
        CHECK_EQUAL(checksum_fold(sum), sample_pseudo(ip, protocol, len));
    }
}

static void test_updates_equal_computing_anew(void)
{
    for (unsigned i = 0; i < 1000; i++) {
        uint8_t bytes[60], changed[16];
        tap_random_bytes(bytes, sizeof(bytes));
        tap_random_bytes(changed, sizeof(changed));
        size_t len = 2 * tap_random_below(9), at = 2 * tap_random_below(20);
        uint16_t field = checksum_finish(checksum_add(0, bytes, sizeof(bytes)));
        uint16_t updated = checksum_update(field, bytes + at, changed, len);
        memcpy(bytes + at, changed, len);
        CHECK_EQUAL(updated, checksum_finish(checksum_add(0, bytes, sizeof(bytes))));
    }
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_rfc_1071_example);
    TAP_RUN(argc, argv, test_a_known_ipv4_header);
    TAP_RUN(argc, argv, test_rfc_1624_examples);
    TAP_RUN(argc, argv, test_udp_zero_is_sent_as_ffff);
    TAP_RUN(argc, argv, test_folds_of_large_sums);
    TAP_RUN(argc, argv, test_races_a_naive_sum);
    TAP_RUN(argc, argv, test_zeros_and_ones_are_told_apart);
    TAP_RUN(argc, argv, test_pseudo_header_races_a_naive_one);
    TAP_RUN(argc, argv, test_updates_equal_computing_anew);
    return tap_done();
}
