/* SPDX-License-Identifier: MIT */
#include "route/mss.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "rigs/recipe.h"
#include "tap.h"

#define SYN 0x02
#define ACK 0x10

static struct ip_view parse(const uint8_t *bytes, size_t len)
{
    struct ip_view view = {0};
    CHECK_EQUAL(ip_parse(bytes, len, &view), VERDICT_OK);
    return view;
}

/* A SYN with an MSS option at `at` among NOPs. */
static void make_syn(struct recipe *recipe, enum family family, size_t at, uint16_t mss)
{
    recipe_random(recipe, family);
    recipe->protocol = IP_PROTOCOL_TCP;
    recipe->fragment = tap_random_below(4) ? RECIPE_WHOLE : RECIPE_FIRST;
    recipe->tcp_flags = (uint8_t)(SYN | (tap_random_below(2) ? ACK : 0));
    if (recipe->tcp_options_len < at + 4)
        recipe->tcp_options_len = (at + 4 + 3) & ~(size_t)3;
    recipe->tcp_options[at] = 2;
    recipe->tcp_options[at + 1] = 4;
    store_be16(recipe->tcp_options + at + 2, mss);
}

/* Clamps the recipe's packet: it must become the one of `expected`. */
static void check_clamp(const struct recipe *recipe, const struct recipe *expected, uint16_t most)
{
    size_t len, expected_len;
    uint8_t *bytes = recipe_write_new(recipe, &len),
            *wanted = recipe_write_new(expected, &expected_len);
    struct ip_view view = parse(bytes, len);
    mss_clamp(bytes, &view, most, recipe->is_partial);
    CHECK_EQUAL(len, expected_len);
    CHECK_BYTES(bytes, wanted, len);
    free(bytes);
    free(wanted);
}

static enum family random_family(void)
{
    return tap_random_below(2) ? FAMILY_IPV4 : FAMILY_IPV6;
}

static void test_c8_mss_is_lowered_at_every_offset(void)
{
    for (unsigned round = 0; round < 8000; round++) {
        static struct recipe recipe, expected;
        size_t at = round % 37;
        uint16_t mss = (uint16_t)tap_random(), most = (uint16_t)tap_random();
        make_syn(&recipe, random_family(), at, mss);
        recipe.is_partial = tap_random_below(3) == 0;
        expected = recipe;
        if (mss > most)
            store_be16(expected.tcp_options + at + 2, most);
        check_clamp(&recipe, &expected, most);
    }
}

static void test_c8_only_syn_and_syn_ack_are_touched(void)
{
    for (unsigned flags = 0; flags < 256; flags++) {
        static struct recipe recipe, expected;
        make_syn(&recipe, random_family(), 0, 1460);
        recipe.tcp_flags = (uint8_t)flags;
        expected = recipe;
        if (flags & SYN)
            store_be16(expected.tcp_options + 2, 1240);
        check_clamp(&recipe, &expected, 1240);
    }
}

static void test_c8_other_protocols_and_later_fragments_are_left_alone(void)
{
    static struct recipe recipe;
    for (unsigned round = 0; round < 400; round++) {
        make_syn(&recipe, random_family(), 0, 1460);
        recipe.fragment = RECIPE_LATER;
        memset(recipe.payload, SYN, sizeof(recipe.payload));
        check_clamp(&recipe, &recipe, 1);
        recipe.fragment = RECIPE_WHOLE;
        recipe.protocol = IP_PROTOCOL_SCTP;
        check_clamp(&recipe, &recipe, 1);
    }
}

static void test_c8_other_options_are_stepped_over(void)
{
    static struct recipe recipe, expected;
    /* SACK permitted, timestamps, window scale, then MSS at an odd offset; what looks like an MSS
     * inside the timestamps is none */
    uint8_t options[24];
    tap_hex("0402 080a 0204ffff 0204ffff 030307 0204ffff 00 0204", options, sizeof(options));
    make_syn(&recipe, FAMILY_IPV4, 0, 0);
    recipe.tcp_options_len = 24;
    memcpy(recipe.tcp_options, options, sizeof(options));
    expected = recipe;
    store_be16(expected.tcp_options + 17, 536);
    check_clamp(&recipe, &expected, 536);
}

static void test_c8_malformed_options_end_the_walk(void)
{
    static const char *const options[] = {
        "02",
        "02 01",
        "02 00 0204ffff",
        "02 03 ff 01",
        "05 00 0204ffff",
        "fe 01 0204ffff",
        "00 00 0204ffff",
        "08 ff 0204ffff",
        "01 01 0204",
        "01 01 01 02",
    };
    for (unsigned i = 0; i < sizeof(options) / sizeof(*options); i++) {
        static struct recipe recipe;
        make_syn(&recipe, FAMILY_IPV6, 0, 0);
        memset(recipe.tcp_options, 0, sizeof(recipe.tcp_options));
        size_t len = tap_hex(options[i], recipe.tcp_options, sizeof(recipe.tcp_options));
        recipe.tcp_options_len = (len + 3) & ~(size_t)3;
        check_clamp(&recipe, &recipe, 1);
    }
}

static void test_c8_mss_of_a_path(void)
{
    CHECK_EQUAL(mss_of_mtu(FAMILY_IPV4, 1500), 1460);
    CHECK_EQUAL(mss_of_mtu(FAMILY_IPV6, 1500), 1440);
    CHECK_EQUAL(mss_of_mtu(FAMILY_IPV4, 40), 0);
    CHECK_EQUAL(mss_of_mtu(FAMILY_IPV6, 0), 0);
    CHECK_EQUAL(mss_of_mtu(FAMILY_IPV4, 1u << 20), 65535);
}

static void test_hostile_packets_never_harm(void)
{
    for (unsigned round = 0; round < 40000; round++) {
        static struct recipe recipe;
        uint8_t packet[RECIPE_MOST_BYTES];
        make_syn(&recipe, random_family(), tap_random_below(37), 9000);
        tap_random_bytes(recipe.tcp_options, tap_random_below(41));
        recipe.payload_len = tap_random_below(10);
        size_t whole = recipe_write(&recipe, packet);
        size_t len = tap_random_below(2) ? whole : 1 + tap_random_below(whole);
        if (tap_random_below(4) == 0)
            packet[tap_random_below(len)] = (uint8_t)tap_random();
        uint8_t *bytes = malloc(len);
        memcpy(bytes, packet, len);
        struct ip_view view;
        if (ip_parse_quoted(bytes, len, &view) == VERDICT_OK)
            mss_clamp(bytes, &view, 1000, tap_random_below(2));
        free(bytes);
    }
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_c8_mss_is_lowered_at_every_offset);
    TAP_RUN(argc, argv, test_c8_only_syn_and_syn_ack_are_touched);
    TAP_RUN(argc, argv, test_c8_other_protocols_and_later_fragments_are_left_alone);
    TAP_RUN(argc, argv, test_c8_other_options_are_stepped_over);
    TAP_RUN(argc, argv, test_c8_malformed_options_end_the_walk);
    TAP_RUN(argc, argv, test_c8_mss_of_a_path);
    TAP_RUN(argc, argv, test_hostile_packets_never_harm);
    return tap_done();
}
