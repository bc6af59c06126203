/* SPDX-License-Identifier: MIT */
/* The caller's source of random bytes: no floor below io/ has one of its own. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct random_source {
    /* Fills `len` bytes; cannot fail (the daemon ends itself when the kernel has none). */
    void (*fill)(void *context, uint8_t *bytes, size_t len);
    void *context;
};

static inline void random_fill(const struct random_source *random, void *bytes, size_t len)
{
    random->fill(random->context, bytes, len);
}

static inline uint32_t random_u32(const struct random_source *random)
{
    uint32_t value;
    random_fill(random, &value, sizeof(value));
    return value;
}

#endif
