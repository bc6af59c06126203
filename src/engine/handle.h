/* SPDX-License-Identifier: MIT */
/* A tunnel and a peer for their life, whatever else comes and goes: numbers are given again once
 * their owner is gone, generations never, of either. Generation 0: there is none. */
#ifndef ENGINE_HANDLE_H
#define ENGINE_HANDLE_H

#include <stdint.h>

struct tunnel_handle {
    uint32_t tunnel;
    uint32_t generation;
};

struct peer_handle {
    uint32_t tunnel;
    uint32_t peer;
    uint32_t generation; /* the peer's */
};

#endif
