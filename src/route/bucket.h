/* SPDX-License-Identifier: MIT */
/* A token bucket under the caller's clock (RULES D3). Exact: no rounding, whatever the rate. */
#ifndef ROUTE_BUCKET_H
#define ROUTE_BUCKET_H

#include "base/clock.h"

struct bucket {
    uint64_t credit; /* in 1/10^9 of a token */
    instant_ns last;
    uint32_t rate_per_s;
    uint32_t burst;
};

/* Starts full. A rate of 0 never refills. */
void bucket_init(struct bucket *bucket, uint32_t rate_per_s, uint32_t burst);
/* Takes one token; false: there is none at `now`. A clock that goes back refills nothing. */
bool bucket_take(struct bucket *bucket, instant_ns now);

#endif
