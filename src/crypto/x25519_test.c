/* SPDX-License-Identifier: MIT */
#include "crypto/x25519.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "tap.h"

static const struct {
    unsigned number;
    const char *private_key, *public_key, *shared;
} wycheproof[] = {
#include "testdata/wycheproof_x25519.inc"
};

static void test_wycheproof_and_zero_results_are_refused(void)
{
    unsigned refused = 0;
    for (size_t i = 0; i < sizeof(wycheproof) / sizeof(wycheproof[0]); i++) {
        uint8_t private_key[32], public_key[32], expected[32], shared[32], before[32];
        tap_hex(wycheproof[i].private_key, private_key, 32);
        tap_hex(wycheproof[i].public_key, public_key, 32);
        tap_hex(wycheproof[i].shared, expected, 32);
        tap_random_bytes(before, sizeof(before));
        memcpy(shared, before, sizeof(before));
        bool is_zero = bytes_are_zero(expected, 32);
        bool is_right = x25519(shared, private_key, public_key) == !is_zero &&
                        memcmp(shared, is_zero ? before : expected, 32) == 0;
        if (!CHECK(is_right))
            printf("# vector %u\n", wycheproof[i].number);
        refused += is_zero;
    }
    CHECK_EQUAL(refused, 31);
}

static void test_rfc7748_vectors(void)
{
    static const char *const vectors[2][3] = {
        {"a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
         "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
         "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"},
        {"4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
         "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
         "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"},
    };
    for (unsigned i = 0; i < 2; i++) {
        uint8_t scalar[32], u[32], expected[32], shared[32];
        tap_hex(vectors[i][0], scalar, 32);
        tap_hex(vectors[i][1], u, 32);
        tap_hex(vectors[i][2], expected, 32);
        CHECK(x25519(shared, scalar, u));
        CHECK_BYTES(shared, expected, 32);
    }
}

static void test_rfc7748_iterated_a_thousand_times(void)
{
    uint8_t k[32] = {9}, u[32] = {9}, expected[32], next[32];
    for (unsigned i = 0; i < 1000; i++) {
        CHECK(x25519(next, k, u));
        memcpy(u, k, 32);
        memcpy(k, next, 32);
        if (i == 0) {
            tap_hex("422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079", expected,
                    32);
            CHECK_BYTES(k, expected, 32);
        }
    }
    tap_hex("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51", expected, 32);
    CHECK_BYTES(k, expected, 32);
}

static void test_rfc7748_key_exchange(void)
{
    uint8_t alice[32], bob[32], expected[32], alice_public[32], bob_public[32], shared[32];
    tap_hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a", alice, 32);
    tap_hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", bob, 32);
    x25519_public(alice_public, alice);
    tap_hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a", expected, 32);
    CHECK_BYTES(alice_public, expected, 32);
    x25519_public(bob_public, bob);
    tap_hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f", expected, 32);
    CHECK_BYTES(bob_public, expected, 32);
    tap_hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742", expected, 32);
    CHECK(x25519(shared, alice, bob_public));
    CHECK_BYTES(shared, expected, 32);
    CHECK(x25519(shared, bob, alice_public));
    CHECK_BYTES(shared, expected, 32);
}

static void test_both_sides_agree_and_clamping_changes_nothing(void)
{
    for (unsigned i = 0; i < 50; i++) {
        uint8_t a[32], b[32], a_public[32], b_public[32], ab[32], ba[32], clamped[32];
        tap_random_bytes(a, 32);
        tap_random_bytes(b, 32);
        x25519_public(a_public, a);
        memcpy(clamped, a, 32);
        x25519_clamp(clamped);
        CHECK_EQUAL(clamped[0] & 7, 0);
        CHECK_EQUAL(clamped[31] >> 6, 1);
        CHECK_BYTES(clamped + 1, a + 1, 30);
        x25519_public(ab, clamped);
        CHECK_BYTES(ab, a_public, 32);
        x25519_public(b_public, b);
        CHECK(x25519(ab, clamped, b_public));
        CHECK(x25519(ba, b, a_public));
        CHECK_BYTES(ab, ba, 32);
        CHECK(x25519(b_public, a, b_public)); /* the result may take a key's place */
        CHECK_BYTES(b_public, ab, 32);
        CHECK(x25519(b, b, a_public));
        CHECK_BYTES(b, ab, 32);
    }
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_wycheproof_and_zero_results_are_refused);
    TAP_RUN(argc, argv, test_rfc7748_vectors);
    TAP_RUN(argc, argv, test_rfc7748_iterated_a_thousand_times);
    TAP_RUN(argc, argv, test_rfc7748_key_exchange);
    TAP_RUN(argc, argv, test_both_sides_agree_and_clamping_changes_nothing);
    return tap_done();
}
