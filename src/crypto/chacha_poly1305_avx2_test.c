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
    uint8_t blocks[4][POLY1305_BLOCK_BYTES];
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

static struct rounds_chain chain_of(const struct trial *trial, const uint64_t h[3],
                                    const uint64_t r[2])
{
    return (struct rounds_chain){.hash = {h[0], h[1], h[2]},
                                 .r0 = r[0],
                                 .r1 = r[1],
                                 .r1_folded = r[1] + (r[1] >> 2),
                                 .at = trial->blocks[0]};
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
    struct rounds rounds = {.pairs = 1};
    struct rounds_chain chain = chain_of(trial, trial->h, trial->r);
    struct rounds_chain other = chain_of(trial, other_h, other_r);
    struct poly1305_mulx_key key = {.r0 = chain.r0, .r1 = chain.r1, .r1_folded = chain.r1_folded};
    poly1305_mulx_block(&chain.hash, &key, trial->blocks[0]);
    check_hash(trial, &chain.hash, trial->h, trial->r, 1);
    for (unsigned place = 0; place < 2; place++) {
        rounds.chains[place] = chain_of(trial, trial->h, trial->r);
        rounds.chains[!place] = other;
        rounds.pairs = 1;
        rounds_beside_two(&rounds, rounds.a);
        check_hash(trial, &rounds.chains[place].hash, trial->h, trial->r, 2);
        check_hash(trial, &rounds.chains[!place].hash, other_h, other_r, 2);
        CHECK(rounds.chains[place].at == trial->blocks[2]);
    }
    rounds.chains[0] = chain_of(trial, trial->h, trial->r);
    rounds.pairs = 1;
    rounds_beside_one(&rounds, rounds.a);
    check_hash(trial, &rounds.chains[0].hash, trial->h, trial->r, 4);
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
            for (unsigned block = 0; block < 4; block++) {
                store_le64(trial.blocks[block], some_word());
                store_le64(trial.blocks[block] + 8, some_word());
            }
            check(&trial);
        }
}

/* Rounds are rounds, whatever runs beside them. */
AVX2 static void test_the_rounds_are_the_same_with_and_without_blocks_beside_them(void)
{
    if (!is_supported()) {
        tap_skip("no AVX2 here");
        return;
    }
    static const uint8_t bytes[ROUNDS_PAIRS * ROUNDS_BLOCKS * POLY1305_BLOCK_BYTES];
    for (unsigned round = 0; round < 100; round++) {
        struct rounds alone, two, one;
        tap_random_bytes(&alone, sizeof(alone));
        alone.pairs = ROUNDS_PAIRS;
        alone.chains[0].at = alone.chains[1].at = bytes;
        two = one = alone;
        rounds_alone(&alone, alone.a);
        rounds_beside_two(&two, two.a);
        rounds_beside_one(&one, one.a);
        CHECK_BYTES(&two, &alone, offsetof(struct rounds, chains));
        CHECK_BYTES(&one, &alone, offsetof(struct rounds, chains));
    }
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_every_edge_of_r_and_the_accumulator_carries_right);
    TAP_RUN(argc, argv, test_the_rounds_are_the_same_with_and_without_blocks_beside_them);
    return tap_done();
}
