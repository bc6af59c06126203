/* SPDX-License-Identifier: MIT */
/* Theory of operation (RFC 6479). The bit of counter c lives at c modulo REPLAY_BITS: a ring. When
 * the newest counter enters a new word, the words between are cleared, so that nothing is ever
 * shifted; the price is that the word being filled cannot hold old counters too, hence a window of
 * one word less than the ring. */
#include "wireguard/replay.h"

bool replay_accept(struct replay *replay, uint64_t counter)
{
    if (counter == UINT64_MAX) /* far above REJECT_AFTER_MESSAGES; `next` could not hold it */
        return false;
    if (counter >= replay->next) {
        /* of the word that the newest counter is in nothing is cleared; none is newest at first */
        uint64_t filled = replay->next ? (replay->next - 1) / 64 : 0;
        uint64_t fresh = counter / 64 - filled;
        if (fresh > REPLAY_WORDS)
            fresh = REPLAY_WORDS;
        for (uint64_t i = 0; i < fresh; i++)
            replay->words[(counter / 64 - i) % REPLAY_WORDS] = 0;
        replay->next = counter + 1;
    } else if (replay->next - 1 - counter > REPLAY_WINDOW) {
        return false;
    }
    uint64_t bit = 1ull << (counter % 64);
    uint64_t *word = &replay->words[counter / 64 % REPLAY_WORDS];
    if (*word & bit)
        return false;
    *word |= bit;
    return true;
}
