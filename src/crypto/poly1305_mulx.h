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

/* The assembly knows where r is. */
struct poly1305_mulx_key {
    uint64_t r0, r1;    /* clamped */
    uint64_t r1_folded; /* r1 * 5 / 4: 2^128 * r1, modulo 2^130 - 5 */
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
    typedef const uint8_t block[POLY1305_BLOCK_BYTES]; /* at any alignment */
    uint64_t h0 = h->h0, h1 = h->h1, h2 = h->h2, t0, t1, t2, t3, t4;
    __asm__("add (%[bytes]), %[h0]\n\t"
            "adc 8(%[bytes]), %[h1]\n\t"
            "adc $1, %[h2]\n\t"
            "mov %[h0], %%rdx\n\t"
            "mulx (%[key]), %[h0], %[t0]\n\t"
            "mulx 8(%[key]), %[t1], %[t2]\n\t"
            "mov %[h1], %%rdx\n\t"
            "mulx 16(%[key]), %[t3], %[t4]\n\t"
            "mulx (%[key]), %[h1], %%rdx\n\t"
            "add %[t3], %[h0]\n\t"
            "adc %[t4], %[t0]\n\t"
            "mov %[h2], %[t3]\n\t"
            "imul 16(%[key]), %[t3]\n\t"
            "imul (%[key]), %[h2]\n\t"
            "add %[t1], %[h1]\n\t"
            "adc %[t2], %%rdx\n\t"
            "add %[t3], %[t0]\n\t" /* three upper halves, below 2^64 */
            "add %[t0], %[h1]\n\t"
            "adc %%rdx, %[h2]\n\t"
            "mov %[h2], %[t0]\n\t"
            "shr $2, %[t0]\n\t"
            "and $3, %[h2]\n\t"
            "lea (%[t0], %[t0], 4), %[t0]\n\t" /* 2^130 is 5 */
            "add %[t0], %[h0]\n\t"
            "adc $0, %[h1]\n\t"
            "adc $0, %[h2]"
            : [h0] "+&r"(h0), [h1] "+&r"(h1), [h2] "+&r"(h2), [t0] "=&r"(t0), [t1] "=&r"(t1),
              [t2] "=&r"(t2), [t3] "=&r"(t3), [t4] "=&r"(t4)
            : [bytes] "r"(bytes), [key] "r"(key), "m"(*(block *)bytes), "m"(*key)
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
