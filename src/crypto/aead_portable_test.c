/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "crypto/aead_backends.h"
#include "tap.h"

static const struct {
    unsigned number;
    bool is_valid;
    const char *key, *nonce, *data, *plaintext, *ciphertext;
} wycheproof[] = {
#include "testdata/wycheproof_chacha20_poly1305.inc"
};

static void test_wycheproof_with_rfc8439_first(void)
{
    for (size_t i = 0; i < sizeof(wycheproof) / sizeof(wycheproof[0]); i++) {
        uint8_t key[32], nonce[12], data[1024], plaintext[1024], ciphertext[1024], out[1024];
        tap_hex(wycheproof[i].key, key, sizeof(key));
        tap_hex(wycheproof[i].nonce, nonce, sizeof(nonce));
        size_t data_len = tap_hex(wycheproof[i].data, data, sizeof(data));
        size_t len = tap_hex(wycheproof[i].plaintext, plaintext, sizeof(plaintext));
        size_t sealed_len = tap_hex(wycheproof[i].ciphertext, ciphertext, sizeof(ciphertext));
        bool is_right = aead_portable_open(key, nonce, ciphertext, sealed_len, data, data_len,
                                           out) == wycheproof[i].is_valid;
        if (wycheproof[i].is_valid) {
            is_right &= sealed_len == len + AEAD_TAG_BYTES && memcmp(out, plaintext, len) == 0;
            aead_portable_seal(key, nonce, plaintext, len, data, data_len, out);
            is_right &= memcmp(out, ciphertext, sealed_len) == 0;
        }
        if (load_le32(nonce) == 0) { /* the shape that WireGuard's nonces have */
            is_right &= aead_open_with_data(key, load_le64(nonce + 4), ciphertext, sealed_len, data,
                                            data_len, out) == wycheproof[i].is_valid;
            aead_seal_with_data(key, load_le64(nonce + 4), plaintext, len, data, data_len, out);
            is_right &= (memcmp(out, ciphertext, sealed_len) == 0) == wycheproof[i].is_valid;
        }
        if (!CHECK(is_right))
            printf("# vector %u\n", wycheproof[i].number);
    }
}

static void test_with_data_in_place_and_apart(void)
{
    uint8_t key[32], nonce[12], data[200], plaintext[300], sealed[316], expected[316], out[316];
    tap_random_bytes(key, sizeof(key));
    tap_random_bytes(data, sizeof(data));
    for (size_t len = 0; len <= sizeof(plaintext); len++) {
        uint64_t counter = tap_random() >> tap_random_below(64);
        size_t data_len = tap_random_below(sizeof(data) + 1);
        tap_random_bytes(plaintext, len);
        aead_nonce(counter, nonce);
        aead_portable_seal(key, nonce, plaintext, len, data, data_len, expected);
        aead_seal_with_data(key, counter, plaintext, len, data, data_len, sealed);
        CHECK_BYTES(sealed, expected, len + AEAD_TAG_BYTES);
        memcpy(out, plaintext, len);
        aead_seal_with_data(key, counter, out, len, data, data_len, out);
        CHECK_BYTES(out, expected, len + AEAD_TAG_BYTES);
        CHECK(aead_open_with_data(key, counter, out, len + AEAD_TAG_BYTES, data, data_len, out));
        CHECK_BYTES(out, plaintext, len);
    }
}

static void test_forged_message_or_data_is_refused_and_out_stays(void)
{
    uint8_t key[32], data[32], plaintext[32], sealed[48], out[32], before[32];
    tap_random_bytes(key, sizeof(key));
    tap_random_bytes(data, sizeof(data));
    tap_random_bytes(plaintext, sizeof(plaintext));
    tap_random_bytes(before, sizeof(before));
    memcpy(out, before, sizeof(out));
    aead_seal_with_data(key, 0, plaintext, sizeof(plaintext), data, sizeof(data), sealed);
    for (unsigned bit = 0; bit < (sizeof(sealed) + sizeof(data)) * 8; bit++) {
        uint8_t *byte =
            bit < sizeof(sealed) * 8 ? &sealed[bit / 8] : &data[bit / 8 - sizeof(sealed)];
        *byte ^= (uint8_t)(1 << bit % 8);
        CHECK(!aead_open_with_data(key, 0, sealed, sizeof(sealed), data, sizeof(data), out));
        *byte ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t len = 0; len < sizeof(sealed); len++)
        CHECK(!aead_open_with_data(key, 0, sealed, len, data, sizeof(data), out));
    CHECK(!aead_open_with_data(key, 0, sealed, sizeof(sealed), data, sizeof(data) - 1, out));
    CHECK(!aead_open_with_data(key, 1, sealed, sizeof(sealed), data, sizeof(data), out));
    CHECK_BYTES(out, before, sizeof(out));
    CHECK(aead_open_with_data(key, 0, sealed, sizeof(sealed), data, sizeof(data), out));
    CHECK_BYTES(out, plaintext, sizeof(plaintext));
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_wycheproof_with_rfc8439_first);
    TAP_RUN(argc, argv, test_with_data_in_place_and_apart);
    TAP_RUN(argc, argv, test_forged_message_or_data_is_refused_and_out_stays);
    return tap_done();
}
