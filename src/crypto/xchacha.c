/* SPDX-License-Identifier: MIT */
#include "crypto/xchacha.h"

#include "base/bytes.h"
#include "crypto/aead_backends.h"

/* What is left of the nonce after HChaCha20 took 16 bytes: 4 zero bytes and the last 8. */
static void derive(const uint8_t *key, const uint8_t *nonce, uint8_t *subkey, uint8_t *subnonce)
{
    chacha_hchacha(key, nonce, subkey);
    memset(subnonce, 0, 4);
    memcpy(subnonce + 4, nonce + 16, 8);
}

void xchacha_seal(const uint8_t key[XCHACHA_KEY_BYTES], const uint8_t nonce[XCHACHA_NONCE_BYTES],
                  const uint8_t *plaintext, size_t len, const uint8_t *data, size_t data_len,
                  uint8_t *out)
{
    uint8_t subkey[CHACHA_KEY_BYTES], subnonce[CHACHA_NONCE_BYTES];
    derive(key, nonce, subkey, subnonce);
    aead_portable_seal(subkey, subnonce, plaintext, len, data, data_len, out);
    bytes_wipe(subkey, sizeof(subkey));
}

bool xchacha_open(const uint8_t key[XCHACHA_KEY_BYTES], const uint8_t nonce[XCHACHA_NONCE_BYTES],
                  const uint8_t *ciphertext, size_t len, const uint8_t *data, size_t data_len,
                  uint8_t *out)
{
    uint8_t subkey[CHACHA_KEY_BYTES], subnonce[CHACHA_NONCE_BYTES];
    derive(key, nonce, subkey, subnonce);
    bool is_authentic = aead_portable_open(subkey, subnonce, ciphertext, len, data, data_len, out);
    bytes_wipe(subkey, sizeof(subkey));
    return is_authentic;
}
