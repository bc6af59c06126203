/* SPDX-License-Identifier: MIT */
/* Eight blocks of ChaCha20 (RFC 8439 2.3) side by side in AVX2 registers. Word i of all blocks is
 * row i; its lanes 0 to 3 are four blocks of one packet, lanes 4 to 7 four blocks of another, or
 * the next four of the same. Or four packets have two lanes each. */
#ifndef CRYPTO_CHACHA_AVX2_H
#define CRYPTO_CHACHA_AVX2_H

#include <immintrin.h>
#include <stdint.h>

#include "base/bytes.h"
#include "crypto/chacha.h"

#define AVX2 __attribute__((target("avx2,bmi2")))
#define AVX2_INLINE static inline __attribute__((always_inline, target("avx2,bmi2")))

#define CHACHA_AVX2_HALF_BLOCKS 4
#define CHACHA_AVX2_HALF_BYTES (CHACHA_AVX2_HALF_BLOCKS * CHACHA_BLOCK_BYTES)
#define CHACHA_AVX2_BYTES (2 * CHACHA_AVX2_HALF_BYTES)

struct chacha_avx2 {
    __m256i rows[16];
};

AVX2_INLINE __m128i *chacha_avx2_half(struct chacha_avx2 *chacha, unsigned row, unsigned half)
{
    return (__m128i *)&chacha->rows[row] + half;
}

AVX2_INLINE void chacha_avx2_constants(struct chacha_avx2 *chacha)
{
    static const uint8_t text[] = "expand 32-byte k";
    for (unsigned i = 0; i < 4; i++)
        chacha->rows[i] = _mm256_set1_epi32((int)load_le32(text + 4 * i));
}

/* The rest of one half's words, but for the block counter. */
AVX2_INLINE void chacha_avx2_key(struct chacha_avx2 *chacha, unsigned half,
                                 const uint8_t key[CHACHA_KEY_BYTES])
{
    for (unsigned i = 0; i < 8; i++)
        *chacha_avx2_half(chacha, 4 + i, half) = _mm_set1_epi32((int)load_le32(key + 4 * i));
}

/* Begins a packet at block 0; its nonce is 4 zero bytes and `counter`. */
AVX2_INLINE void chacha_avx2_packet(struct chacha_avx2 *chacha, unsigned half, uint64_t counter)
{
    *chacha_avx2_half(chacha, 12, half) = _mm_setr_epi32(0, 1, 2, 3);
    *chacha_avx2_half(chacha, 13, half) = _mm_setzero_si128();
    *chacha_avx2_half(chacha, 14, half) = _mm_set1_epi32((int)(uint32_t)counter);
    *chacha_avx2_half(chacha, 15, half) = _mm_set1_epi32((int)(uint32_t)(counter >> 32));
}

/* Gives both halves to the packet in `half`: the lower one goes on where it is. */
AVX2_INLINE void chacha_avx2_take_all(struct chacha_avx2 *chacha, unsigned half)
{
    for (unsigned i = 4; i < 16; i++)
        *chacha_avx2_half(chacha, i, !half) = *chacha_avx2_half(chacha, i, half);
    chacha->rows[12] =
        _mm256_add_epi32(chacha->rows[12], _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4));
}

AVX2_INLINE void chacha_avx2_advance(struct chacha_avx2 *chacha, int blocks)
{
    chacha->rows[12] = _mm256_add_epi32(chacha->rows[12], _mm256_set1_epi32(blocks));
}

/* Lanes 2i and 2i + 1 get the lower halves of the i-th of four 64-bit words, and of the next row
 * the upper ones. */
AVX2_INLINE void chacha_avx2_set_pairs(struct chacha_avx2 *chacha, unsigned row, __m256i words)
{
    chacha->rows[row] = _mm256_shuffle_epi32(words, 0xa0);
    chacha->rows[row + 1] = _mm256_shuffle_epi32(words, 0xf5);
}

AVX2_INLINE void chacha_avx2_pair_keys(struct chacha_avx2 *chacha, const uint8_t *const keys[4])
{
    for (unsigned i = 0; i < 8; i += 2)
        chacha_avx2_set_pairs(chacha, 4 + i,
                              _mm256_setr_epi64x((long long)load_le64(keys[0] + 4 * i),
                                                 (long long)load_le64(keys[1] + 4 * i),
                                                 (long long)load_le64(keys[2] + 4 * i),
                                                 (long long)load_le64(keys[3] + 4 * i)));
}

/* Blocks 0 and 1 of four packets. */
AVX2_INLINE void chacha_avx2_pair_packets(struct chacha_avx2 *chacha, const uint64_t counters[4])
{
    chacha->rows[12] = _mm256_setr_epi32(0, 1, 0, 1, 0, 1, 0, 1);
    chacha->rows[13] = _mm256_setzero_si256();
    chacha_avx2_set_pairs(chacha, 14, _mm256_loadu_si256((const __m256i_u *)counters));
}

#endif
