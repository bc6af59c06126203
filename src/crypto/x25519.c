/* SPDX-License-Identifier: MIT */
#include "crypto/x25519.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "base/bytes.h"

/* One key object serves as both sides: from it the exchange takes our private half and, as the
 * peer's, their public half. With a private key alone libcrypto would compute our public one for
 * every exchange, which nobody asked for and which costs as much again (98 against 49 us). */
static EVP_PKEY *pair_new(const uint8_t *private_key, const uint8_t *public_key)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PRIV_KEY, (uint8_t *)private_key,
                                          X25519_KEY_BYTES),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (uint8_t *)public_key,
                                          X25519_KEY_BYTES),
        OSSL_PARAM_END,
    };
    EVP_PKEY *pair = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "X25519", NULL);
    if (context && EVP_PKEY_fromdata_init(context) == 1)
        EVP_PKEY_fromdata(context, &pair, EVP_PKEY_KEYPAIR, params);
    EVP_PKEY_CTX_free(context);
    return pair;
}

bool x25519(uint8_t shared[X25519_KEY_BYTES], const uint8_t private_key[X25519_KEY_BYTES],
            const uint8_t public_key[X25519_KEY_BYTES])
{
    uint8_t result[X25519_KEY_BYTES] = {0};
    size_t len = sizeof(result);
    EVP_PKEY *pair = pair_new(private_key, public_key);
    EVP_PKEY_CTX *context = pair ? EVP_PKEY_CTX_new(pair, NULL) : NULL;
    bool is_done = context && EVP_PKEY_derive_init(context) == 1 &&
                   EVP_PKEY_derive_set_peer(context, pair) == 1 &&
                   EVP_PKEY_derive(context, result, &len) == 1 && len == sizeof(result) &&
                   !bytes_are_zero(result, sizeof(result));
    if (is_done)
        memcpy(shared, result, sizeof(result));
    bytes_wipe(result, sizeof(result));
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(pair);
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
