/* SPDX-License-Identifier: MIT */
/* Translation raced against packets made anew with the other address. */
#include "route/nat.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "rigs/recipe.h"
#include "tap.h"

static struct ip_view parse(const uint8_t *bytes, size_t len)
{
    struct ip_view view = {0};
    CHECK_EQUAL(ip_parse(bytes, len, &view), VERDICT_OK);
    return view;
}

static struct address *side_of(struct recipe *recipe, enum nat_side side)
{
    return side == NAT_SOURCE ? &recipe->source : &recipe->destination;
}

/* Translates the recipe's packet to `to` and back: on the way it must be the packet that the other
 * recipe makes, at the end what it was. */
static void check_translation(const struct recipe *from, const struct recipe *other,
                              enum nat_side side)
{
    size_t len, expected_len;
    uint8_t *bytes = recipe_write_new(from, &len);
    uint8_t *first = recipe_write_new(from, &len);
    uint8_t *expected = recipe_write_new(other, &expected_len);
    struct ip_view view = parse(bytes, len);
    struct address to = *side_of((struct recipe *)(uintptr_t)other, side);
    struct address back = *side_of((struct recipe *)(uintptr_t)from, side);
    uint16_t partial_at = from->is_partial ? view.transport_offset : 0;
    CHECK_EQUAL(nat_rewrite(bytes, len, &view, side, &to, partial_at), VERDICT_OK);
    CHECK_EQUAL(len, expected_len);
    CHECK_BYTES(bytes, expected, len);
    CHECK_EQUAL(nat_rewrite(bytes, len, &view, side, &back, partial_at), VERDICT_OK);
    CHECK_BYTES(bytes, first, len);
    free(bytes);
    free(first);
    free(expected);
}

static enum nat_side random_side(void)
{
    return tap_random_below(2) ? NAT_SOURCE : NAT_DESTINATION;
}

static enum family random_family(void)
{
    return tap_random_below(2) ? FAMILY_IPV4 : FAMILY_IPV6;
}

static void test_b4_incremental_equals_full_recomputation_and_back(void)
{
    for (unsigned round = 0; round < 20000; round++) {
        static struct recipe from, other;
        enum nat_side side = random_side();
        recipe_random(&from, random_family());
        other = from;
        *side_of(&other, side) = recipe_address(from.family);
        check_translation(&from, &other, side);
    }
}

static void test_b5_partial_sums_stay_pseudo_header_sums(void)
{
    for (unsigned round = 0; round < 4000; round++) {
        static struct recipe from, other;
        enum nat_side side = random_side();
        recipe_random(&from, random_family());
        from.fragment = RECIPE_WHOLE;
        from.protocol = tap_random_below(2) ? IP_PROTOCOL_TCP : IP_PROTOCOL_UDP;
        from.has_no_udp_checksum = false;
        from.is_partial = true;
        other = from;
        *side_of(&other, side) = recipe_address(from.family);
        check_translation(&from, &other, side);
    }
}

/* A VXLAN datagram's csum_start points to the inner TCP: the outer checksum is a finished one. */
static void test_b5_a_partial_sum_elsewhere_leaves_this_one_final(void)
{
    static struct recipe from, other;
    recipe_random(&from, FAMILY_IPV4);
    from.fragment = RECIPE_WHOLE;
    from.protocol = IP_PROTOCOL_UDP;
    from.has_no_udp_checksum = false;
    from.payload_len = 100;
    other = from;
    other.source = recipe_address(FAMILY_IPV4);
    size_t len;
    uint8_t *bytes = recipe_write_new(&from, &len), *expected = recipe_write_new(&other, &len);
    struct ip_view view = parse(bytes, len);
    CHECK_EQUAL(nat_rewrite(bytes, len, &view, NAT_SOURCE, &other.source,
                            (uint16_t)(view.transport_offset + 50)),
                VERDICT_OK);
    CHECK_BYTES(bytes, expected, len);
    free(bytes);
    free(expected);
}

/* A quote that ends amid the checksum field keeps its half as it was: no recipe tells that. */
static void avoid_half_a_checksum(struct recipe *error)
{
    uint8_t bytes[RECIPE_MOST_BYTES];
    struct ip_view view = parse(bytes, recipe_write(error->quoted, bytes));
    size_t kept = error->quote_most - view.transport_offset;
    if (kept == 17 || kept == 7 || kept == 3)
        error->quote_most++;
}

/* An error about a packet that this side received: it quotes what went to the address. */
static void test_traps5_quotes_are_translated_too(void)
{
    for (unsigned round = 0; round < 20000; round++) {
        static struct recipe quoted, quoted_other, from, other;
        enum nat_side side = random_side();
        enum nat_side quoted_side = side == NAT_SOURCE ? NAT_DESTINATION : NAT_SOURCE;
        enum family family = random_family();
        recipe_random(&quoted, family);
        recipe_random(&from, family);
        recipe_error(&from, &quoted);
        avoid_half_a_checksum(&from);
        bool is_ours = tap_random_below(8) != 0; /* else somebody else's address is quoted */
        if (is_ours)
            *side_of(&quoted, quoted_side) = *side_of(&from, side);
        else
            side_of(&quoted, quoted_side)->bytes[0] = 11; /* none of recipe_address's */
        other = from;
        quoted_other = quoted;
        other.quoted = &quoted_other;
        *side_of(&other, side) = recipe_address(family);
        if (is_ours)
            *side_of(&quoted_other, quoted_side) = *side_of(&other, side);
        check_translation(&from, &other, side);
    }
}

static void set_word(struct recipe *recipe, uint16_t word)
{
    store_be16(recipe->payload, word);
}

static void test_traps6_udp_checksum_that_becomes_zero_is_sent_as_ffff(void)
{
    static struct recipe from, other;
    unsigned seen = 0;
    recipe_random(&from, FAMILY_IPV4);
    from.protocol = IP_PROTOCOL_UDP;
    from.fragment = RECIPE_WHOLE;
    from.has_no_udp_checksum = false;
    from.payload_len = 10;
    other = from;
    other.source = recipe_address(FAMILY_IPV4);
    for (uint32_t word = 0; word < 0x10000; word++) {
        uint8_t bytes[RECIPE_MOST_BYTES], expected[RECIPE_MOST_BYTES];
        set_word(&from, (uint16_t)word);
        set_word(&other, (uint16_t)word);
        size_t len = recipe_write(&from, bytes);
        recipe_write(&other, expected);
        struct ip_view view = parse(bytes, len);
        CHECK_EQUAL(nat_rewrite(bytes, len, &view, NAT_SOURCE, &other.source, 0), VERDICT_OK);
        seen += load_be16(bytes + view.transport_offset + 6) == 0xffff;
        if (!CHECK_BYTES(bytes, expected, len))
            return;
    }
    CHECK(seen > 0);
}

static void test_traps6_udp_without_checksum_stays_without(void)
{
    static struct recipe from;
    recipe_random(&from, FAMILY_IPV4);
    from.protocol = IP_PROTOCOL_UDP;
    from.fragment = RECIPE_WHOLE;
    from.has_no_udp_checksum = true;
    size_t len;
    uint8_t *bytes = recipe_write_new(&from, &len);
    struct ip_view view = parse(bytes, len);
    struct address to = recipe_address(FAMILY_IPV4);
    CHECK_EQUAL(nat_rewrite(bytes, len, &view, NAT_DESTINATION, &to, 0), VERDICT_OK);
    CHECK_EQUAL(load_be16(bytes + view.transport_offset + 6), 0);
    free(bytes);
}

/* Parses `bytes` and expects a refusal that changes nothing. */
static void check_refused(uint8_t *bytes, size_t len)
{
    uint8_t copy[RECIPE_MOST_BYTES];
    memcpy(copy, bytes, len);
    struct ip_view view = parse(bytes, len);
    struct address to = recipe_address((enum family)view.family);
    to.bytes[0] ^= 0x40; /* what has the address already is not translated */
    CHECK_EQUAL(nat_rewrite(bytes, len, &view, NAT_SOURCE, &to, 0), VERDICT_NAT_UNSUPPORTED);
    CHECK_EQUAL(nat_rewrite(bytes, len, &view, NAT_DESTINATION, &to, 0), VERDICT_NAT_UNSUPPORTED);
    CHECK_BYTES(bytes, copy, len);
}

static void test_b4_protocols_beyond_us_are_refused_whole_and_in_pieces(void)
{
    static const uint8_t protocols[] = {IP_PROTOCOL_UDPLITE, IP_PROTOCOL_DCCP, IP_PROTOCOL_AH, 255};
    for (unsigned i = 0; i < 2 * sizeof(protocols); i++) {
        enum family family = i % 2 ? FAMILY_IPV4 : FAMILY_IPV6;
        for (unsigned fragment = RECIPE_WHOLE; fragment <= RECIPE_LATER; fragment++) {
            static struct recipe recipe;
            recipe_random(&recipe, family);
            recipe.protocol = protocols[i / 2];
            recipe.fragment = (enum recipe_fragment)fragment;
            recipe.payload_len = 40;
            memset(recipe.payload, 0, 40);
            size_t len;
            uint8_t *bytes = recipe_write_new(&recipe, &len);
            check_refused(bytes, len);
            free(bytes);
        }
    }
}

static void test_b4_icmp_of_the_other_family_is_refused(void)
{
    static struct recipe recipe;
    recipe_random(&recipe, FAMILY_IPV4);
    recipe.fragment = RECIPE_WHOLE;
    recipe.protocol = IP_PROTOCOL_ICMPV6;
    uint8_t bytes[RECIPE_MOST_BYTES];
    check_refused(bytes, recipe_write(&recipe, bytes));
    recipe_random(&recipe, FAMILY_IPV6);
    recipe.fragment = RECIPE_WHOLE;
    recipe.protocol = IP_PROTOCOL_ICMP;
    check_refused(bytes, recipe_write(&recipe, bytes));
}

static void test_b4_cut_off_transport_header_is_refused(void)
{
    static const uint8_t protocols[][2] = {
        {IP_PROTOCOL_TCP, 20}, {IP_PROTOCOL_UDP, 8}, {IP_PROTOCOL_ICMP, 8}};
    for (unsigned i = 0; i < 3; i++) {
        for (size_t kept = 0; kept < protocols[i][1]; kept++) {
            static struct recipe recipe;
            recipe_random(&recipe, FAMILY_IPV4);
            recipe.protocol = protocols[i][0];
            recipe.fragment = tap_random_below(2) ? RECIPE_WHOLE : RECIPE_FIRST;
            uint8_t packet[RECIPE_MOST_BYTES];
            recipe_write(&recipe, packet);
            size_t len = IPV4_HEADER_BYTES + recipe.options_len + kept;
            store_be16(packet + 2, (uint16_t)len);
            uint8_t *bytes = malloc(len);
            memcpy(bytes, packet, len);
            check_refused(bytes, len);
            free(bytes);
        }
    }
}

/* A source route or routing header that is not run through: another address is in the checksum. */
static void test_b4_routing_segments_left_are_refused(void)
{
    static struct recipe recipe;
    recipe_random(&recipe, FAMILY_IPV6);
    recipe.fragment = RECIPE_WHOLE;
    recipe.protocol = IP_PROTOCOL_TCP;
    recipe.has_hop_by_hop = true;
    uint8_t bytes[RECIPE_MOST_BYTES];
    size_t len = recipe_write(&recipe, bytes);
    memset(bytes + IPV6_HEADER_BYTES + 2, 0, 6);
    bytes[6] = IP_PROTOCOL_ROUTING;
    bytes[IPV6_HEADER_BYTES + 3] = 1;
    check_refused(bytes, len);
    bytes[IPV6_HEADER_BYTES + 3] = 0;
    struct ip_view view = parse(bytes, len);
    struct address to = recipe_address(FAMILY_IPV6);
    CHECK_EQUAL(nat_rewrite(bytes, len, &view, NAT_SOURCE, &to, 0), VERDICT_OK);
}

static void test_b4_error_with_unreadable_quote_is_refused(void)
{
    for (unsigned family = FAMILY_IPV4; family <= FAMILY_IPV6; family += 2) {
        static struct recipe quoted, recipe;
        recipe_random(&quoted, (enum family)family);
        recipe_random(&recipe, (enum family)family);
        recipe_error(&recipe, &quoted);
        for (recipe.quote_most = 0; recipe.quote_most < 20; recipe.quote_most++) {
            size_t len;
            uint8_t *bytes = recipe_write_new(&recipe, &len);
            check_refused(bytes, len);
            free(bytes);
        }
    }
}

static void test_b1_equal_addresses_are_the_identity(void)
{
    for (unsigned round = 0; round < 500; round++) {
        static struct recipe recipe;
        recipe_random(&recipe, random_family());
        recipe.protocol = tap_random_below(2) ? recipe.protocol : IP_PROTOCOL_UDPLITE;
        size_t len;
        uint8_t *bytes = recipe_write_new(&recipe, &len), *first = recipe_write_new(&recipe, &len);
        struct ip_view view = parse(bytes, len);
        CHECK_EQUAL(nat_rewrite(bytes, len, &view, NAT_SOURCE, &recipe.source, 0), VERDICT_OK);
        CHECK_BYTES(bytes, first, len);
        free(bytes);
        free(first);
    }
}

static void test_an_address_of_the_other_family_is_refused(void)
{
    static struct recipe recipe;
    uint8_t bytes[RECIPE_MOST_BYTES];
    recipe_random(&recipe, FAMILY_IPV4);
    size_t len = recipe_write(&recipe, bytes);
    struct ip_view view = parse(bytes, len);
    struct address none = {0}, ipv6 = recipe_address(FAMILY_IPV6);
    CHECK_EQUAL(nat_rewrite(bytes, len, &view, NAT_SOURCE, &none, 0), VERDICT_NO_ADDRESS);
    CHECK_EQUAL(nat_rewrite(bytes, len, &view, NAT_SOURCE, &ipv6, 0), VERDICT_NO_ADDRESS);
}

/* Translated back it is what it was, but that a sum of 0 may be written as 0xffff now, or the other
 * way round: both are 0. All fields lie at even offsets. */
static bool is_same_but_for_zeros(const uint8_t *bytes, const uint8_t *first, size_t len)
{
    for (size_t at = 0; at + 1 < len; at += 2) {
        uint16_t now = load_be16(bytes + at), before = load_be16(first + at);
        bool are_both_zero = (now == 0 || now == 0xffff) && (before == 0 || before == 0xffff);
        if (now != before && !are_both_zero)
            return false;
    }
    return len % 2 == 0 || bytes[len - 1] == first[len - 1];
}

/* Whatever parses is translated there and back, or refused unchanged; nothing is read past the end
 * (the sanitizers watch a buffer of exactly the packet's size). */
static void test_hostile_packets_never_harm(void)
{
    unsigned translated = 0;
    for (unsigned round = 0; round < 60000; round++) {
        static struct recipe quoted, recipe;
        uint8_t packet[RECIPE_MOST_BYTES];
        enum family family = random_family();
        recipe_random(&recipe, family);
        if (tap_random_below(2)) {
            recipe_random(&quoted, family);
            recipe_error(&recipe, &quoted);
        }
        size_t whole = recipe_write(&recipe, packet);
        size_t len = tap_random_below(2) ? whole : 1 + tap_random_below(whole);
        for (uint64_t flips = tap_random_below(6); flips; flips--)
            packet[tap_random_below(len < 120 ? len : 120)] = (uint8_t)tap_random();
        uint8_t *bytes = malloc(len), *first = malloc(len);
        memcpy(bytes, packet, len);
        memcpy(first, packet, len);
        struct ip_view view;
        bool is_super = tap_random_below(2);
        if ((is_super ? ip_parse_quoted : ip_parse)(bytes, len, &view) == VERDICT_OK) {
            enum nat_side side = random_side();
            struct address to = recipe_address((enum family)view.family);
            to.bytes[0] = 12; /* none that is quoted already: that one would not come back */
            uint16_t partial_at = tap_random_below(3) ? 0 : view.transport_offset;
            enum verdict verdict = nat_rewrite(bytes, len, &view, side, &to, partial_at);
            translated += verdict == VERDICT_OK;
            struct address back = side == NAT_SOURCE ? ip_source(first, &view)
                                                     : ip_destination(first, &view);
            if (verdict == VERDICT_OK)
                CHECK_EQUAL(nat_rewrite(bytes, len, &view, side, &back, partial_at), VERDICT_OK);
            if (verdict != VERDICT_OK)
                CHECK_BYTES(bytes, first, len);
            else if (!CHECK(is_same_but_for_zeros(bytes, first, len)))
                CHECK_BYTES(bytes, first, len);
        }
        free(bytes);
        free(first);
    }
    CHECK(translated > 10000);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_b4_incremental_equals_full_recomputation_and_back);
    TAP_RUN(argc, argv, test_b5_partial_sums_stay_pseudo_header_sums);
    TAP_RUN(argc, argv, test_b5_a_partial_sum_elsewhere_leaves_this_one_final);
    TAP_RUN(argc, argv, test_traps5_quotes_are_translated_too);
    TAP_RUN(argc, argv, test_traps6_udp_checksum_that_becomes_zero_is_sent_as_ffff);
    TAP_RUN(argc, argv, test_traps6_udp_without_checksum_stays_without);
    TAP_RUN(argc, argv, test_b4_protocols_beyond_us_are_refused_whole_and_in_pieces);
    TAP_RUN(argc, argv, test_b4_icmp_of_the_other_family_is_refused);
    TAP_RUN(argc, argv, test_b4_cut_off_transport_header_is_refused);
    TAP_RUN(argc, argv, test_b4_routing_segments_left_are_refused);
    TAP_RUN(argc, argv, test_b4_error_with_unreadable_quote_is_refused);
    TAP_RUN(argc, argv, test_b1_equal_addresses_are_the_identity);
    TAP_RUN(argc, argv, test_an_address_of_the_other_family_is_refused);
    TAP_RUN(argc, argv, test_hostile_packets_never_harm);
    return tap_done();
}
