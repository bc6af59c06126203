/* SPDX-License-Identifier: MIT */
/* Time arithmetic. An instant is nanoseconds of CLOCK_BOOTTIME, always given by the caller. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

typedef uint64_t instant_ns;
typedef uint64_t duration_ns;

#define INSTANT_NEVER UINT64_MAX
#define NS_PER_S 1000000000ull
#define NS_PER_MS 1000000ull

/* Saturates at INSTANT_NEVER. */
static inline instant_ns instant_add(instant_ns instant, duration_ns duration)
{
    return instant > INSTANT_NEVER - duration ? INSTANT_NEVER : instant + duration;
}

/* The time since `then`; 0 when `then` lies ahead. */
static inline duration_ns instant_since(instant_ns then, instant_ns now)
{
    return now > then ? now - then : 0;
}

static inline bool instant_is_reached(instant_ns deadline, instant_ns now)
{
    return deadline != INSTANT_NEVER && now >= deadline;
}

static inline instant_ns instant_min(instant_ns a, instant_ns b)
{
    return a < b ? a : b;
}

#endif
