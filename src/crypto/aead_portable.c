/* SPDX-License-Identifier: MIT */
#include "crypto/aead_backends.h"

#include "base/bytes.h"
#include "crypto/poly1305.h"

/* A packet under way: block 0 keys Poly1305, the blocks behind it are the keystream. */
struct work {
    struct chacha chacha;
    struct poly1305 poly1305;
    uint8_t stream[CHACHA_STRIDE_BLOCKS * CHACHA_BLOCK_BYTES];
};

static void start(struct work *work, const uint8_t *key, const uint8_t *nonce)
{
    chacha_init(&work->chacha, key, nonce);
    chacha_next(&work->chacha, work->stream);
    poly1305_init(&work->poly1305, work->stream);
}

static void crypt(struct work *work, const uint8_t *in, size_t len, uint8_t *out)
{
    const uint8_t *stream = work->stream + CHACHA_BLOCK_BYTES;
    size_t ready = sizeof(work->stream) - CHACHA_BLOCK_BYTES;
    for (;;) {
        size_t now = len < ready ? len : ready, i = 0;
        for (; i + 8 <= now; i += 8)
            store_le64(out + i, load_le64(in + i) ^ load_le64(stream + i));
        for (; i < now; i++)
            out[i] = in[i] ^ stream[i];
        in += now;
        out += now;
        len -= now;
        if (!len)
            break;
        chacha_next(&work->chacha, work->stream);
        stream = work->stream;
        ready = sizeof(work->stream);
    }
}

static void authenticate(struct work *work, const uint8_t *data, size_t data_len,
                         const uint8_t *ciphertext, size_t len, uint8_t *tag)
{
    uint8_t lengths[16];
    store_le64(lengths, data_len);
    store_le64(lengths + 8, len);
    poly1305_update_padded(&work->poly1305, data, data_len);
    poly1305_update_padded(&work->poly1305, ciphertext, len);
    poly1305_update_padded(&work->poly1305, lengths, sizeof(lengths));
    poly1305_final(&work->poly1305, tag);
}

void aead_portable_seal(const uint8_t key[AEAD_KEY_BYTES], const uint8_t nonce[CHACHA_NONCE_BYTES],
                        const uint8_t *plaintext, size_t len, const uint8_t *data, size_t data_len,
                        uint8_t *out)
{
    struct work work;
    start(&work, key, nonce);
    crypt(&work, plaintext, len, out);
    authenticate(&work, data, data_len, out, len, out + len);
    bytes_wipe(&work, sizeof(work));
}

bool aead_portable_open(const uint8_t key[AEAD_KEY_BYTES], const uint8_t nonce[CHACHA_NONCE_BYTES],
                        const uint8_t *ciphertext, size_t len, const uint8_t *data, size_t data_len,
                        uint8_t *out)
{
    if (len < AEAD_TAG_BYTES)
        return false;
    len -= AEAD_TAG_BYTES;
    struct work work;
    uint8_t tag[AEAD_TAG_BYTES];
    start(&work, key, nonce);
    authenticate(&work, data, data_len, ciphertext, len, tag);
    bool is_authentic = bytes_equal_secret(tag, ciphertext + len, sizeof(tag));
    if (is_authentic)
        crypt(&work, ciphertext, len, out);
    bytes_wipe(&work, sizeof(work));
    bytes_wipe(tag, sizeof(tag)); /* the right tag of a forgery would be its proof */
    return is_authentic;
}

static bool is_supported(void)
{
    return true;
}

static void seal_portable(void *state, struct aead_desc *descs, size_t count)
{
    (void)state;
    for (struct aead_desc *desc = descs; desc < descs + count; desc++) {
        uint8_t nonce[CHACHA_NONCE_BYTES];
        aead_nonce(desc->counter, nonce);
        aead_portable_seal(desc->key, nonce, desc->bytes, desc->len_bytes, NULL, 0, desc->bytes);
    }
}

static void open_portable(void *state, struct aead_desc *descs, size_t count)
{
    (void)state;
    for (struct aead_desc *desc = descs; desc < descs + count; desc++) {
        uint8_t nonce[CHACHA_NONCE_BYTES];
        aead_nonce(desc->counter, nonce);
        desc->is_authentic = aead_portable_open(desc->key, nonce, desc->bytes, desc->len_bytes,
                                                NULL, 0, desc->bytes);
    }
}

const struct aead_backend aead_portable_backend = {
    .name = "portable",
    .is_supported = is_supported,
    .seal = seal_portable,
    .open = open_portable,
};
