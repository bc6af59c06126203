/* SPDX-License-Identifier: MIT */
/* The flattened trie raced against rule A2 read out tunnel by tunnel. */
#include "route/routes.h"

#include <stdarg.h>
#include <stdio.h>

#include "tap.h"

#define TUNNELS_MOST 12
#define PREFIXES_MOST 6

/* A forest in text: prefixes as they stand in a configuration. */
struct forest {
    struct routes_tunnel tunnels[TUNNELS_MOST];
    struct prefix includes[TUNNELS_MOST][PREFIXES_MOST];
    struct prefix exceptions[TUNNELS_MOST][PREFIXES_MOST];
    size_t count;
};

static void forest_add(struct forest *forest, int carrier, const char *list)
{
    size_t at = forest->count++;
    struct routes_tunnel *tunnel = &forest->tunnels[at];
    *tunnel = (struct routes_tunnel){
        .carrier = carrier, .includes = forest->includes[at], .exceptions = forest->exceptions[at]};
    char copy[200], *rest = NULL;
    memcpy(copy, list, strlen(list) + 1);
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        if (*word == '!')
            CHECK(prefix_parse(word + 1, &forest->exceptions[at][tunnel->exception_count++]));
        else
            CHECK(prefix_parse(word, &forest->includes[at][tunnel->include_count++]));
    }
}

static struct routes forest_routes(const struct forest *forest)
{
    struct routes routes;
    struct routes_conflict conflict;
    CHECK(routes_init(&routes, tap_memory(), forest->tunnels, forest->count, &conflict));
    return routes;
}

static int lookup(const struct routes *routes, const char *text)
{
    struct address address;
    CHECK(address_parse(text, &address));
    return routes_lookup(routes, &address);
}

struct listing {
    char text[1000];
    size_t len;
};

static void list(struct listing *listing, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(listing->text + listing->len, sizeof(listing->text) - listing->len, format,
                        arguments);
    va_end(arguments);
    listing->len += (size_t)len;
}

static void list_route(void *context, const struct prefix *prefix, int winner)
{
    char text[PREFIX_TEXT_BYTES];
    list(context, "%s=%d ", prefix_format(prefix, text), winner);
}

static void list_loss(void *context, const struct routes_loss *loss)
{
    char text[PREFIX_TEXT_BYTES];
    list(context, "%s:%d>%d%s ", prefix_format(&loss->prefix, text), loss->loser, loss->winner,
         loss->was_longest ? "!" : "");
}

static void check_lists(const struct forest *forest, const char *walked, const char *lost)
{
    struct listing routes_listing = {0}, losses_listing = {0};
    struct routes routes = forest_routes(forest);
    routes_walk(&routes, list_route, &routes_listing);
    CHECK_TEXT(routes_listing.text, walked);
    CHECK(routes_walk_losses(tap_memory(), forest->tunnels, forest->count, list_loss,
                             &losses_listing));
    CHECK_TEXT(losses_listing.text, lost);
    routes_wipe(&routes);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

static void test_a1_longest_of_include_and_exception_wins(void)
{
    struct forest forest = {0};
    forest_add(&forest, -1, "0.0.0.0/0 10.2.3.0/24 !10.0.0.0/8 !10.2.3.4/32");
    struct routes routes = forest_routes(&forest);
    CHECK_EQUAL(lookup(&routes, "9.9.9.9"), 0);
    CHECK_EQUAL(lookup(&routes, "10.9.9.9"), ROUTES_THROW);
    CHECK_EQUAL(lookup(&routes, "10.2.3.5"), 0);
    CHECK_EQUAL(lookup(&routes, "10.2.3.4"), ROUTES_THROW);
    CHECK_EQUAL(lookup(&routes, "2001:db8::1"), ROUTES_NONE);
    routes_wipe(&routes);
    check_lists(&forest, "0.0.0.0/0=0 10.0.0.0/8=-2 10.2.3.0/24=0 10.2.3.4/32=-2 ", "");
}

static void test_a1_exception_beats_include_of_the_same_length(void)
{
    struct forest forest = {0};
    forest_add(&forest, -1, "10.0.0.0/8 !10.0.0.0/8");
    check_lists(&forest, "10.0.0.0/8=-2 ", "");
}

static void test_a1_exception_goes_to_another_tunnel_that_takes_it(void)
{
    struct forest forest = {0};
    forest_add(&forest, -1, "0.0.0.0/0");
    forest_add(&forest, 0, "0.0.0.0/0 !192.168.0.0/16");
    check_lists(&forest, "0.0.0.0/0=1 192.168.0.0/16=0 ", "0.0.0.0/0:0>1 ");
}

static void test_a1_tunnel_without_routes_only_carries(void)
{
    struct forest forest = {0};
    forest_add(&forest, -1, "");
    forest_add(&forest, 0, "10.20.0.0/16 fd00::/8");
    check_lists(&forest, "10.20.0.0/16=1 fd00::/8=1 ", "");
    struct routes routes = forest_routes(&(struct forest){0});
    CHECK_EQUAL(lookup(&routes, "10.20.0.0"), ROUTES_NONE);
    routes_wipe(&routes);
}

static void test_a2_carriers_longer_prefix_never_beats_what_it_carries(void)
{
    struct forest forest = {0};
    forest_add(&forest, -1, "0.0.0.0/1 128.0.0.0/1 203.0.113.0/24");
    forest_add(&forest, 0, "0.0.0.0/0");
    check_lists(&forest, "0.0.0.0/0=1 ", "0.0.0.0/1:0>1! 128.0.0.0/1:0>1! ");
}

static void test_a2_unrelated_tunnels_compete_as_routes_do(void)
{
    struct forest forest = {0};
    forest_add(&forest, -1, "0.0.0.0/0");
    forest_add(&forest, -1, "10.0.0.0/8");
    forest_add(&forest, 0, "10.0.0.0/9");
    forest_add(&forest, 1, "10.200.0.0/16");
    check_lists(&forest, "0.0.0.0/0=0 10.0.0.0/8=1 10.0.0.0/9=2 10.200.0.0/16=3 ",
                "10.0.0.0/9:0>2 10.200.0.0/16:1>3 ");
}

static void test_a2_same_prefix_on_unrelated_tunnels_is_refused(void)
{
    struct forest forest = {0};
    struct routes routes;
    struct routes_conflict conflict;
    char text[PREFIX_TEXT_BYTES];
    forest_add(&forest, -1, "0.0.0.0/0 fd00::/8");
    forest_add(&forest, 0, "10.0.0.0/8");
    forest_add(&forest, 0, "192.0.2.0/24 10.0.0.0/8");
    CHECK(!routes_init(&routes, tap_memory(), forest.tunnels, forest.count, &conflict));
    CHECK_EQUAL(conflict.tunnel, 1);
    CHECK_EQUAL(conflict.other, 2);
    CHECK_TEXT(prefix_format(&conflict.prefix, text), "10.0.0.0/8");
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

/* The tie appears only where an exception takes the third tunnel away. */
static void test_a2_hidden_tie_is_refused_with_the_prefix_that_both_claim(void)
{
    struct forest forest = {0};
    struct routes routes;
    struct routes_conflict conflict;
    char text[PREFIX_TEXT_BYTES];
    forest_add(&forest, -1, "10.0.0.0/8");
    forest_add(&forest, -1, "10.0.0.0/8");
    forest_add(&forest, 0, "0.0.0.0/0");
    CHECK(routes_init(&routes, tap_memory(), forest.tunnels, forest.count, &conflict));
    CHECK_EQUAL(lookup(&routes, "10.1.1.1"), 1);
    routes_wipe(&routes);
    forest.count = 2;
    forest_add(&forest, 0, "0.0.0.0/0 !10.64.0.0/10");
    CHECK(!routes_init(&routes, tap_memory(), forest.tunnels, forest.count, &conflict));
    CHECK_TEXT(prefix_format(&conflict.prefix, text), "10.0.0.0/8");
    CHECK_EQUAL(conflict.tunnel + conflict.other, 1);
}

static void test_a3_a_loss_is_told_again_after_a_part_that_is_kept(void)
{
    struct forest forest = {0};
    forest_add(&forest, -1, "0.0.0.0/0");
    forest_add(&forest, 0, "10.0.0.0/8 10.1.2.0/24 10.3.0.0/16 !10.1.0.0/16");
    check_lists(&forest, "0.0.0.0/0=0 10.0.0.0/8=1 10.1.0.0/16=0 10.1.2.0/24=1 ",
                "10.0.0.0/8:0>1 10.1.2.0/24:0>1 ");
}

static void test_a3_every_carrier_of_a_chain_loses(void)
{
    struct forest forest = {0};
    forest_add(&forest, 1, "0.0.0.0/0");
    forest_add(&forest, 2, "10.0.0.0/8");
    forest_add(&forest, -1, "0.0.0.0/0 172.16.0.0/12");
    check_lists(&forest, "0.0.0.0/0=0 ", "0.0.0.0/0:2>0 10.0.0.0/8:1>0! 172.16.0.0/12:2>0! ");
}

/* Inside the loss of its shorter prefix, whose length says nothing, the longer one is news. */
static void test_a3_a_longer_prefix_lost_inside_a_shorter_one_s_loss_is_told(void)
{
    struct forest forest = {0};
    forest_add(&forest, -1, "0.0.0.0/0 10.20.3.0/24 10.20.3.128/25 10.20.9.0/24 !10.20.9.0/25");
    forest_add(&forest, 0, "10.20.0.0/16");
    check_lists(&forest, "0.0.0.0/0=0 10.20.0.0/16=1 ",
                "10.20.0.0/16:0>1 10.20.3.0/24:0>1! 10.20.9.0/24:0>1! ");
}

static void test_a6_a_forest_has_several_roots(void)
{
    struct forest forest = {0};
    forest_add(&forest, -1, "0.0.0.0/0 ::/0");
    forest_add(&forest, -1, "192.168.7.0/24 fd07::/64");
    forest_add(&forest, 0, "10.20.0.0/16");
    check_lists(&forest, "0.0.0.0/0=0 10.20.0.0/16=2 192.168.7.0/24=1 ::/0=0 fd07::/64=1 ",
                "10.20.0.0/16:0>2 ");
}

/* ---- the naive twin ---- */

/* The length of the longest prefix of a list around `inner`, or -1. */
static int naive_longest(const struct prefix *prefixes, size_t count, const struct prefix *inner)
{
    int longest = -1;
    for (size_t i = 0; i < count; i++) {
        if (prefix_covers(&prefixes[i], inner) && prefixes[i].len_bits > longest)
            longest = prefixes[i].len_bits;
    }
    return longest;
}

static int naive_match(const struct forest *forest, size_t at, const struct prefix *inner)
{
    const struct routes_tunnel *tunnel = &forest->tunnels[at];
    int include = naive_longest(tunnel->includes, tunnel->include_count, inner);
    int exception = naive_longest(tunnel->exceptions, tunnel->exception_count, inner);
    return include > exception ? include : -1;
}

static bool naive_is_carried_by(const struct forest *forest, size_t at, size_t carrier)
{
    for (int above = forest->tunnels[at].carrier; above >= 0;
         above = forest->tunnels[above].carrier) {
        if ((size_t)above == carrier)
            return true;
    }
    return false;
}

static bool naive_is_struck(const struct forest *forest, size_t at, const struct prefix *inner)
{
    for (size_t i = 0; i < forest->count; i++) {
        if (naive_match(forest, i, inner) >= 0 && naive_is_carried_by(forest, i, at))
            return true;
    }
    return false;
}

#define NAIVE_CONFLICT (-3)

static int naive_winner(const struct forest *forest, const struct prefix *inner)
{
    int winner = ROUTES_NONE, longest = -1, ties = 0;
    bool is_excepted = false;
    for (size_t i = 0; i < forest->count; i++) {
        const struct routes_tunnel *tunnel = &forest->tunnels[i];
        is_excepted |= naive_longest(tunnel->exceptions, tunnel->exception_count, inner) >= 0;
        int match = naive_match(forest, i, inner);
        if (match < 0 || naive_is_struck(forest, i, inner) || match < longest)
            continue;
        ties = match == longest ? ties + 1 : 0;
        winner = match == longest ? winner : (int)i;
        longest = match;
    }
    if (ties)
        return NAIVE_CONFLICT;
    return winner == ROUTES_NONE && is_excepted ? ROUTES_THROW : winner;
}

static bool naive_has_conflict(const struct forest *forest)
{
    for (size_t i = 0; i < forest->count; i++) {
        const struct routes_tunnel *tunnel = &forest->tunnels[i];
        for (size_t k = 0; k < tunnel->include_count; k++) {
            if (naive_winner(forest, &tunnel->includes[k]) == NAIVE_CONFLICT)
                return true;
        }
        for (size_t k = 0; k < tunnel->exception_count; k++) {
            if (naive_winner(forest, &tunnel->exceptions[k]) == NAIVE_CONFLICT)
                return true;
        }
    }
    return false;
}

/* Few bits, at the front of IPv4 and at both ends of IPv6: prefixes that meet and nest often. */
static struct prefix random_prefix(void)
{
    struct prefix prefix = {.address.family = tap_random_below(3) ? FAMILY_IPV4 : FAMILY_IPV6};
    bool is_low = prefix.address.family == FAMILY_IPV6 && tap_random_below(2);
    prefix.address.bytes[is_low ? 15 : 0] = (uint8_t)tap_random();
    prefix.len_bits = (uint8_t)(tap_random_below(6) + (is_low ? 123 : 0));
    prefix_mask(&prefix);
    return prefix;
}

static unsigned depth_of(const struct forest *forest, int at)
{
    unsigned depth = 0;
    for (; at >= 0; at = forest->tunnels[at].carrier)
        depth++;
    return depth;
}

static void forest_fill(struct forest *forest, uint64_t prefixes)
{
    *forest = (struct forest){.count = 1 + tap_random_below(TUNNELS_MOST)};
    bool is_chain = tap_random_below(3) == 0;
    for (size_t i = 0; i < forest->count; i++) {
        struct routes_tunnel *tunnel = &forest->tunnels[i];
        /* 0: a root; else one of those before it, the last one in a chain */
        uint64_t choice = is_chain ? i : tap_random_below(i + 1);
        tunnel->carrier = depth_of(forest, (int)choice - 1) < 8 ? (int)choice - 1 : -1;
        tunnel->includes = forest->includes[i];
        tunnel->exceptions = forest->exceptions[i];
        tunnel->include_count = tap_random_below(prefixes + 1);
        tunnel->exception_count = tap_random_below(3) ? 0 : tap_random_below(prefixes + 1);
        for (size_t k = 0; k < PREFIXES_MOST; k++) {
            forest->includes[i][k] = random_prefix();
            forest->exceptions[i][k] = random_prefix();
        }
    }
}

struct naive_walk {
    const struct forest *forest;
    struct prefix prefixes[200];
    size_t count;
};

static void check_route(void *context, const struct prefix *prefix, int winner)
{
    struct naive_walk *walk = context;
    CHECK_EQUAL(winner, naive_winner(walk->forest, prefix));
    CHECK(winner != ROUTES_NONE);
    CHECK(walk->count < 200);
    walk->prefixes[walk->count++] = *prefix;
}

struct naive_losses {
    const struct forest *forest;
    struct routes_loss losses[500];
    size_t count;
};

static void check_loss(void *context, const struct routes_loss *loss)
{
    struct naive_losses *told = context;
    const struct forest *forest = told->forest;
    CHECK(told->count < 500);
    told->losses[told->count++] = *loss;
    CHECK_EQUAL(naive_winner(forest, &loss->prefix), loss->winner);
    CHECK(naive_match(forest, (size_t)loss->loser, &loss->prefix) >= 0);
    CHECK(naive_is_struck(forest, (size_t)loss->loser, &loss->prefix));
}

/* Every include that its tunnel loses lies in a loss that was told, the closest to who has it. */
static void check_losses(const struct forest *forest)
{
    struct naive_losses told = {.forest = forest};
    CHECK(routes_walk_losses(tap_memory(), forest->tunnels, forest->count, check_loss, &told));
    for (size_t i = 0; i < forest->count; i++) {
        for (size_t k = 0; k < forest->tunnels[i].include_count; k++) {
            const struct prefix *lost = &forest->includes[i][k];
            const struct routes_loss *closest = NULL;
            if (naive_match(forest, i, lost) < 0 || !naive_is_struck(forest, i, lost))
                continue;
            for (size_t l = 0; l < told.count; l++) {
                const struct routes_loss *loss = &told.losses[l];
                if (loss->loser == (int)i && prefix_covers(&loss->prefix, lost) &&
                    (!closest || loss->prefix.len_bits > closest->prefix.len_bits))
                    closest = loss;
            }
            CHECK(closest && closest->winner == naive_winner(forest, lost));
        }
    }
}

static void test_a2_trie_equals_the_rule_read_out(void)
{
    unsigned accepted = 0, refused = 0;
    for (unsigned round = 0; round < 4000; round++) {
        struct forest forest;
        struct routes routes;
        struct routes_conflict conflict;
        forest_fill(&forest, 1 + tap_random_below(PREFIXES_MOST));
        bool is_made = routes_init(&routes, tap_memory(), forest.tunnels, forest.count, &conflict);
        if (!CHECK_EQUAL(is_made, !naive_has_conflict(&forest)))
            return;
        if (!is_made) {
            refused++;
            struct prefix *other = forest.includes[conflict.other];
            CHECK(naive_longest(forest.includes[conflict.tunnel],
                                forest.tunnels[conflict.tunnel].include_count,
                                &conflict.prefix) == conflict.prefix.len_bits);
            CHECK(naive_longest(other, forest.tunnels[conflict.other].include_count,
                                &conflict.prefix) == conflict.prefix.len_bits);
            continue;
        }
        accepted++;
        for (unsigned probe = 0; probe < 40; probe++) {
            struct prefix host = random_prefix();
            host = prefix_host(&host.address);
            CHECK_EQUAL(routes_lookup(&routes, &host.address), naive_winner(&forest, &host));
        }
        struct naive_walk walk = {.forest = &forest};
        routes_walk(&routes, check_route, &walk);
        CHECK_EQUAL(walk.count, routes.trie.prefixes);
        check_losses(&forest);
        routes_wipe(&routes);
    }
    CHECK(accepted > 200 && refused > 200);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

/* No memory, at whatever allocation, is told and leaks nothing. */
static unsigned takes_left;

static void *take_few(void *context, size_t bytes)
{
    const struct memory *memory = context;
    return takes_left && takes_left-- ? memory_take(memory, bytes) : NULL;
}

static void give_back(void *context, void *pointer, size_t bytes)
{
    memory_give(context, pointer, bytes);
}

static void test_no_memory_is_told(void)
{
    struct forest forest = {0};
    forest_add(&forest, -1, "10.0.0.0/8 192.168.0.0/16");
    forest_add(&forest, 0, "0.0.0.0/0 fd00::/8");
    struct memory memory = {take_few, give_back, (void *)(uintptr_t)tap_memory()};
    unsigned takes = 0;
    for (bool is_made = false; !is_made && takes < 50; takes++) {
        struct routes routes;
        struct routes_conflict conflict = {.tunnel = 5};
        takes_left = takes;
        is_made = routes_init(&routes, &memory, forest.tunnels, forest.count, &conflict);
        if (is_made)
            routes_wipe(&routes);
        else
            CHECK_EQUAL(conflict.tunnel, -1);
        CHECK_EQUAL(tap_memory_balance_bytes(), 0);
    }
    CHECK(takes > 4 && takes < 50);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_a1_longest_of_include_and_exception_wins);
    TAP_RUN(argc, argv, test_a1_exception_beats_include_of_the_same_length);
    TAP_RUN(argc, argv, test_a1_exception_goes_to_another_tunnel_that_takes_it);
    TAP_RUN(argc, argv, test_a1_tunnel_without_routes_only_carries);
    TAP_RUN(argc, argv, test_a2_carriers_longer_prefix_never_beats_what_it_carries);
    TAP_RUN(argc, argv, test_a2_unrelated_tunnels_compete_as_routes_do);
    TAP_RUN(argc, argv, test_a2_same_prefix_on_unrelated_tunnels_is_refused);
    TAP_RUN(argc, argv, test_a2_hidden_tie_is_refused_with_the_prefix_that_both_claim);
    TAP_RUN(argc, argv, test_a3_a_loss_is_told_again_after_a_part_that_is_kept);
    TAP_RUN(argc, argv, test_a3_every_carrier_of_a_chain_loses);
    TAP_RUN(argc, argv, test_a3_a_longer_prefix_lost_inside_a_shorter_one_s_loss_is_told);
    TAP_RUN(argc, argv, test_a6_a_forest_has_several_roots);
    TAP_RUN(argc, argv, test_a2_trie_equals_the_rule_read_out);
    TAP_RUN(argc, argv, test_no_memory_is_told);
    return tap_done();
}
