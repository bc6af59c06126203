/* SPDX-License-Identifier: MIT */
#include "crypto/chacha.h"

#include <string.h>

#include "base/bytes.h"
#include "tap.h"

/* RFC 8439 2.3 word for word: the vectorized blocks' twin. */
static void quarter(uint32_t *x, unsigned a, unsigned b, unsigned c, unsigned d)
{
    static const unsigned rotations[4] = {16, 12, 8, 7};
    for (unsigned i = 0; i < 4; i++) {
        unsigned to = i % 2 ? c : a, from = i % 2 ? d : b, turned = i % 2 ? b : d;
        x[to] += x[from];
        x[turned] ^= x[to];
        x[turned] = x[turned] << rotations[i] | x[turned] >> (32 - rotations[i]);
    }
}

static void naive_block(const uint32_t words[16], uint8_t block[64])
{
    uint32_t x[16];
    memcpy(x, words, sizeof(x));
    for (unsigned round = 0; round < 10; round++) {
        for (unsigned i = 0; i < 4; i++)
            quarter(x, i, 4 + i, 8 + i, 12 + i);
        for (unsigned i = 0; i < 4; i++)
            quarter(x, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
    }
    for (unsigned i = 0; i < 16; i++)
        store_le32(block + 4 * i, x[i] + words[i]);
}

static void test_rfc8439_block(void)
{
    uint8_t key[32], nonce[12], expected[64], stream[256];
    tap_hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", key, 32);
    tap_hex("000000090000004a00000000", nonce, 12);
    tap_hex("10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e"
            "d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e",
            expected, 64);
    struct chacha chacha;
    chacha_init(&chacha, key, nonce);
    chacha_next(&chacha, stream);
    CHECK_BYTES(stream + 64, expected, 64); /* section 2.3.2 has the block counter 1 */
}

static void test_blocks_match_the_naive_twin(void)
{
    for (unsigned i = 0; i < 200; i++) {
        uint8_t key[32], nonce[12], stream[256], block[64];
        uint32_t words[16] = {0};
        tap_random_bytes(key, sizeof(key));
        tap_random_bytes(nonce, sizeof(nonce));
        struct chacha chacha;
        chacha_init(&chacha, key, nonce);
        for (unsigned b = 0; b < 32; b++) {
            if (b % 4 == 0) {
                memcpy(words, chacha.words, sizeof(words));
                CHECK_EQUAL(words[12], b);
                chacha_next(&chacha, stream);
            }
            naive_block(words, block);
            words[12]++;
            CHECK_BYTES(stream + b % 4 * 64, block, 64);
        }
    }
}

static void test_hchacha_of_the_xchacha_draft(void)
{
    uint8_t key[32], nonce[16], expected[32], subkey[32];
    tap_hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", key, 32);
    tap_hex("000000090000004a0000000031415927", nonce, 16);
    tap_hex("82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc", expected, 32);
    chacha_hchacha(key, nonce, subkey);
    CHECK_BYTES(subkey, expected, 32);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_rfc8439_block);
    TAP_RUN(argc, argv, test_blocks_match_the_naive_twin);
    TAP_RUN(argc, argv, test_hchacha_of_the_xchacha_draft);
    return tap_done();
}
