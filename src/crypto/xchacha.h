/* SPDX-License-Identifier: MIT */
/* XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03): the AEAD of cookie replies, whose nonce is 24
 * random bytes (whitepaper 5.4.7). */
#ifndef CRYPTO_XCHACHA_H
#define CRYPTO_XCHACHA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XCHACHA_KEY_BYTES 32
#define XCHACHA_NONCE_BYTES 24
#define XCHACHA_TAG_BYTES 16

/* `out` holds len + XCHACHA_TAG_BYTES and is apart from `plaintext` or the same. */
void xchacha_seal(const uint8_t key[XCHACHA_KEY_BYTES], const uint8_t nonce[XCHACHA_NONCE_BYTES],
                  const uint8_t *plaintext, size_t len, const uint8_t *data, size_t data_len,
                  uint8_t *out);
/* `len` counts the tag; `out` holds len - XCHACHA_TAG_BYTES and is untouched when the answer is
 * false: forged, or shorter than a tag. */
bool xchacha_open(const uint8_t key[XCHACHA_KEY_BYTES], const uint8_t nonce[XCHACHA_NONCE_BYTES],
                  const uint8_t *ciphertext, size_t len, const uint8_t *data, size_t data_len,
                  uint8_t *out);

#endif
