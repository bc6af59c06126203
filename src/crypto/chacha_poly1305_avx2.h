/* SPDX-License-Identifier: MIT */
/* A pass: the 20 rounds of ChaCha20 for eight blocks, and beside them Poly1305 of bytes that an
 * earlier pass was for. The first needs only the vector units and the second only the scalar ones,
 * so together they take little longer than the rounds alone. In assembly, since all 16 registers
 * of either kind are in use, and the order of the instructions is what makes it fast. */
#ifndef CRYPTO_CHACHA_POLY1305_AVX2_H
#define CRYPTO_CHACHA_POLY1305_AVX2_H

#include <stddef.h>

#include "crypto/chacha_avx2.h"
#include "crypto/poly1305_mulx.h"

/* The rounds go four at a time, and so many blocks of Poly1305 beside each four. */
#define PASS_STEPS 5
#define PASS_STEP_BLOCKS 6

/* What the assembly works on; it knows the offsets. */
struct pass {
    __m256i scratch[2];
    struct poly1305_mulx_key hash_keys[2];
    struct poly1305_mulx hashes[2];
    const uint8_t *at[2];      /* what to hash */
    uint64_t beside, alone;    /* steps with and without blocks, to do: counted down */
    uint8_t *stream;           /* CHACHA_AVX2_BYTES of it, aligned as a vector */
    struct chacha_avx2 chacha; /* left as it is */
};

_Static_assert(offsetof(struct pass, hash_keys) == 64 && sizeof(struct poly1305_mulx_key) == 40 &&
                   offsetof(struct poly1305_mulx_key, r0) == 0 &&
                   offsetof(struct poly1305_mulx_key, r1) == 8 &&
                   offsetof(struct poly1305_mulx_key, r1_folded) == 16 &&
                   offsetof(struct pass, hashes) == 144 && sizeof(struct poly1305_mulx) == 24 &&
                   offsetof(struct pass, at) == 192 && offsetof(struct pass, beside) == 208 &&
                   offsetof(struct pass, alone) == 216 && offsetof(struct pass, stream) == 224 &&
                   offsetof(struct pass, chacha) == 256,
               "as the assembly has it");

/* Makes the keystream of all eight blocks, the lower half's first. `beside` + `alone` is
 * PASS_STEPS. Beside a step either chain absorbs PASS_STEP_BLOCKS / 2. */
__attribute__((visibility("hidden"))) void chacha_poly1305_avx2_two(struct pass *pass);
/* The same, but the first chain alone absorbs PASS_STEP_BLOCKS. */
__attribute__((visibility("hidden"))) void chacha_poly1305_avx2_one(struct pass *pass);

#endif
