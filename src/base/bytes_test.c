/* SPDX-License-Identifier: MIT */
#include "base/bytes.h"

#include "base/clock.h"
#include "tap.h"

static void test_loads_and_stores_agree_at_any_alignment(void)
{
    uint8_t bytes[16];
    for (unsigned at = 0; at < 8; at++) {
        store_be64(bytes + at, 0x0102030405060708);
        CHECK_EQUAL(bytes[at], 1);
        CHECK_EQUAL(load_be16(bytes + at), 0x0102);
        CHECK_EQUAL(load_be32(bytes + at), 0x01020304);
        CHECK_EQUAL(load_be64(bytes + at), 0x0102030405060708);
        CHECK_EQUAL(load_le16(bytes + at), 0x0201);
        CHECK_EQUAL(load_le32(bytes + at), 0x04030201);
        CHECK_EQUAL(load_le64(bytes + at), 0x0807060504030201);
        store_le32(bytes + at, 0xaabbccdd);
        CHECK_EQUAL(bytes[at], 0xdd);
        store_be16(bytes + at, 0x1234);
        CHECK_EQUAL(bytes[at], 0x12);
    }
}

static void test_secrets_are_compared_and_wiped(void)
{
    uint8_t a[32], b[32];
    tap_random_bytes(a, sizeof(a));
    memcpy(b, a, sizeof(a));
    CHECK(bytes_equal_secret(a, b, sizeof(a)));
    b[31] ^= 1;
    CHECK(!bytes_equal_secret(a, b, sizeof(a)));
    bytes_wipe(a, sizeof(a));
    CHECK(bytes_are_zero(a, sizeof(a)));
    CHECK(!bytes_are_zero(b, sizeof(b)));
}

static void test_instants_saturate_at_never(void)
{
    CHECK(instant_add(INSTANT_NEVER, 1) == INSTANT_NEVER);
    CHECK(instant_add(INSTANT_NEVER - 1, 5) == INSTANT_NEVER);
    CHECK(instant_add(5, 6) == 11);
    CHECK(!instant_is_reached(INSTANT_NEVER, UINT64_MAX));
    CHECK(instant_is_reached(5, 5));
    CHECK(!instant_is_reached(6, 5));
    CHECK(instant_since(7, 5) == 0);
    CHECK(instant_since(5, 7) == 2);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_loads_and_stores_agree_at_any_alignment);
    TAP_RUN(argc, argv, test_secrets_are_compared_and_wiped);
    TAP_RUN(argc, argv, test_instants_saturate_at_never);
    return tap_done();
}
