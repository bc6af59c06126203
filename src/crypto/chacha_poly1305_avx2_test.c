/* SPDX-License-Identifier: MIT */
/* Poly1305's arithmetic where it carries, in each of the places that the AVX2 kernel has it: r, the
 * accumulator and the block are set to the edges, and poly1305.c, which has its own known answers,
 * does the same. */
#include "crypto/chacha_poly1305_avx2.h"

#include "tap.h"

#define ONES 0xffffffffffffffffu

static const uint64_t words[] = {
    0, 1, 4, 5, 0x7fffffffffffffff, 0x8000000000000000, ONES - 5, ONES - 4, ONES - 1, ONES};
#define WORDS (sizeof(words) / sizeof(words[0]))
static const uint64_t r_words[] = {0, 4, 0x0ffffffc0ffffffc, 0x0ffffffc00000000,
                                   0x0800000000000000};
#define R_WORDS (sizeof(r_words) / sizeof(r_words[0]))

struct trial {
    uint64_t r[2];
    uint64_t h[3];
    uint8_t blocks[PASS_STEP_BLOCKS][POLY1305_BLOCK_BYTES];
};

static bool is_supported(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
}

/* What absorbing the first `count` blocks makes of it, as a tag. */
static void expect(const struct trial *trial, const uint64_t h[3], const uint64_t r[2],
                   size_t count, uint8_t tag[16])
{
    struct poly1305 state = {.h = {h[0], h[1], h[2]}, .r = {r[0], r[1]}};
    poly1305_update_padded(&state, trial->blocks[0], count * POLY1305_BLOCK_BYTES);
    poly1305_final(&state, tag);
}

static struct poly1305_mulx hash_of(const uint64_t h[3])
{
    return (struct poly1305_mulx){h[0], h[1], h[2]};
}

static struct poly1305_mulx_key key_of(const uint64_t r[2])
{
    return (struct poly1305_mulx_key){.r0 = r[0], .r1 = r[1], .r1_folded = r[1] + (r[1] >> 2)};
}

AVX2 static void check_hash(const struct trial *trial, const struct poly1305_mulx *hash,
                            const uint64_t h[3], const uint64_t r[2], size_t count)
{
    static const struct poly1305_mulx_key no_key;
    uint8_t expected[16], tag[16];
    expect(trial, h, r, count, expected);
    poly1305_mulx_final(hash, &no_key, tag);
    CHECK_BYTES(tag, expected, 16);
    CHECK(hash->h2 <= 4);
}

AVX2 static void check(const struct trial *trial)
{
    static const uint64_t other_h[3] = {1, 2, 3}, other_r[2] = {0x0ffffffc0fffffff, 8};
    static uint8_t stream[CHACHA_AVX2_BYTES] __attribute__((aligned(32)));
    static struct pass pass;
    struct poly1305_mulx hash = hash_of(trial->h);
    struct poly1305_mulx_key key = key_of(trial->r);
    pass.stream = stream;
    poly1305_mulx_block(&hash, &key, trial->blocks[0]);
    check_hash(trial, &hash, trial->h, trial->r, 1);
    for (unsigned place = 0; place < 2; place++) {
        pass.hashes[place] = hash_of(trial->h);
        pass.hash_keys[place] = key;
        pass.hashes[!place] = hash_of(other_h);
        pass.hash_keys[!place] = key_of(other_r);
        pass.at[0] = pass.at[1] = trial->blocks[0];
        pass.beside = 1;
        chacha_poly1305_avx2_two(&pass);
        check_hash(trial, &pass.hashes[place], trial->h, trial->r, PASS_STEP_BLOCKS / 2);
        check_hash(trial, &pass.hashes[!place], other_h, other_r, PASS_STEP_BLOCKS / 2);
    }
    pass.hashes[0] = hash_of(trial->h);
    pass.hash_keys[0] = key;
    pass.beside = 1;
    chacha_poly1305_avx2_one(&pass);
    check_hash(trial, &pass.hashes[0], trial->h, trial->r, PASS_STEP_BLOCKS);
}

static uint64_t some_word(void)
{
    return tap_random_below(3) ? words[tap_random_below(WORDS)] : tap_random();
}

static void test_every_edge_of_r_and_the_accumulator_carries_right(void)
{
    if (!is_supported()) {
        tap_skip("no AVX2 here");
        return;
    }
    for (size_t i = 0; i < R_WORDS * R_WORDS; i++)
        for (size_t j = 0; j < WORDS * WORDS * 5; j++) {
            struct trial trial = {
                .r = {r_words[i / R_WORDS] | (r_words[i / R_WORDS] & 8 ? 3 : 0),
                      r_words[i % R_WORDS]},
                .h = {words[j % WORDS], words[j / WORDS % WORDS], j / WORDS / WORDS}};
            for (unsigned block = 0; block < PASS_STEP_BLOCKS; block++) {
                store_le64(trial.blocks[block], some_word());
                store_le64(trial.blocks[block] + 8, some_word());
            }
            check(&trial);
        }
}

/* Rounds are rounds, whatever runs beside them. */
AVX2 static void test_the_keystream_is_right_with_any_number_of_blocks_beside_it(void)
{
    if (!is_supported()) {
        tap_skip("no AVX2 here");
        return;
    }
    static const uint8_t bytes[PASS_STEPS * PASS_STEP_BLOCKS * POLY1305_BLOCK_BYTES];
    static uint8_t stream[CHACHA_AVX2_BYTES] __attribute__((aligned(32)));
    for (unsigned round = 0; round < 100; round++) {
        uint8_t keys[2][CHACHA_KEY_BYTES], expected[CHACHA_AVX2_BYTES];
        struct pass pass = {.at = {bytes, bytes}, .stream = stream};
        tap_random_bytes(keys, sizeof(keys));
        chacha_avx2_constants(&pass.chacha);
        for (unsigned half = 0; half < 2; half++) {
            uint8_t nonce[CHACHA_NONCE_BYTES] = {0}, *to = expected + half * CHACHA_AVX2_HALF_BYTES;
            struct chacha reference;
            uint64_t counter = tap_random();
            store_le64(nonce + 4, counter);
            chacha_avx2_key(&pass.chacha, half, keys[half]);
            chacha_avx2_packet(&pass.chacha, half, counter);
            chacha_init(&reference, keys[half], nonce);
            chacha_next(&reference, to);
        }
        for (unsigned beside = 0; beside <= PASS_STEPS; beside++)
            for (unsigned chains = 1; chains <= 2; chains++) {
                pass.beside = beside;
                pass.alone = PASS_STEPS - beside;
                (chains == 1 ? chacha_poly1305_avx2_one : chacha_poly1305_avx2_two)(&pass);
                CHECK_BYTES(stream, expected, CHACHA_AVX2_BYTES);
            }
    }
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_every_edge_of_r_and_the_accumulator_carries_right);
    TAP_RUN(argc, argv, test_the_keystream_is_right_with_any_number_of_blocks_beside_it);
    return tap_done();
}
