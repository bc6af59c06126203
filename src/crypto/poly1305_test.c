/* SPDX-License-Identifier: MIT */
#include "crypto/poly1305.h"

#include <string.h>

#include "base/bytes.h"
#include "tap.h"

static void tag_of(const uint8_t key[32], const uint8_t *bytes, size_t len, uint8_t tag[16])
{
    struct poly1305 state;
    poly1305_init(&state, key);
    poly1305_update_padded(&state, bytes, len);
    poly1305_final(&state, tag);
}

/* The school's way with 17 digits of 8 bits: multiply, fold 2^130 to 5, and nothing clever. */
static void carry(uint32_t h[17])
{
    for (unsigned round = 0; round < 3; round++) {
        uint32_t over = 0;
        for (unsigned i = 0; i < 16; i++) {
            h[i] += over;
            over = h[i] >> 8;
            h[i] &= 255;
        }
        h[16] += over;
        h[0] += 5 * (h[16] >> 2);
        h[16] &= 3;
    }
}

/* A last short block is filled with zeros. */
static void naive_absorb(uint32_t h[17], const uint8_t r[16], const uint8_t *bytes, size_t len)
{
    static const uint8_t clamp[16] = {255, 255, 255, 15, 252, 255, 255, 15,
                                      252, 255, 255, 15, 252, 255, 255, 15};
    for (size_t at = 0; at < len; at += 16) {
        size_t now = len - at < 16 ? len - at : 16;
        for (size_t i = 0; i < now; i++)
            h[i] += bytes[at + i];
        h[16]++;
        uint32_t product[17] = {0};
        for (unsigned i = 0; i < 17; i++)
            for (unsigned j = 0; j < 16; j++) /* 2^136 = 64 * 2^130 becomes 64 * 5 */
                product[(i + j) % 17] += h[i] * (r[j] & clamp[j]) * (i + j >= 17 ? 320 : 1);
        memcpy(h, product, sizeof(product));
        carry(h);
    }
}

static void naive_final(const uint32_t h[17], const uint8_t s[16], uint8_t tag[16])
{
    uint32_t minus_p[17];
    memcpy(minus_p, h, sizeof(minus_p));
    minus_p[0] += 5;
    for (unsigned i = 0; i < 16; i++) {
        minus_p[i + 1] += minus_p[i] >> 8;
        minus_p[i] &= 255;
    }
    const uint32_t *result = minus_p[16] >= 4 ? minus_p : h;
    uint32_t over = 0;
    for (unsigned i = 0; i < 16; i++) {
        over += result[i] + s[i];
        tag[i] = (uint8_t)over;
        over >>= 8;
    }
}

static void naive_tag(const uint8_t key[32], const uint8_t *bytes, size_t len, uint8_t tag[16])
{
    uint32_t h[17] = {0};
    naive_absorb(h, key, bytes, len);
    naive_final(h, key + 16, tag);
}

/* RFC 8439 A.3, the numbers where a reduction goes wrong. */
static void test_rfc8439_tags(void)
{
    static const struct {
        const char *key, *message, *tag;
    } vectors[] = {
        {"0200000000000000000000000000000000000000000000000000000000000000",
         "ffffffffffffffffffffffffffffffff", "03000000000000000000000000000000"},
        {"02000000000000000000000000000000ffffffffffffffffffffffffffffffff",
         "02000000000000000000000000000000", "03000000000000000000000000000000"},
        {"0100000000000000000000000000000000000000000000000000000000000000",
         "fffffffffffffffffffffffffffffffff0ffffffffffffffffffffffffffffff"
         "11000000000000000000000000000000",
         "05000000000000000000000000000000"},
        {"0100000000000000000000000000000000000000000000000000000000000000",
         "fffffffffffffffffffffffffffffffffbfefefefefefefefefefefefefefefe"
         "01010101010101010101010101010101",
         "00000000000000000000000000000000"},
        {"0200000000000000000000000000000000000000000000000000000000000000",
         "fdffffffffffffffffffffffffffffff", "faffffffffffffffffffffffffffffff"},
        {"0100000000000000040000000000000000000000000000000000000000000000",
         "e33594d7505e43b900000000000000003394d7505e4379cd0100000000000000"
         "0000000000000000000000000000000001000000000000000000000000000000",
         "14000000000000005500000000000000"},
        {"0100000000000000040000000000000000000000000000000000000000000000",
         "e33594d7505e43b900000000000000003394d7505e4379cd0100000000000000"
         "00000000000000000000000000000000",
         "13000000000000000000000000000000"},
    };
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        uint8_t key[32], message[64], expected[16], tag[16];
        tap_hex(vectors[i].key, key, sizeof(key));
        size_t len = tap_hex(vectors[i].message, message, sizeof(message));
        tap_hex(vectors[i].tag, expected, sizeof(expected));
        tag_of(key, message, len, tag);
        CHECK_BYTES(tag, expected, 16);
        naive_tag(key, message, len, tag);
        CHECK_BYTES(tag, expected, 16);
    }
}

static void test_tags_match_the_naive_twin(void)
{
    for (unsigned round = 0; round < 4000; round++) {
        uint8_t key[32], message[200], expected[16], tag[16];
        tap_random_bytes(key, sizeof(key));
        tap_random_bytes(message, sizeof(message));
        if (round % 4 == 0) /* carries run through long rows of ones */
            memset(message, 255, tap_random_below(sizeof(message)));
        if (round % 3 == 0)
            memset(key, round % 2 ? 255 : 0, tap_random_below(sizeof(key)));
        size_t len = tap_random_below(sizeof(message));
        tag_of(key, message, len, tag);
        naive_tag(key, message, len, expected);
        CHECK_BYTES(tag, expected, 16);
    }
}

/* From any accumulator that the invariant allows, with r and blocks of long rows of ones. */
static void check_from(const uint64_t h[3], const uint64_t r[2], const uint8_t blocks[32])
{
    struct poly1305 state = {.h = {h[0], h[1], h[2]}, .r = {r[0], r[1]}};
    uint8_t r_bytes[16], zero[16] = {0}, expected[16], tag[16];
    uint32_t naive[17];
    for (unsigned i = 0; i < 17; i++)
        naive[i] = (h[i / 8] >> i % 8 * 8) & 255;
    for (unsigned i = 0; i < 2; i++)
        store_le64(r_bytes + 8 * i, r[i]);
    naive_absorb(naive, r_bytes, blocks, 32);
    naive_final(naive, zero, expected);
    poly1305_update_padded(&state, blocks, 32);
    CHECK(state.h[2] <= 4);
    poly1305_final(&state, tag);
    CHECK_BYTES(tag, expected, 16);
}

static void test_every_edge_of_r_and_the_accumulator_carries_right(void)
{
    static const uint64_t words[] = {0, 1, 4, 5, 1ull << 63, ~0ull - 5, ~0ull - 4, ~0ull};
    static const uint64_t r0s[] = {0, 1, 4, 0x0ffffffc0fffffff, 0x0ffffffc00000000};
    static const uint64_t r1s[] = {0, 4, 0x0ffffffc0ffffffc, 0x0ffffffc00000000};
    for (size_t at = 0; at < 8 * 8 * 5 * 5 * 4; at++) {
        const uint64_t h[3] = {words[at % 8], words[at / 8 % 8], at / 64 % 5};
        const uint64_t r[2] = {r0s[at / 320 % 5], r1s[at / 1600]};
        uint8_t blocks[32];
        for (unsigned i = 0; i < 4; i++)
            store_le64(blocks + 8 * i,
                       tap_random_below(3) ? words[tap_random_below(8)] : tap_random());
        check_from(h, r, blocks);
    }
}

static void test_padding_counts_as_zeros(void)
{
    uint8_t key[32], padded[32] = {0}, tag[16], expected[16];
    tap_random_bytes(key, sizeof(key));
    tap_random_bytes(padded, 21);
    struct poly1305 state;
    poly1305_init(&state, key);
    poly1305_update_padded(&state, padded, 21);
    poly1305_update_padded(&state, NULL, 0);
    poly1305_final(&state, tag);
    tag_of(key, padded, sizeof(padded), expected);
    CHECK_BYTES(tag, expected, 16);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_rfc8439_tags);
    TAP_RUN(argc, argv, test_tags_match_the_naive_twin);
    TAP_RUN(argc, argv, test_every_edge_of_r_and_the_accumulator_carries_right);
    TAP_RUN(argc, argv, test_padding_counts_as_zeros);
    return tap_done();
}
