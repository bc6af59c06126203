/* SPDX-License-Identifier: MIT */
#include "crypto/x25519.h"

#include <openssl/evp.h>

#include "base/bytes.h"

bool x25519(uint8_t shared[X25519_KEY_BYTES], const uint8_t private_key[X25519_KEY_BYTES],
            const uint8_t public_key[X25519_KEY_BYTES])
{
    uint8_t result[X25519_KEY_BYTES] = {0};
    size_t len = sizeof(result);
    EVP_PKEY *ours =
        EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, private_key, X25519_KEY_BYTES);
    EVP_PKEY *theirs =
        EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, public_key, X25519_KEY_BYTES);
    EVP_PKEY_CTX *context = ours ? EVP_PKEY_CTX_new(ours, NULL) : NULL;
    bool is_done = theirs && context && EVP_PKEY_derive_init(context) == 1 &&
                   EVP_PKEY_derive_set_peer(context, theirs) == 1 &&
                   EVP_PKEY_derive(context, result, &len) == 1 && len == sizeof(result) &&
                   !bytes_are_zero(result, sizeof(result));
    if (is_done)
        memcpy(shared, result, sizeof(result));
    bytes_wipe(result, sizeof(result));
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(theirs);
    EVP_PKEY_free(ours);
    return is_done;
}

void x25519_public(uint8_t public_key[X25519_KEY_BYTES],
                   const uint8_t private_key[X25519_KEY_BYTES])
{
    size_t len = X25519_KEY_BYTES;
    EVP_PKEY *ours =
        EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, private_key, X25519_KEY_BYTES);
    if (!ours || EVP_PKEY_get_raw_public_key(ours, public_key, &len) != 1)
        memset(public_key, 0, X25519_KEY_BYTES);
    EVP_PKEY_free(ours);
}

void x25519_clamp(uint8_t private_key[X25519_KEY_BYTES])
{
    private_key[0] &= 248;
    private_key[31] = (private_key[31] & 127) | 64;
}
