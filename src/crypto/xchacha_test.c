/* SPDX-License-Identifier: MIT */
#include "crypto/xchacha.h"

#include <stdio.h>
#include <string.h>

#include "tap.h"

#define MESSAGE_MOST_BYTES 1024

static const struct {
    unsigned number;
    bool is_valid;
    const char *key, *nonce, *data, *plaintext, *ciphertext;
} wycheproof[] = {
#include "testdata/wycheproof_xchacha20_poly1305.inc"
};

static void test_wycheproof_with_the_drafts_vector(void)
{
    for (size_t i = 0; i < sizeof(wycheproof) / sizeof(wycheproof[0]); i++) {
        uint8_t key[32], nonce[24], data[MESSAGE_MOST_BYTES], plaintext[MESSAGE_MOST_BYTES];
        uint8_t ciphertext[MESSAGE_MOST_BYTES], out[MESSAGE_MOST_BYTES];
        tap_hex(wycheproof[i].key, key, sizeof(key));
        tap_hex(wycheproof[i].nonce, nonce, sizeof(nonce));
        size_t data_len = tap_hex(wycheproof[i].data, data, sizeof(data));
        size_t len = tap_hex(wycheproof[i].plaintext, plaintext, sizeof(plaintext));
        size_t sealed_len = tap_hex(wycheproof[i].ciphertext, ciphertext, sizeof(ciphertext));
        bool is_right = xchacha_open(key, nonce, ciphertext, sealed_len, data, data_len, out) ==
                        wycheproof[i].is_valid;
        if (wycheproof[i].is_valid) {
            is_right &= sealed_len == len + XCHACHA_TAG_BYTES && memcmp(out, plaintext, len) == 0;
            xchacha_seal(key, nonce, plaintext, len, data, data_len, out);
            is_right &= memcmp(out, ciphertext, sealed_len) == 0;
        }
        if (!CHECK(is_right))
            printf("# vector %u\n", wycheproof[i].number);
    }
}

/* A cookie reply's shape: 16 bytes, mac1 as data. */
static void test_any_changed_bit_is_refused_and_out_stays(void)
{
    uint8_t key[32], nonce[24], data[16], cookie[16], sealed[32], out[16], before[16];
    tap_random_bytes(key, sizeof(key));
    tap_random_bytes(nonce, sizeof(nonce));
    tap_random_bytes(data, sizeof(data));
    tap_random_bytes(cookie, sizeof(cookie));
    xchacha_seal(key, nonce, cookie, sizeof(cookie), data, sizeof(data), sealed);
    struct {
        uint8_t *bytes;
        size_t len;
    } parts[] = {{key, 32}, {nonce, 24}, {data, 16}, {sealed, 32}};
    for (size_t part = 0; part < 4; part++)
        for (size_t bit = 0; bit < parts[part].len * 8; bit++) {
            parts[part].bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            tap_random_bytes(before, sizeof(before));
            memcpy(out, before, sizeof(out));
            CHECK(!xchacha_open(key, nonce, sealed, sizeof(sealed), data, sizeof(data), out));
            CHECK_BYTES(out, before, sizeof(out));
            parts[part].bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    for (size_t len = 0; len < sizeof(sealed); len++)
        CHECK(!xchacha_open(key, nonce, sealed, len, data, sizeof(data), out));
    CHECK(xchacha_open(key, nonce, sealed, sizeof(sealed), data, sizeof(data), sealed));
    CHECK_BYTES(sealed, cookie, sizeof(cookie));
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_wycheproof_with_the_drafts_vector);
    TAP_RUN(argc, argv, test_any_changed_bit_is_refused_and_out_stays);
    return tap_done();
}
