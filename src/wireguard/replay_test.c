/* SPDX-License-Identifier: MIT */
/* The ring of words raced against one byte per counter. */
#include "wireguard/replay.h"

#include <string.h>

#include "tap.h"

static void test_window_has_exact_edges(void)
{
    static const struct {
        uint64_t counter;
        bool is_accepted;
    } steps[] = {
        {0, true},
        {0, false},
        {1, true},
        {1, false},
        {9, true},
        {8, true},
        {7, true},
        {7, false},
        {8, false},
        {2, true},
        {63, true},
        {64, true},
        {63, false},
        /* the newest is REPLAY_WINDOW: exactly 0 is still within, and was seen */
        {REPLAY_WINDOW, true},
        {0, false},
        {3, true},
        {3, false},
        /* the newest one more: 1 is the oldest */
        {REPLAY_WINDOW + 4, true},
        {4, true},
        {3, false},
        {4, false},
        {5, true},
        /* a jump by a whole ring forgets everything, and lets nothing old in */
        {3 * REPLAY_BITS, true},
        {3 * REPLAY_BITS - REPLAY_WINDOW - 1, false},
        {3 * REPLAY_BITS - REPLAY_WINDOW, true},
        {3 * REPLAY_BITS - REPLAY_WINDOW, false},
        {3 * REPLAY_BITS - 1, true},
        {3 * REPLAY_BITS - 1, false},
        /* the last word before a boundary */
        {4 * REPLAY_BITS - 1, true},
        {4 * REPLAY_BITS - 1 - REPLAY_WINDOW, true},
        {4 * REPLAY_BITS - 2 - REPLAY_WINDOW, false},
        {4 * REPLAY_BITS, true},
        /* the far end */
        {UINT64_MAX - 1, true},
        {UINT64_MAX - 1, false},
        {UINT64_MAX, false},
        {0, false},
        {UINT64_MAX - 1 - REPLAY_WINDOW, true},
        {UINT64_MAX - 2 - REPLAY_WINDOW, false},
    };
    struct replay replay = {0};
    for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (!CHECK_EQUAL(replay_accept(&replay, steps[i].counter), steps[i].is_accepted))
            CHECK_EQUAL(i, -1); /* names the step */
    }
}

#define SPAN 400000

static void race_with_bytes(uint64_t base)
{
    static uint8_t seen[SPAN];
    memset(seen, 0, sizeof(seen));
    struct replay replay = {0};
    int64_t newest = -1;
    for (unsigned step = 0; step < 60000; step++) {
        uint64_t back = tap_random_below(tap_random_below(4) ? 100 : REPLAY_WINDOW + 200);
        uint64_t forward = tap_random_below(200) ? tap_random_below(8) : tap_random_below(9000);
        int64_t offset = newest + (int64_t)forward - (int64_t)(tap_random_below(2) ? back : 0);
        if (offset < 0 || offset >= SPAN)
            continue;
        bool is_fresh = !seen[offset] && newest - offset <= REPLAY_WINDOW;
        if (!CHECK_EQUAL(replay_accept(&replay, base + (uint64_t)offset), is_fresh))
            return;
        seen[offset] |= is_fresh;
        if (offset > newest)
            newest = offset;
    }
}

static void test_window_equals_naive_set(void)
{
    race_with_bytes(0);
    race_with_bytes((1ull << 60) + tap_random_below(1000));
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_window_has_exact_edges);
    TAP_RUN(argc, argv, test_window_equals_naive_set);
    return tap_done();
}
