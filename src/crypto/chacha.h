/* SPDX-License-Identifier: MIT */
/* The ChaCha20 block function (RFC 8439 2.3) four blocks at a time, and HChaCha20
 * (draft-irtf-cfrg-xchacha-03 2.2). */
#ifndef CRYPTO_CHACHA_H
#define CRYPTO_CHACHA_H

#include <stdint.h>

#define CHACHA_KEY_BYTES 32
#define CHACHA_NONCE_BYTES 12
#define CHACHA_BLOCK_BYTES 64
#define CHACHA_STRIDE_BLOCKS 4

/* Words as RFC 8439 lays them out: constants, key, block counter, nonce. Wiped by its user. */
struct chacha {
    uint32_t words[16];
};

void chacha_init(struct chacha *chacha, const uint8_t key[CHACHA_KEY_BYTES],
                 const uint8_t nonce[CHACHA_NONCE_BYTES]);
/* The next four blocks of keystream; the block counter starts at 0. */
void chacha_next(struct chacha *chacha, uint8_t stream[CHACHA_STRIDE_BLOCKS * CHACHA_BLOCK_BYTES]);
/* A subkey from the key and the first 16 bytes of a 24-byte nonce. */
void chacha_hchacha(const uint8_t key[CHACHA_KEY_BYTES], const uint8_t nonce[16],
                    uint8_t subkey[CHACHA_KEY_BYTES]);

#endif
