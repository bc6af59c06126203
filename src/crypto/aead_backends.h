/* SPDX-License-Identifier: MIT */
/* For the backends and aead.c only. A new backend is a file, a line here and a line in the table
 * of aead.c. */
#ifndef CRYPTO_AEAD_BACKENDS_H
#define CRYPTO_AEAD_BACKENDS_H

#include <string.h>

#include "base/bytes.h"
#include "crypto/aead.h"
#include "crypto/chacha.h"

extern const struct aead_backend aead_portable_backend;
extern const struct aead_backend aead_libcrypto_backend;
extern const struct aead_backend aead_ipsecmb_backend; /* with HAVE_IPSECMB */
extern const struct aead_backend aead_avx2_backend;    /* with HAVE_AVX2 */

/* aead_new on another table: what the tests do with backends that are wrong. */
struct aead *aead_new_from(const struct memory *memory, const struct aead_backend *const *table,
                           size_t count, const char *backend_name);
/* An instance of one backend that is compared with nothing: for benchmarks, which also measure
 * what is left without any encryption. */
struct aead *aead_new_untried(const struct memory *memory, const struct aead_backend *backend);

/* The nonce of a packet. */
static inline void aead_nonce(uint64_t counter, uint8_t nonce[CHACHA_NONCE_BYTES])
{
    memset(nonce, 0, 4);
    store_le64(nonce + 4, counter);
}

/* RFC 8439 2.8 with any nonce; lengths and overlap as in aead_seal_with_data. */
void aead_portable_seal(const uint8_t key[AEAD_KEY_BYTES], const uint8_t nonce[CHACHA_NONCE_BYTES],
                        const uint8_t *plaintext, size_t len, const uint8_t *data, size_t data_len,
                        uint8_t *out);
bool aead_portable_open(const uint8_t key[AEAD_KEY_BYTES], const uint8_t nonce[CHACHA_NONCE_BYTES],
                        const uint8_t *ciphertext, size_t len, const uint8_t *data, size_t data_len,
                        uint8_t *out);

#endif
