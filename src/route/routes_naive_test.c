/* SPDX-License-Identifier: MIT */
/* The flattened trie raced against rule A2 read out tunnel by tunnel. */
#include "rigs/forest.h"
#include "tap.h"

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

/* RULES A1: what somebody wrote longer than a half is in the kernel by something longer than a
 * half. */
static void check_written(const struct forest *forest, const struct prefix *walked, size_t count)
{
    for (size_t i = 0; i < forest->count; i++) {
        for (size_t k = 0; k < forest->tunnels[i].include_count; k++) {
            const struct prefix *written = &forest->includes[i][k];
            if (written->len_bits > 1 && naive_match(forest, i, written) >= 0)
                CHECK(naive_longest(walked, count, written) > 1);
        }
    }
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
        check_written(&forest, walk.prefixes, walk.count);
        check_losses(&forest);
        routes_wipe(&routes);
    }
    CHECK(accepted > 200 && refused > 200);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_a2_trie_equals_the_rule_read_out);
    return tap_done();
}
