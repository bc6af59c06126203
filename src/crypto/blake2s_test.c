/* SPDX-License-Identifier: MIT */
#include "crypto/blake2s.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "base/bytes.h"
#include "tap.h"

static void test_rfc7693_abc(void)
{
    uint8_t expected[32], hash[32];
    tap_hex("508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982", expected, 32);
    blake2s_hash("abc", 3, hash);
    CHECK_BYTES(hash, expected, 32);
}

/* The sequence of RFC 7693 appendix E. */
static void fill_sequence(uint8_t *out, size_t len, uint32_t seed)
{
    uint32_t a = 0xdead4bad * seed, b = 1;
    for (size_t i = 0; i < len; i++) {
        uint32_t next = a + b;
        a = b;
        b = next;
        out[i] = (uint8_t)(next >> 24);
    }
}

static void test_rfc7693_appendix_e(void)
{
    static const size_t out_lengths[] = {16, 20, 28, 32}, lengths[] = {0, 3, 64, 65, 255, 1024};
    uint8_t input[1024], out[32], key[32], expected[32];
    struct blake2s all, one;
    tap_hex("6a411f08ce25adcdfb02aba641451cec53c598b24f4fc787fbdc88797f4c1dfe", expected, 32);
    blake2s_init(&all, 32, NULL, 0);
    for (unsigned i = 0; i < 4; i++)
        for (unsigned j = 0; j < 6; j++) {
            fill_sequence(input, lengths[j], (uint32_t)lengths[j]);
            fill_sequence(key, out_lengths[i], (uint32_t)out_lengths[i]);
            for (unsigned is_keyed = 0; is_keyed < 2; is_keyed++) {
                blake2s_init(&one, out_lengths[i], key, is_keyed ? out_lengths[i] : 0);
                blake2s_update(&one, input, lengths[j]);
                blake2s_final(&one, out);
                blake2s_update(&all, out, out_lengths[i]);
            }
        }
    blake2s_final(&all, out);
    CHECK_BYTES(out, expected, 32);
}

static void test_hash_matches_libcrypto_at_every_length_in_any_parts(void)
{
    uint8_t input[600], expected[32], hash[32];
    tap_random_bytes(input, sizeof(input));
    for (size_t len = 0; len <= sizeof(input); len++) {
        CHECK(EVP_Digest(input, len, expected, NULL, EVP_blake2s256(), NULL) == 1);
        blake2s_hash(input, len, hash);
        CHECK_BYTES(hash, expected, 32);
        struct blake2s state;
        blake2s_init(&state, 32, NULL, 0);
        for (size_t at = 0; at < len;) {
            size_t part = tap_random_below(len - at + 1);
            blake2s_update(&state, input + at, part);
            at += part;
        }
        blake2s_final(&state, hash);
        CHECK_BYTES(hash, expected, 32);
        CHECK(bytes_are_zero((const uint8_t *)&state, sizeof(state)));
    }
}

static void test_mac_matches_libcrypto(void)
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "BLAKE2SMAC", NULL);
    EVP_MAC_CTX *context = EVP_MAC_CTX_new(mac);
    for (unsigned round = 0; round < 500; round++) {
        uint8_t key[32], input[200], expected[32], out[32];
        size_t key_bytes = 1 + tap_random_below(32), len = tap_random_below(sizeof(input) + 1);
        size_t out_bytes = round % 2 ? BLAKE2S_MAC_BYTES : 1 + tap_random_below(32), written;
        tap_random_bytes(key, sizeof(key));
        tap_random_bytes(input, sizeof(input));
        const OSSL_PARAM params[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &out_bytes),
                                     OSSL_PARAM_END};
        CHECK(EVP_MAC_init(context, key, key_bytes, params) == 1 &&
              EVP_MAC_update(context, input, len) == 1 &&
              EVP_MAC_final(context, expected, &written, sizeof(expected)) == 1);
        struct blake2s state;
        blake2s_init(&state, out_bytes, key, key_bytes);
        blake2s_update(&state, input, len);
        blake2s_final(&state, out);
        CHECK_BYTES(out, expected, out_bytes);
        if (out_bytes == BLAKE2S_MAC_BYTES) {
            blake2s_mac(key, key_bytes, input, len, out);
            CHECK_BYTES(out, expected, BLAKE2S_MAC_BYTES);
        }
    }
    EVP_MAC_CTX_free(context);
    EVP_MAC_free(mac);
}

static void hmac_by_libcrypto(const uint8_t *key, size_t key_bytes, const uint8_t *input,
                              size_t len, uint8_t out[32])
{
    CHECK(HMAC(EVP_blake2s256(), key, (int)key_bytes, input, len, out, NULL) != NULL);
}

static void test_hmac_matches_libcrypto_with_keys_of_any_length(void)
{
    uint8_t key[150], input[300], expected[32], out[32];
    tap_random_bytes(key, sizeof(key));
    tap_random_bytes(input, sizeof(input));
    for (size_t key_bytes = 1; key_bytes <= sizeof(key); key_bytes++) {
        size_t len = tap_random_below(sizeof(input) + 1);
        hmac_by_libcrypto(key, key_bytes, input, len, expected);
        blake2s_hmac(key, key_bytes, input, len, out);
        CHECK_BYTES(out, expected, 32);
    }
}

static void test_kdf_is_the_papers_hkdf(void)
{
    for (unsigned round = 0; round < 200; round++) {
        uint8_t chaining_key[32], input[64], secret[32], expected[3][33], out[3][32];
        size_t len = tap_random_below(sizeof(input) + 1);
        tap_random_bytes(chaining_key, sizeof(chaining_key));
        tap_random_bytes(input, sizeof(input));
        hmac_by_libcrypto(chaining_key, 32, input, len, secret);
        hmac_by_libcrypto(secret, 32, (const uint8_t[]){1}, 1, expected[0]);
        expected[0][32] = 2;
        hmac_by_libcrypto(secret, 32, expected[0], 33, expected[1]);
        expected[1][32] = 3;
        hmac_by_libcrypto(secret, 32, expected[1], 33, expected[2]);

        memset(out, 0, sizeof(out));
        unsigned wanted = 1 + round % 3;
        blake2s_kdf(chaining_key, input, len, out[0], wanted > 1 ? out[1] : NULL,
                    wanted > 2 ? out[2] : NULL);
        for (unsigned i = 0; i < wanted; i++)
            CHECK_BYTES(out[i], expected[i], 32);
        for (unsigned i = wanted; i < 3; i++)
            CHECK(bytes_are_zero(out[i], 32));
        blake2s_kdf(chaining_key, input, len, chaining_key, input, out[2]);
        CHECK_BYTES(chaining_key, expected[0], 32);
        CHECK_BYTES(input, expected[1], 32);
        CHECK_BYTES(out[2], expected[2], 32);
    }
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_rfc7693_abc);
    TAP_RUN(argc, argv, test_rfc7693_appendix_e);
    TAP_RUN(argc, argv, test_hash_matches_libcrypto_at_every_length_in_any_parts);
    TAP_RUN(argc, argv, test_mac_matches_libcrypto);
    TAP_RUN(argc, argv, test_hmac_matches_libcrypto_with_keys_of_any_length);
    TAP_RUN(argc, argv, test_kdf_is_the_papers_hkdf);
    return tap_done();
}
