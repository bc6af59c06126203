/* SPDX-License-Identifier: MIT */
/* Curve25519 Diffie-Hellman (RFC 7748), by libcrypto. */
#ifndef CRYPTO_X25519_H
#define CRYPTO_X25519_H

#include <stdbool.h>
#include <stdint.h>

#define X25519_KEY_BYTES 32

/* `shared` may be one of the keys. False: the result is all zero (a public key of low order), or
 * libcrypto has no memory; `shared` is untouched. The private key need not be clamped. */
bool x25519(uint8_t shared[X25519_KEY_BYTES], const uint8_t private_key[X25519_KEY_BYTES],
            const uint8_t public_key[X25519_KEY_BYTES]);
/* The public key of a private one; all zero, which every peer refuses, if libcrypto has no
 * memory. */
void x25519_public(uint8_t public_key[X25519_KEY_BYTES],
                   const uint8_t private_key[X25519_KEY_BYTES]);
/* Makes 32 random bytes a private key. */
void x25519_clamp(uint8_t private_key[X25519_KEY_BYTES]);

#endif
