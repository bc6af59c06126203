/* SPDX-License-Identifier: MIT */
/* The accumulator is kept in radix 2^64 and only partly reduced. Clamping makes r[1] a multiple of
 * 4 and both halves of r less than 2^60: so 2^128 * r[1] = 2^130 * (r[1] / 4), which is
 * 5 * (r[1] / 4) modulo 2^130 - 5, and no sum of products below leaves 128 bits. */
#include "crypto/poly1305.h"

#include "base/bytes.h"

typedef unsigned __int128 wide;

void poly1305_init(struct poly1305 *state, const uint8_t key[POLY1305_KEY_BYTES])
{
    *state = (struct poly1305){
        .r = {load_le64(key) & 0x0ffffffc0fffffff, load_le64(key + 8) & 0x0ffffffc0ffffffc},
        .s = {load_le64(key + 16), load_le64(key + 24)},
    };
}

/* Whole blocks of 16 bytes, each with its bit 2^128. */
static void absorb(struct poly1305 *state, const uint8_t *bytes, size_t blocks)
{
    const uint64_t r0 = state->r[0], r1 = state->r[1], r1_folded = r1 + (r1 >> 2);
    uint64_t h0 = state->h[0], h1 = state->h[1], h2 = state->h[2];
    for (; blocks; blocks--, bytes += 16) {
        wide sum = (wide)h0 + load_le64(bytes);
        h0 = (uint64_t)sum;
        sum = (wide)h1 + load_le64(bytes + 8) + (uint64_t)(sum >> 64);
        h1 = (uint64_t)sum;
        h2 += (uint64_t)(sum >> 64) + 1;

        wide d0 = (wide)h0 * r0 + (wide)h1 * r1_folded;
        wide d1 = (wide)h0 * r1 + (wide)h1 * r0 + h2 * r1_folded + (uint64_t)(d0 >> 64);
        uint64_t d2 = h2 * r0 + (uint64_t)(d1 >> 64);

        sum = (wide)(uint64_t)d0 + (d2 >> 2) + (d2 & ~(uint64_t)3);
        h0 = (uint64_t)sum;
        sum = (wide)(uint64_t)d1 + (uint64_t)(sum >> 64);
        h1 = (uint64_t)sum;
        h2 = (d2 & 3) + (uint64_t)(sum >> 64);
    }
    state->h[0] = h0;
    state->h[1] = h1;
    state->h[2] = h2;
}

void poly1305_update_padded(struct poly1305 *state, const uint8_t *bytes, size_t len)
{
    absorb(state, bytes, len / 16);
    if (len % 16) {
        uint8_t block[16] = {0};
        memcpy(block, bytes + len - len % 16, len % 16);
        absorb(state, block, 1);
    }
}

void poly1305_final(struct poly1305 *state, uint8_t tag[POLY1305_TAG_BYTES])
{
    const uint64_t *h = state->h;
    /* h + 5 - 2^130 is what h is modulo p, if it is not negative: then bit 130 of h + 5 is set. */
    wide sum = (wide)h[0] + 5;
    uint64_t g0 = (uint64_t)sum;
    sum = (wide)h[1] + (uint64_t)(sum >> 64);
    uint64_t g1 = (uint64_t)sum;
    uint64_t g2 = h[2] + (uint64_t)(sum >> 64);
    uint64_t take_g = 0 - (g2 >> 2);

    sum = (wide)((h[0] & ~take_g) | (g0 & take_g)) + state->s[0];
    store_le64(tag, (uint64_t)sum);
    sum = (wide)((h[1] & ~take_g) | (g1 & take_g)) + state->s[1] + (uint64_t)(sum >> 64);
    store_le64(tag + 8, (uint64_t)sum);
    bytes_wipe(state, sizeof(*state));
}
