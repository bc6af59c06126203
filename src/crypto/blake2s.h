/* SPDX-License-Identifier: MIT */
/* BLAKE2s (RFC 7693) and what WireGuard makes of it: Hash, Mac, Hmac and Kdf (whitepaper 5.4). */
#ifndef CRYPTO_BLAKE2S_H
#define CRYPTO_BLAKE2S_H

#include <stddef.h>
#include <stdint.h>

#define BLAKE2S_BLOCK_BYTES 64
#define BLAKE2S_HASH_BYTES 32
#define BLAKE2S_KEY_MOST_BYTES 32
#define BLAKE2S_MAC_BYTES 16

/* A hash under way, on the caller's stack. blake2s_final wipes it. */
struct blake2s {
    uint32_t chain[8];
    uint64_t hashed_bytes; /* without those in `block` */
    uint8_t block[BLAKE2S_BLOCK_BYTES];
    uint32_t block_bytes; /* filled so far; the last block waits here for its final flag */
    uint32_t out_bytes;
};

/* Of `out_bytes` 1 to 32. Keyed unless `key_bytes` (at most 32) is 0; `key` may then be NULL. */
void blake2s_init(struct blake2s *state, size_t out_bytes, const uint8_t *key, size_t key_bytes);
void blake2s_update(struct blake2s *state, const void *bytes, size_t len);
void blake2s_final(struct blake2s *state, uint8_t *out);

void blake2s_hash(const void *bytes, size_t len, uint8_t out[BLAKE2S_HASH_BYTES]);
/* Keyed, 16 bytes: mac1 and mac2. `key_bytes` is at most 32. */
void blake2s_mac(const uint8_t *key, size_t key_bytes, const void *bytes, size_t len,
                 uint8_t out[BLAKE2S_MAC_BYTES]);
/* HMAC (RFC 2104) with a key of any length. `out` may be the key or the input. */
void blake2s_hmac(const uint8_t *key, size_t key_bytes, const void *bytes, size_t len,
                  uint8_t out[BLAKE2S_HASH_BYTES]);
/* Kdf1, Kdf2, Kdf3: `second` and `third` may be NULL from the right. `first` may be
 * `chaining_key` itself, any output may be `input`. */
void blake2s_kdf(const uint8_t chaining_key[BLAKE2S_HASH_BYTES], const void *input, size_t len,
                 uint8_t *first, uint8_t *second, uint8_t *third);

#endif
