/* SPDX-License-Identifier: MIT */
/* The replay window: 8192 bits (RFC 6479's ring of words). Whitepaper 5.4.6. */
#ifndef WIREGUARD_REPLAY_H
#define WIREGUARD_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#define REPLAY_BITS 8192
#define REPLAY_WORDS (REPLAY_BITS / 64)
/* One word is always being refilled, so this many counters behind the newest are accepted. */
#define REPLAY_WINDOW (REPLAY_BITS - 64)

struct replay {
    uint64_t next; /* one above the newest counter seen; 0: none */
    uint64_t words[REPLAY_WORDS];
};

/* True, and remembered, when the counter of an authenticated message was not seen before. */
bool replay_accept(struct replay *replay, uint64_t counter);

#endif
