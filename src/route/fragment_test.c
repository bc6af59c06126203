/* SPDX-License-Identifier: MIT */
/* Fragments are put together again naively and must give the packet back. */
#include "route/fragment.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "rigs/recipe.h"
#include "rigs/sample.h"
#include "tap.h"

#define PIECES_MOST 400

struct pieces {
    uint8_t *bytes[PIECES_MOST];
    size_t len[PIECES_MOST];
    size_t count;
};

static struct ip_view parse(const uint8_t *bytes, size_t len)
{
    struct ip_view view = {0};
    CHECK_EQUAL(ip_parse(bytes, len, &view), VERDICT_OK);
    return view;
}

/* Adds a packet's fragments, each written into a buffer of exactly the MTU. */
static enum verdict cut(const uint8_t *bytes, const struct ip_view *view, uint32_t mtu,
                        struct pieces *pieces)
{
    struct fragment fragment;
    enum verdict verdict = fragment_init(&fragment, bytes, view, mtu);
    if (verdict != VERDICT_OK)
        return verdict;
    while (!fragment_is_finished(&fragment) && CHECK(pieces->count < PIECES_MOST)) {
        uint8_t *room = malloc(mtu);
        struct packet packet = {.data = room, .floor = room, .ceiling = room + mtu};
        fragment_next(&fragment, &packet);
        CHECK(packet.len_bytes <= mtu);
        CHECK_EQUAL(load_be16(room + 2), packet.len_bytes);
        CHECK_EQUAL(sample_sum(0, room, (size_t)(room[0] & 15) * 4), 0xffff);
        pieces->bytes[pieces->count] = room;
        pieces->len[pieces->count++] = packet.len_bytes;
    }
    return VERDICT_OK;
}

static void pieces_wipe(struct pieces *pieces)
{
    for (size_t i = 0; i < pieces->count; i++)
        free(pieces->bytes[i]);
    pieces->count = 0;
}

/* The payloads at their offsets, without a gap; true when the last says that more comes. */
static bool join(const struct pieces *pieces, uint32_t first_offset, uint8_t *payload, size_t *len)
{
    bool has_more = true;
    *len = 0;
    for (size_t i = 0; i < pieces->count; i++) {
        struct ip_view view = parse(pieces->bytes[i], pieces->len[i]);
        CHECK(has_more);
        CHECK_EQUAL(view.fragment_offset_bytes, first_offset + *len);
        size_t part = view.len_bytes - view.transport_offset;
        CHECK(i + 1 == pieces->count || part % 8 == 0);
        memcpy(payload + *len, pieces->bytes[i] + view.transport_offset, part);
        *len += part;
        has_more = view.has_more_fragments;
    }
    return has_more;
}

/* A recipe's options: half of them copied into every fragment, half of them not. */
static void set_options(struct recipe *recipe)
{
    recipe->options_len = 4 * tap_random_below(11);
    for (size_t at = 0; at < recipe->options_len;) {
        size_t left = recipe->options_len - at;
        size_t len = left < 2 || tap_random_below(3) == 0 ? 1 : 2 + tap_random_below(left - 1);
        memset(recipe->options + at, 0x55, len);
        recipe->options[at] = 1; /* NOP */
        if (len > 1) {
            recipe->options[at] = tap_random_below(2) ? 0x94 : 0x44; /* copied, not copied */
            recipe->options[at + 1] = (uint8_t)len;
        }
        at += len;
    }
}

static void make(struct recipe *recipe)
{
    recipe_random(recipe, FAMILY_IPV4);
    set_options(recipe);
    recipe->payload_len = tap_random_below(sizeof(recipe->payload));
}

static void test_d5_fragments_give_the_packet_back(void)
{
    for (unsigned round = 0; round < 4000; round++) {
        static struct recipe recipe;
        struct pieces pieces = {.count = 0};
        uint8_t payload[RECIPE_MOST_BYTES];
        size_t len, joined;
        make(&recipe);
        uint8_t *bytes = recipe_write_new(&recipe, &len);
        struct ip_view view = parse(bytes, len);
        uint32_t mtu = view.transport_offset + 8 + (uint32_t)tap_random_below(600);
        CHECK_EQUAL(cut(bytes, &view, mtu, &pieces), VERDICT_OK);
        bool has_more = join(&pieces, view.fragment_offset_bytes, payload, &joined);
        CHECK_EQUAL(has_more, view.has_more_fragments);
        CHECK_EQUAL(joined, len - view.transport_offset);
        CHECK_BYTES(payload, bytes + view.transport_offset, joined);
        CHECK_EQUAL(pieces.count > 1, len > mtu);
        pieces_wipe(&pieces);
        free(bytes);
    }
}

static void test_d5_a_fragment_is_cut_further(void)
{
    for (unsigned round = 0; round < 2000; round++) {
        static struct recipe recipe;
        struct pieces pieces = {.count = 0}, smaller = {.count = 0};
        uint8_t payload[RECIPE_MOST_BYTES];
        size_t len, joined;
        make(&recipe);
        recipe.fragment = RECIPE_WHOLE;
        uint8_t *bytes = recipe_write_new(&recipe, &len);
        struct ip_view view = parse(bytes, len);
        cut(bytes, &view, 300 + (uint32_t)tap_random_below(600), &pieces);
        uint32_t mtu = view.transport_offset + 8 + (uint32_t)tap_random_below(200);
        for (size_t i = 0; i < pieces.count; i++) {
            struct ip_view piece = parse(pieces.bytes[i], pieces.len[i]);
            CHECK_EQUAL(cut(pieces.bytes[i], &piece, mtu, &smaller), VERDICT_OK);
        }
        CHECK(!join(&smaller, 0, payload, &joined));
        CHECK_EQUAL(joined, len - view.transport_offset);
        CHECK_BYTES(payload, bytes + view.transport_offset, joined);
        pieces_wipe(&pieces);
        pieces_wipe(&smaller);
        free(bytes);
    }
}

static void test_d5_a_packet_that_fits_stays_as_it_is(void)
{
    static struct recipe recipe;
    for (unsigned round = 0; round < 200; round++) {
        struct pieces pieces = {.count = 0};
        size_t len;
        make(&recipe);
        if (round == 0)
            recipe.payload_len = 0, recipe.protocol = IP_PROTOCOL_ESP;
        uint8_t *bytes = recipe_write_new(&recipe, &len);
        struct ip_view view = parse(bytes, len);
        CHECK_EQUAL(cut(bytes, &view, (uint32_t)len + 8, &pieces), VERDICT_OK);
        CHECK_EQUAL(pieces.count, 1);
        CHECK_EQUAL(pieces.len[0], len);
        CHECK_BYTES(pieces.bytes[0], bytes, len);
        pieces_wipe(&pieces);
        free(bytes);
    }
}

static void test_d5_later_fragments_have_only_the_copied_options(void)
{
    static struct recipe recipe;
    struct pieces pieces = {.count = 0};
    uint8_t copied[8];
    size_t len;
    make(&recipe);
    recipe.fragment = RECIPE_WHOLE;
    recipe.protocol = IP_PROTOCOL_ESP;
    recipe.payload_len = 1000;
    recipe.options_len = tap_hex("44 04 05 00  01  94 04 00 00  01  82 03 07  00 00 00",
                                 recipe.options, sizeof(recipe.options));
    CHECK_EQUAL(recipe.options_len, 16);
    tap_hex("94 04 00 00 82 03 07 00", copied, sizeof(copied));
    uint8_t *bytes = recipe_write_new(&recipe, &len);
    struct ip_view view = parse(bytes, len);
    CHECK_EQUAL(cut(bytes, &view, 400, &pieces), VERDICT_OK);
    CHECK_EQUAL(pieces.count, 3);
    CHECK_BYTES(pieces.bytes[0] + 20, recipe.options, 16);
    for (size_t i = 1; i < pieces.count; i++) {
        CHECK_EQUAL(pieces.bytes[i][0], 0x40 | 7);
        CHECK_BYTES(pieces.bytes[i] + 20, copied, 8);
        CHECK_BYTES(pieces.bytes[i] + 4, bytes + 4, 2);
        CHECK_BYTES(pieces.bytes[i] + 8, bytes + 8, 2);
        CHECK_BYTES(pieces.bytes[i] + 12, bytes + 12, 8);
    }
    pieces_wipe(&pieces);
    free(bytes);
}

static void test_d5_df_ipv6_and_tiny_mtu_are_too_big(void)
{
    static struct recipe recipe;
    struct fragment fragment;
    uint8_t bytes[RECIPE_MOST_BYTES];
    make(&recipe);
    recipe.options_len = 40;
    memset(recipe.options, 1, 40);
    size_t len = recipe_write(&recipe, bytes);
    struct ip_view view = parse(bytes, len);
    CHECK_EQUAL(fragment_init(&fragment, bytes, &view, 67), VERDICT_TOO_BIG);
    CHECK_EQUAL(fragment_init(&fragment, bytes, &view, 68), VERDICT_OK);
    bytes[6] |= 0x40;
    view = parse(bytes, len);
    CHECK_EQUAL(fragment_init(&fragment, bytes, &view, 576), VERDICT_TOO_BIG);
    recipe_random(&recipe, FAMILY_IPV6);
    len = recipe_write(&recipe, bytes);
    view = parse(bytes, len);
    CHECK_EQUAL(fragment_init(&fragment, bytes, &view, 1280), VERDICT_TOO_BIG);
}

static void test_d5_a_fragment_past_the_end_of_any_packet_is_malformed(void)
{
    static struct recipe recipe;
    struct fragment fragment;
    uint8_t bytes[RECIPE_MOST_BYTES];
    struct ip_view view;
    make(&recipe);
    recipe.fragment = RECIPE_LATER;
    recipe.options_len = 0;
    recipe.payload_len = 100;
    size_t len = recipe_write(&recipe, bytes);
    store_be16(bytes + 6, 0x1fff);
    CHECK_EQUAL(ip_parse_quoted(bytes, len, &view), VERDICT_OK);
    CHECK_EQUAL(fragment_init(&fragment, bytes, &view, 60), VERDICT_MALFORMED);
}

static void test_hostile_packets_never_harm(void)
{
    for (unsigned round = 0; round < 20000; round++) {
        static struct recipe recipe;
        struct pieces pieces = {.count = 0};
        uint8_t packet[RECIPE_MOST_BYTES];
        make(&recipe);
        size_t len = 1 + tap_random_below(recipe_write(&recipe, packet));
        for (uint64_t flips = tap_random_below(6); flips; flips--)
            packet[tap_random_below(len < 60 ? len : 60)] = (uint8_t)tap_random();
        uint8_t *bytes = malloc(len);
        memcpy(bytes, packet, len);
        struct ip_view view;
        if (ip_parse(bytes, len, &view) == VERDICT_OK)
            cut(bytes, &view, (uint32_t)tap_random_below(400), &pieces);
        pieces_wipe(&pieces);
        free(bytes);
    }
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_d5_fragments_give_the_packet_back);
    TAP_RUN(argc, argv, test_d5_a_fragment_is_cut_further);
    TAP_RUN(argc, argv, test_d5_a_packet_that_fits_stays_as_it_is);
    TAP_RUN(argc, argv, test_d5_later_fragments_have_only_the_copied_options);
    TAP_RUN(argc, argv, test_d5_df_ipv6_and_tiny_mtu_are_too_big);
    TAP_RUN(argc, argv, test_d5_a_fragment_past_the_end_of_any_packet_is_malformed);
    TAP_RUN(argc, argv, test_hostile_packets_never_harm);
    return tap_done();
}
