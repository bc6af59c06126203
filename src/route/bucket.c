/* SPDX-License-Identifier: MIT */
#include "route/bucket.h"

/* Credit is counted in nanoseconds times tokens a second, so nothing is ever divided. */
#define TOKEN NS_PER_S

void bucket_init(struct bucket *bucket, uint32_t rate_per_s, uint32_t burst)
{
    *bucket = (struct bucket){
        .credit = burst * TOKEN,
        .rate_per_s = rate_per_s,
        .burst = burst,
    };
}

bool bucket_take(struct bucket *bucket, instant_ns now)
{
    uint64_t full = bucket->burst * TOKEN;
    uint64_t earned;
    if (__builtin_mul_overflow(instant_since(bucket->last, now), bucket->rate_per_s, &earned) ||
        earned > full - bucket->credit)
        bucket->credit = full;
    else
        bucket->credit += earned;
    if (now > bucket->last)
        bucket->last = now;
    if (bucket->credit < TOKEN)
        return false;
    bucket->credit -= TOKEN;
    return true;
}
