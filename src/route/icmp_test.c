/* SPDX-License-Identifier: MIT */
#include "route/icmp.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "rigs/recipe.h"
#include "rigs/sample.h"
#include "tap.h"

static struct ip_view parse(const uint8_t *bytes, size_t len)
{
    struct ip_view view = {0};
    CHECK_EQUAL(ip_parse(bytes, len, &view), VERDICT_OK);
    return view;
}

/* Both checksums of a message that we made, summed naively. */
static void check_sums(const uint8_t *bytes, const struct ip_view *view)
{
    const uint8_t *message = bytes + view->transport_offset;
    size_t len = view->len_bytes - view->transport_offset;
    uint32_t pseudo = 0;
    if (view->family == FAMILY_IPV4)
        CHECK_EQUAL(sample_sum(0, bytes, view->transport_offset), 0xffff);
    else
        pseudo = sample_pseudo(bytes, IP_PROTOCOL_ICMPV6, len);
    CHECK_EQUAL(sample_sum(pseudo, message, len), 0xffff);
}

/* A random whole packet of a family, in a buffer of its size. */
static uint8_t *new_refused(enum family family, struct recipe *recipe, size_t *len)
{
    recipe_random(recipe, family);
    recipe->fragment = RECIPE_WHOLE;
    return recipe_write_new(recipe, len);
}

static void test_d1_source_is_the_refused_packets_destination(void)
{
    for (unsigned round = 0; round < 1000; round++) {
        static struct recipe recipe;
        enum family family = round % 2 ? FAMILY_IPV4 : FAMILY_IPV6;
        uint8_t out[ICMP_CREATE_MOST_BYTES];
        size_t refused_len;
        uint8_t *refused = new_refused(family, &recipe, &refused_len);
        struct ip_view view = parse(refused, refused_len);
        size_t len =
            icmp_create_too_big(out, sizeof(out), refused, refused_len, &view, 1320 + round);
        struct ip_view made = parse(out, len);
        CHECK_EQUAL(made.len_bytes, len);
        struct address source = ip_source(out, &made), destination = ip_destination(out, &made);
        CHECK(address_is_equal(&source, &recipe.destination));
        CHECK(address_is_equal(&destination, &recipe.source));
        check_sums(out, &made);
        struct icmp_error error;
        CHECK(icmp_is_error(out, &made) && icmp_parse_error(out, &made, &error));
        CHECK(error.is_too_big);
        CHECK_EQUAL(error.mtu_bytes, 1320 + round);
        CHECK_BYTES(out + error.quote_offset, refused, error.quote_len_bytes);
        free(refused);
    }
}

static void test_d4_quotes_as_much_as_fits(void)
{
    for (unsigned family = FAMILY_IPV4; family <= FAMILY_IPV6; family += 2) {
        static struct recipe recipe;
        size_t most = family == FAMILY_IPV4 ? 576 : 1280;
        size_t headers = family == FAMILY_IPV4 ? 28 : 48;
        uint8_t out[ICMP_CREATE_MOST_BYTES], packet[RECIPE_MOST_BYTES];
        recipe_random(&recipe, (enum family)family);
        recipe.fragment = RECIPE_WHOLE;
        for (recipe.payload_len = 0; recipe.payload_len < 1450; recipe.payload_len++) {
            size_t whole = recipe_write(&recipe, packet);
            struct ip_view view = parse(packet, whole);
            size_t len =
                icmp_create_unreachable(out, sizeof(out), packet, whole, &view, ICMP_NO_ROUTE);
            size_t expected = headers + whole < most ? headers + whole : most;
            CHECK_EQUAL(len, expected);
            struct ip_view made = parse(out, len);
            check_sums(out, &made);
            if (!CHECK_BYTES(out + headers, packet, len - headers))
                return;
        }
    }
}

/* The application's packet is a super-packet of 64 KiB whose checksum is partial. */
static void test_d4_quotes_a_super_packet_as_the_application_sent_it(void)
{
    static struct recipe recipe;
    static uint8_t super[65000];
    uint8_t out[ICMP_CREATE_MOST_BYTES];
    recipe_random(&recipe, FAMILY_IPV6);
    recipe.protocol = IP_PROTOCOL_TCP;
    recipe.fragment = RECIPE_WHOLE;
    recipe.is_partial = true;
    recipe_write(&recipe, super);
    store_be16(super + 4, (uint16_t)(sizeof(super) - IPV6_HEADER_BYTES));
    struct ip_view view;
    CHECK_EQUAL(ip_parse_quoted(super, sizeof(super), &view), VERDICT_OK);
    size_t len = icmp_create_too_big(out, sizeof(out), super, sizeof(super), &view, 1340);
    CHECK_EQUAL(len, 1280);
    CHECK_BYTES(out + 48, super, 1280 - 48);
    struct ip_view made = parse(out, len);
    check_sums(out, &made);
}

static void test_types_and_codes(void)
{
    /* IPv4 type, code; IPv6 type, code */
    static const uint8_t expected[][4] = {
        [ICMP_NO_ROUTE] = {3, 0, 1, 0},
        [ICMP_HOST_UNREACHABLE] = {3, 1, 1, 3},
        [ICMP_PROHIBITED] = {3, 13, 1, 1},
        [ICMP_SOURCE_POLICY] = {3, 13, 1, 5},
    };
    for (unsigned i = 0; i < 8; i++) {
        static struct recipe recipe;
        uint8_t out[ICMP_CREATE_MOST_BYTES];
        size_t refused_len;
        enum family family = i % 2 ? FAMILY_IPV6 : FAMILY_IPV4;
        uint8_t *refused = new_refused(family, &recipe, &refused_len);
        struct ip_view view = parse(refused, refused_len);
        size_t len = icmp_create_unreachable(out, sizeof(out), refused, refused_len, &view,
                                             (enum icmp_reason)(i / 2));
        struct ip_view made = parse(out, len);
        CHECK_BYTES(out + made.transport_offset, expected[i / 2] + (i % 2) * 2, 2);
        CHECK_EQUAL(load_be32(out + made.transport_offset + 4), 0);
        struct icmp_error error;
        CHECK(icmp_parse_error(out, &made, &error) && !error.is_too_big);
        len = icmp_create_too_big(out, sizeof(out), refused, refused_len, &view, 70000);
        made = parse(out, len);
        CHECK(icmp_parse_error(out, &made, &error));
        CHECK_EQUAL(error.mtu_bytes, i % 2 ? 70000 : 65535);
        free(refused);
    }
}

static void test_too_little_room_is_told(void)
{
    static struct recipe recipe;
    for (unsigned family = FAMILY_IPV4; family <= FAMILY_IPV6; family += 2) {
        size_t refused_len, least = family == FAMILY_IPV4 ? 56 : 88;
        uint8_t *refused = new_refused((enum family)family, &recipe, &refused_len);
        struct ip_view view = parse(refused, refused_len);
        for (size_t room = 0; room < 300; room++) {
            uint8_t *out = malloc(room + !room);
            size_t len = icmp_create_too_big(out, room, refused, refused_len, &view, 1300);
            CHECK(len <= room);
            CHECK_EQUAL(len == 0, room < least);
            free(out);
        }
        free(refused);
    }
}

static bool may_answer(const struct recipe *recipe)
{
    uint8_t packet[RECIPE_MOST_BYTES];
    size_t len = recipe_write(recipe, packet);
    struct ip_view view = parse(packet, len);
    return icmp_may_answer(packet, &view);
}

static bool may_answer_between(const char *source, const char *destination)
{
    static struct recipe recipe;
    struct address parsed;
    CHECK(address_parse(source, &parsed));
    recipe_random(&recipe, (enum family)parsed.family);
    recipe.fragment = RECIPE_WHOLE;
    recipe.source = parsed;
    CHECK(address_parse(destination, &recipe.destination));
    return may_answer(&recipe);
}

static void test_d2_never_about_an_icmp_error(void)
{
    for (unsigned family = FAMILY_IPV4; family <= FAMILY_IPV6; family += 2) {
        static struct recipe quoted, recipe;
        recipe_random(&quoted, (enum family)family);
        recipe_random(&recipe, (enum family)family);
        recipe.fragment = RECIPE_WHOLE;
        CHECK(may_answer(&recipe));
        recipe_error(&recipe, &quoted);
        CHECK(!may_answer(&recipe));
        recipe.icmp_type = family == FAMILY_IPV4 ? 8 : 128; /* echo request */
        CHECK(may_answer(&recipe));
        recipe.icmp_type = 137; /* ICMPv6 redirect; nothing in ICMP */
        CHECK_EQUAL(may_answer(&recipe), family == FAMILY_IPV4);
    }
}

static void test_d2_never_about_icmp_of_which_the_type_is_cut_off(void)
{
    uint8_t bytes[IPV4_HEADER_BYTES] = {
        0x45, [3] = 20, [9] = IP_PROTOCOL_ICMP, [12] = 10, [16] = 10};
    struct ip_view view = parse(bytes, sizeof(bytes));
    CHECK(!icmp_is_error(bytes, &view));
    CHECK(!icmp_may_answer(bytes, &view));
}

static void test_d2_never_about_a_later_fragment(void)
{
    for (unsigned family = FAMILY_IPV4; family <= FAMILY_IPV6; family += 2) {
        static struct recipe recipe;
        recipe_random(&recipe, (enum family)family);
        recipe.fragment = RECIPE_FIRST;
        CHECK(may_answer(&recipe));
        recipe.fragment = RECIPE_LATER;
        CHECK(!may_answer(&recipe));
    }
}

static void test_d2_never_about_multicast_broadcast_link_local_or_unspecified(void)
{
    CHECK(may_answer_between("10.0.0.1", "192.0.2.1"));
    CHECK(!may_answer_between("10.0.0.1", "224.0.0.1"));
    CHECK(!may_answer_between("10.0.0.1", "255.255.255.255"));
    CHECK(!may_answer_between("10.0.0.1", "0.0.0.0"));
    CHECK(!may_answer_between("0.0.0.0", "192.0.2.1"));
    CHECK(!may_answer_between("169.254.3.4", "192.0.2.1"));
    CHECK(!may_answer_between("239.0.0.1", "192.0.2.1"));
    CHECK(!may_answer_between("255.255.255.255", "192.0.2.1"));
    CHECK(may_answer_between("2001:db8::1", "2001:db8::2"));
    CHECK(!may_answer_between("2001:db8::1", "ff02::1"));
    CHECK(!may_answer_between("fe80::1", "2001:db8::2"));
    CHECK(!may_answer_between("::", "2001:db8::2"));
    CHECK(!may_answer_between("ff05::1", "2001:db8::2"));
}

static void test_c6_error_is_parsed_with_its_quote(void)
{
    for (unsigned round = 0; round < 2000; round++) {
        static struct recipe quoted, recipe;
        enum family family = round % 2 ? FAMILY_IPV4 : FAMILY_IPV6;
        recipe_random(&quoted, family);
        recipe_random(&recipe, family);
        recipe_error(&recipe, &quoted);
        size_t len;
        uint8_t *bytes = recipe_write_new(&recipe, &len);
        struct ip_view view = parse(bytes, len);
        struct icmp_error error;
        if (CHECK(icmp_parse_error(bytes, &view, &error))) {
            CHECK_EQUAL(error.type, recipe.icmp_type);
            CHECK_EQUAL(error.quote_offset + error.quote_len_bytes, len);
            CHECK_EQUAL(error.quote.protocol, quoted.protocol);
            struct address source = ip_source(bytes + error.quote_offset, &error.quote);
            struct address destination = ip_destination(bytes + error.quote_offset, &error.quote);
            CHECK(address_is_equal(&source, &quoted.source));
            CHECK(address_is_equal(&destination, &quoted.destination));
        }
        free(bytes);
    }
}

static void test_c6_what_is_no_error_or_quotes_the_other_family_is_refused(void)
{
    static struct recipe quoted, recipe;
    uint8_t bytes[RECIPE_MOST_BYTES];
    struct icmp_error error = {.type = 77};
    for (unsigned family = FAMILY_IPV4; family <= FAMILY_IPV6; family += 2) {
        recipe_random(&quoted, (enum family)(FAMILY_IPV4 + FAMILY_IPV6 - family));
        recipe_random(&recipe, (enum family)family);
        quoted.fragment = RECIPE_WHOLE;
        recipe_error(&recipe, &quoted);
        recipe.icmp_type = 3;
        recipe.protocol = family == FAMILY_IPV4 ? IP_PROTOCOL_ICMP : IP_PROTOCOL_ICMPV6;
        recipe.quote_most = 1400;
        size_t len = recipe_write(&recipe, bytes);
        struct ip_view view = parse(bytes, len);
        CHECK(icmp_is_error(bytes, &view) && !icmp_parse_error(bytes, &view, &error));
        recipe.icmp_type = 129;
        len = recipe_write(&recipe, bytes);
        view = parse(bytes, len);
        CHECK(!icmp_is_error(bytes, &view) && !icmp_parse_error(bytes, &view, &error));
        CHECK_EQUAL(error.type, 77);
    }
}

static void test_c6_a_redirect_is_told_by_its_type_in_each_family(void)
{
    for (unsigned i = 0; i < 512; i++) {
        static struct recipe recipe;
        uint8_t bytes[RECIPE_MOST_BYTES];
        enum family family = i < 256 ? FAMILY_IPV4 : FAMILY_IPV6;
        recipe_random(&recipe, family);
        recipe.protocol = family == FAMILY_IPV4 ? IP_PROTOCOL_ICMP : IP_PROTOCOL_ICMPV6;
        recipe.icmp_type = (uint8_t)i;
        struct ip_view view = parse(bytes, recipe_write(&recipe, bytes));
        bool is_redirect = i == 5 || i == 256 + 137;
        CHECK_EQUAL(icmp_is_redirect(bytes, &view), is_redirect && recipe.fragment != RECIPE_LATER);
        view.len_bytes = view.transport_offset; /* the type is cut off */
        CHECK(!icmp_is_redirect(bytes, &view));
    }
}

static void test_c6_outer_source_is_replaced_with_its_checksums(void)
{
    for (unsigned round = 0; round < 2000; round++) {
        static struct recipe quoted, recipe;
        enum family family = round % 2 ? FAMILY_IPV4 : FAMILY_IPV6;
        recipe_random(&quoted, family);
        recipe_random(&recipe, family);
        recipe_error(&recipe, &quoted);
        size_t len, expected_len;
        uint8_t *bytes = recipe_write_new(&recipe, &len);
        struct ip_view view = parse(bytes, len);
        recipe.source = recipe_address(family);
        uint8_t *expected = recipe_write_new(&recipe, &expected_len);
        icmp_replace_source(bytes, &view, &recipe.source);
        CHECK_BYTES(bytes, expected, len);
        free(bytes);
        free(expected);
    }
}

static void test_hostile_packets_never_harm(void)
{
    for (unsigned round = 0; round < 30000; round++) {
        static struct recipe quoted, recipe;
        uint8_t packet[RECIPE_MOST_BYTES], out[ICMP_CREATE_MOST_BYTES];
        enum family family = tap_random_below(2) ? FAMILY_IPV4 : FAMILY_IPV6;
        recipe_random(&recipe, family);
        recipe_random(&quoted, family);
        if (tap_random_below(2))
            recipe_error(&recipe, &quoted);
        size_t len = 1 + tap_random_below(recipe_write(&recipe, packet));
        for (uint64_t flips = tap_random_below(6); flips; flips--)
            packet[tap_random_below(len < 120 ? len : 120)] = (uint8_t)tap_random();
        uint8_t *bytes = malloc(len);
        memcpy(bytes, packet, len);
        struct ip_view view;
        struct icmp_error error;
        if (ip_parse_quoted(bytes, len, &view) == VERDICT_OK) {
            if (icmp_parse_error(bytes, &view, &error))
                CHECK(error.quote_offset + error.quote_len_bytes == len);
            if (icmp_may_answer(bytes, &view)) {
                size_t room = tap_random_below(sizeof(out) + 1);
                CHECK(icmp_create_too_big(out, room, bytes, len, &view, 1280) <= room);
            }
            struct address source = recipe_address((enum family)view.family);
            icmp_replace_source(bytes, &view, &source);
        }
        free(bytes);
    }
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_d1_source_is_the_refused_packets_destination);
    TAP_RUN(argc, argv, test_d4_quotes_as_much_as_fits);
    TAP_RUN(argc, argv, test_d4_quotes_a_super_packet_as_the_application_sent_it);
    TAP_RUN(argc, argv, test_types_and_codes);
    TAP_RUN(argc, argv, test_too_little_room_is_told);
    TAP_RUN(argc, argv, test_d2_never_about_an_icmp_error);
    TAP_RUN(argc, argv, test_d2_never_about_icmp_of_which_the_type_is_cut_off);
    TAP_RUN(argc, argv, test_d2_never_about_a_later_fragment);
    TAP_RUN(argc, argv, test_d2_never_about_multicast_broadcast_link_local_or_unspecified);
    TAP_RUN(argc, argv, test_c6_error_is_parsed_with_its_quote);
    TAP_RUN(argc, argv, test_c6_what_is_no_error_or_quotes_the_other_family_is_refused);
    TAP_RUN(argc, argv, test_c6_a_redirect_is_told_by_its_type_in_each_family);
    TAP_RUN(argc, argv, test_c6_outer_source_is_replaced_with_its_checksums);
    TAP_RUN(argc, argv, test_hostile_packets_never_harm);
    return tap_done();
}
