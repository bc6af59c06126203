/* SPDX-License-Identifier: MIT */
/* The Poly1305 one-time authenticator (RFC 8439 2.5). */
#ifndef CRYPTO_POLY1305_H
#define CRYPTO_POLY1305_H

#include <stddef.h>
#include <stdint.h>

#define POLY1305_KEY_BYTES 32
#define POLY1305_TAG_BYTES 16

/* A tag under way, on the caller's stack. poly1305_final wipes it. */
struct poly1305 {
    uint64_t h[3]; /* the accumulator in radix 2^64; h[2] is at most 4 between blocks */
    uint64_t r[2]; /* clamped */
    uint64_t s[2];
};

void poly1305_init(struct poly1305 *state, const uint8_t key[POLY1305_KEY_BYTES]);
/* Absorbs bytes as RFC 8439 2.8 does: a last block short of 16 bytes is filled with zeros. */
void poly1305_update_padded(struct poly1305 *state, const uint8_t *bytes, size_t len);
void poly1305_final(struct poly1305 *state, uint8_t tag[POLY1305_TAG_BYTES]);

#endif
