/* SPDX-License-Identifier: MIT */
/* Poly1305 (RFC 8439 2.5) a block at a time in radix 2^64, with the arithmetic of poly1305.c. A
 * block is one assembly statement: gcc 12 makes half as many moves again of the same in C, and what
 * runs beside it has no issue slots to spare. */
#ifndef CRYPTO_POLY1305_MULX_H
#define CRYPTO_POLY1305_MULX_H

#include <stdint.h>

#include "base/bytes.h"
#include "crypto/poly1305.h"

#define POLY1305_BLOCK_BYTES 16
#define POLY1305_MULX_INLINE static inline __attribute__((always_inline, target("bmi2")))

struct poly1305_mulx_key {
    uint64_t r0, r1; /* clamped */
    uint64_t r1_folded;
    uint64_t s0, s1;
};

/* The accumulator; h2 is at most 4 between blocks. */
struct poly1305_mulx {
    uint64_t h0, h1, h2;
};

POLY1305_MULX_INLINE void poly1305_mulx_key(struct poly1305_mulx_key *key,
                                            const uint8_t bytes[POLY1305_KEY_BYTES])
{
    key->r0 = load_le64(bytes) & 0x0ffffffc0fffffff;
    key->r1 = load_le64(bytes + 8) & 0x0ffffffc0ffffffc;
    key->r1_folded = key->r1 + (key->r1 >> 2);
    key->s0 = load_le64(bytes + 16);
    key->s1 = load_le64(bytes + 24);
}

/* Absorbs a whole block: h = (h + block + 2^128) * r, carried as far as the next block needs. */
POLY1305_MULX_INLINE void poly1305_mulx_block(struct poly1305_mulx *h,
                                              const struct poly1305_mulx_key *key,
                                              const uint8_t *bytes)
{
    typedef const uint8_t word[8]; /* at any alignment */
    uint64_t h0 = h->h0, h1 = h->h1, h2 = h->h2, t0, t1, t2, t3, t4, t5;
    __asm__("add %[low], %[h0]\n\t"
            "adc %[high], %[h1]\n\t"
            "adc $1, %[h2]\n\t"
            "mov %[r1], %%rdx\n\t"
            "mulx %[h0], %[t0], %[t1]\n\t"
            "mov %[r1_folded], %%rdx\n\t"
            "mulx %[h1], %[t2], %[t3]\n\t"
            "mov %[h2], %[t4]\n\t"
            "imul %%rdx, %[t4]\n\t"
            "mov %[r0], %%rdx\n\t"
            "mulx %[h0], %[h0], %[t5]\n\t"
            "imul %%rdx, %[h2]\n\t"
            "mulx %[h1], %[h1], %%rdx\n\t"
            "add %[t2], %[h0]\n\t"
            "adc %[t3], %[t5]\n\t"
            "add %[t0], %[h1]\n\t"
            "adc %[t1], %%rdx\n\t"
            "add %[t4], %[h1]\n\t"
            "adc $0, %%rdx\n\t"
            "add %[t5], %[h1]\n\t"
            "adc %%rdx, %[h2]\n\t" /* both carries and h2 * r0 stay below 2^64 */
            "mov %[h2], %[t0]\n\t"
            "shr $2, %[t0]\n\t"
            "and $3, %[h2]\n\t"
            "lea (%[t0], %[t0], 4), %[t0]\n\t" /* 2^130 is 5 */
            "add %[t0], %[h0]\n\t"
            "adc $0, %[h1]\n\t"
            "adc $0, %[h2]"
            : [h0] "+&r"(h0), [h1] "+&r"(h1), [h2] "+&r"(h2), [t0] "=&r"(t0), [t1] "=&r"(t1),
              [t2] "=&r"(t2), [t3] "=&r"(t3), [t4] "=&r"(t4), [t5] "=&r"(t5)
            : [low] "m"(*(word *)bytes), [high] "m"(*(word *)(bytes + 8)), [r0] "m"(key->r0),
              [r1] "m"(key->r1), [r1_folded] "m"(key->r1_folded)
            : "rdx", "cc");
    *h = (struct poly1305_mulx){h0, h1, h2};
}

POLY1305_MULX_INLINE void poly1305_mulx_final(const struct poly1305_mulx *h,
                                              const struct poly1305_mulx_key *key,
                                              uint8_t tag[POLY1305_TAG_BYTES])
{
    typedef unsigned __int128 wide;
    /* h + 5 - 2^130 is what h is modulo p, if it is not negative: then bit 130 of h + 5 is set. */
    wide sum = (wide)h->h0 + 5;
    uint64_t g0 = (uint64_t)sum;
    sum = (wide)h->h1 + (uint64_t)(sum >> 64);
    uint64_t g1 = (uint64_t)sum;
    uint64_t take_g = 0 - ((h->h2 + (uint64_t)(sum >> 64)) >> 2);
    sum = (wide)((h->h0 & ~take_g) | (g0 & take_g)) + key->s0;
    store_le64(tag, (uint64_t)sum);
    sum = (wide)((h->h1 & ~take_g) | (g1 & take_g)) + key->s1 + (uint64_t)(sum >> 64);
    store_le64(tag + 8, (uint64_t)sum);
}

#endif
