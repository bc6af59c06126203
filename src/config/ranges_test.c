/* SPDX-License-Identifier: MIT */
#include "config/ranges.h"

#include <string.h>

#include "tap.h"

static bool cover(const char *list, const char *wanted)
{
    struct prefix prefixes[8], prefix;
    struct peer_description peer = {.allowed_ips = prefixes};
    struct tunnel_description tunnel = {.peers = &peer, .peer_count = 1};
    char copy[200];
    strcpy(copy, list);
    for (char *item = strtok(copy, " "); item; item = strtok(NULL, " "))
        CHECK(prefix_parse(item, &prefixes[peer.allowed_ips_count++]));
    CHECK(prefix_parse(wanted, &prefix));
    struct arena arena;
    struct ranges ranges;
    arena_init(&arena, tap_memory());
    CHECK(ranges_of_peers(&ranges, &arena, &tunnel));
    bool is_covered = ranges_cover(&ranges, &prefix);
    arena_wipe(&arena);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
    return is_covered;
}

static void test_unions_cover(void)
{
    CHECK(cover("0.0.0.0/0", "0.0.0.0/0"));
    CHECK(cover("128.0.0.0/1 0.0.0.0/1", "0.0.0.0/0"));
    CHECK(cover("::/1 8000::/1", "::/0"));
    CHECK(cover("10.0.0.0/9 10.128.0.0/10 10.192.0.0/10", "10.0.0.0/8"));
    CHECK(cover("10.0.0.0/8 10.1.0.0/16", "10.2.0.0/16"));
    CHECK(cover("255.255.255.255/32 ::/128", "::/128"));
}

static void test_gaps_do_not(void)
{
    CHECK(!cover("", "0.0.0.0/0"));
    CHECK(!cover("0.0.0.0/0", "::/0"));
    CHECK(!cover("::/0", "0.0.0.0/32"));
    CHECK(!cover("0.0.0.0/1 128.0.0.0/2", "0.0.0.0/0"));
    CHECK(!cover("10.0.0.0/9 10.129.0.0/16", "10.0.0.0/8"));
    CHECK(!cover("10.0.0.0/8", "9.0.0.0/8"));
    CHECK(!cover("255.255.255.255/32", "::/128"));
}

/* Raced against asking for each address in turn. */
static void test_random_unions_agree_with_counting(void)
{
    for (unsigned round = 0; round < 500; round++) {
        struct prefix prefixes[6], wanted = {.address.family = FAMILY_IPV4};
        struct peer_description peer = {.allowed_ips = prefixes, .allowed_ips_count = 6};
        struct tunnel_description tunnel = {.peers = &peer, .peer_count = 1};
        for (unsigned i = 0; i < 7; i++) {
            struct prefix *prefix = i < 6 ? &prefixes[i] : &wanted;
            *prefix = (struct prefix){.address.family = FAMILY_IPV4};
            prefix->address.bytes[3] = (uint8_t)tap_random_below(16);
            prefix->len_bits = (uint8_t)(28 + tap_random_below(5));
            prefix_mask(prefix);
        }
        bool expected = true;
        for (unsigned host = 0; host < 16; host++) {
            struct address address = {.family = FAMILY_IPV4, .bytes = {0, 0, 0, (uint8_t)host}};
            bool is_inside = !prefix_contains(&wanted, &address);
            for (unsigned i = 0; i < 6; i++)
                is_inside |= prefix_contains(&prefixes[i], &address);
            expected &= is_inside;
        }
        struct arena arena;
        struct ranges ranges;
        arena_init(&arena, tap_memory());
        CHECK(ranges_of_peers(&ranges, &arena, &tunnel));
        CHECK(ranges_cover(&ranges, &wanted) == expected);
        arena_wipe(&arena);
    }
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_unions_cover);
    TAP_RUN(argc, argv, test_gaps_do_not);
    TAP_RUN(argc, argv, test_random_unions_agree_with_counting);
    return tap_done();
}
