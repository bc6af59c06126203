/* SPDX-License-Identifier: MIT */
#include "crypto/aead_backends.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "base/bytes.h"

/* One cipher context lives as long as the instance: fetching and allocating per packet would cost
 * more than a short packet does. The key is set again only when it changed. */
struct state {
    EVP_CIPHER_CTX *seal_context;
    EVP_CIPHER_CTX *open_context;
    uint8_t seal_key[AEAD_KEY_BYTES];
    uint8_t open_key[AEAD_KEY_BYTES];
};

static bool is_supported(void)
{
    return true;
}

/* Nonce and, if it changed, key. */
static int start(EVP_CIPHER_CTX *context, uint8_t *known_key, const struct aead_desc *desc)
{
    uint8_t nonce[CHACHA_NONCE_BYTES];
    aead_nonce(desc->counter, nonce);
    bool is_same = bytes_equal_secret(known_key, desc->key, AEAD_KEY_BYTES);
    if (!is_same)
        memcpy(known_key, desc->key, AEAD_KEY_BYTES);
    return EVP_CipherInit_ex2(context, NULL, is_same ? NULL : desc->key, nonce, -1, NULL);
}

static void forget_key(EVP_CIPHER_CTX *context, uint8_t *known_key)
{
    static const uint8_t zero[AEAD_KEY_BYTES];
    if (bytes_are_zero(known_key, AEAD_KEY_BYTES))
        return;
    bytes_wipe(known_key, AEAD_KEY_BYTES);
    EVP_CipherInit_ex2(context, NULL, zero, zero, -1, NULL);
}

/* The library's context has a key until it gets another one. */
static void forget(void *opaque)
{
    struct state *state = opaque;
    forget_key(state->seal_context, state->seal_key);
    forget_key(state->open_context, state->open_key);
}

static void wipe(void *opaque)
{
    struct state *state = opaque;
    forget(state); /* not every version wipes what it frees */
    EVP_CIPHER_CTX_free(state->seal_context);
    EVP_CIPHER_CTX_free(state->open_context);
    bytes_wipe(state, sizeof(*state));
}

static EVP_CIPHER_CTX *context_new(EVP_CIPHER *cipher, bool is_seal)
{
    static const uint8_t zero[AEAD_KEY_BYTES];
    EVP_CIPHER_CTX *context = cipher ? EVP_CIPHER_CTX_new() : NULL;
    if (context && EVP_CipherInit_ex2(context, cipher, zero, zero, is_seal, NULL) != 1) {
        EVP_CIPHER_CTX_free(context);
        context = NULL;
    }
    return context;
}

static bool init(void *opaque)
{
    struct state *state = opaque;
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
    state->seal_context = context_new(cipher, true);
    state->open_context = context_new(cipher, false);
    EVP_CIPHER_free(cipher); /* the contexts keep it */
    if (state->seal_context && state->open_context)
        return true;
    wipe(state);
    return false;
}

/* The tag's place for EVP_CIPHER_CTX_get_params and _set_params: EVP_CIPHER_CTX_ctrl builds the
 * same list on every call, at 5 % of a short packet. */
static inline OSSL_PARAM tag_at(uint8_t *tag)
{
    return OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, AEAD_TAG_BYTES);
}

static void seal_libcrypto(void *opaque, struct aead_desc *descs, size_t count)
{
    struct state *state = opaque;
    EVP_CIPHER_CTX *context = state->seal_context;
    for (struct aead_desc *desc = descs; desc < descs + count; desc++) {
        int len = (int)desc->len_bytes, written = 0;
        uint8_t *tag = desc->bytes + desc->len_bytes;
        OSSL_PARAM params[] = {tag_at(tag), OSSL_PARAM_END};
        bool is_done = start(context, state->seal_key, desc) == 1 &&
                       EVP_CipherUpdate(context, desc->bytes, &written, desc->bytes, len) == 1 &&
                       EVP_CipherFinal_ex(context, tag, &written) == 1 &&
                       EVP_CIPHER_CTX_get_params(context, params) == 1;
        /* Nothing in it allocates or depends on the bytes; a packet left in the clear must not go
         * out in any case. */
        assert(is_done);
    }
}

static void open_libcrypto(void *opaque, struct aead_desc *descs, size_t count)
{
    struct state *state = opaque;
    EVP_CIPHER_CTX *context = state->open_context;
    for (struct aead_desc *desc = descs; desc < descs + count; desc++) {
        desc->is_authentic = false;
        if (desc->len_bytes < AEAD_TAG_BYTES)
            continue;
        int len = (int)(desc->len_bytes - AEAD_TAG_BYTES), written = 0;
        OSSL_PARAM params[] = {tag_at(desc->bytes + len), OSSL_PARAM_END};
        desc->is_authentic =
            start(context, state->open_key, desc) == 1 &&
            EVP_CIPHER_CTX_set_params(context, params) == 1 &&
            EVP_CipherUpdate(context, desc->bytes, &written, desc->bytes, len) == 1 &&
            EVP_CipherFinal_ex(context, desc->bytes + len, &written) == 1;
    }
}

const struct aead_backend aead_libcrypto_backend = {
    .name = "libcrypto",
    .is_supported = is_supported,
    .state_bytes = sizeof(struct state),
    .init = init,
    .wipe = wipe,
    .seal = seal_libcrypto,
    .open = open_libcrypto,
    .forget = forget,
};
