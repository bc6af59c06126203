/* SPDX-License-Identifier: MIT */
#include "crypto/chacha.h"

#include "base/bytes.h"

/* One word of four neighbouring blocks: the compiler makes of it what vectors the target has. */
typedef uint32_t lanes __attribute__((vector_size(16)));

#define ROTATE(value, by) (((value) << (by)) | ((value) >> (32 - (by))))
#define QUARTER(a, b, c, d)                                                                        \
    do {                                                                                           \
        a += b, d ^= a, d = ROTATE(d, 16);                                                         \
        c += d, b ^= c, b = ROTATE(b, 12);                                                         \
        a += b, d ^= a, d = ROTATE(d, 8);                                                          \
        c += d, b ^= c, b = ROTATE(b, 7);                                                          \
    } while (0)
/* A column round and a diagonal round, on words or on lanes. */
#define DOUBLE_ROUND(x)                                                                            \
    do {                                                                                           \
        QUARTER(x[0], x[4], x[8], x[12]);                                                          \
        QUARTER(x[1], x[5], x[9], x[13]);                                                          \
        QUARTER(x[2], x[6], x[10], x[14]);                                                         \
        QUARTER(x[3], x[7], x[11], x[15]);                                                         \
        QUARTER(x[0], x[5], x[10], x[15]);                                                         \
        QUARTER(x[1], x[6], x[11], x[12]);                                                         \
        QUARTER(x[2], x[7], x[8], x[13]);                                                          \
        QUARTER(x[3], x[4], x[9], x[14]);                                                          \
    } while (0)

void chacha_init(struct chacha *chacha, const uint8_t key[CHACHA_KEY_BYTES],
                 const uint8_t nonce[CHACHA_NONCE_BYTES])
{
    static const uint8_t constant[16] = "expand 32-byte k";
    for (unsigned i = 0; i < 4; i++)
        chacha->words[i] = load_le32(constant + 4 * i);
    for (unsigned i = 0; i < 8; i++)
        chacha->words[4 + i] = load_le32(key + 4 * i);
    chacha->words[12] = 0;
    for (unsigned i = 0; i < 3; i++)
        chacha->words[13 + i] = load_le32(nonce + 4 * i);
}

/* Four words of four blocks each become, for each block, its four words side by side. */
static inline void store_transposed(const lanes rows[4], uint8_t *stream)
{
    lanes low01 = __builtin_shufflevector(rows[0], rows[1], 0, 4, 1, 5);
    lanes low23 = __builtin_shufflevector(rows[2], rows[3], 0, 4, 1, 5);
    lanes high01 = __builtin_shufflevector(rows[0], rows[1], 2, 6, 3, 7);
    lanes high23 = __builtin_shufflevector(rows[2], rows[3], 2, 6, 3, 7);
    const lanes blocks[4] = {
        __builtin_shufflevector(low01, low23, 0, 1, 4, 5),
        __builtin_shufflevector(low01, low23, 2, 3, 6, 7),
        __builtin_shufflevector(high01, high23, 0, 1, 4, 5),
        __builtin_shufflevector(high01, high23, 2, 3, 6, 7),
    };
    for (unsigned i = 0; i < 4; i++)
        memcpy(stream + i * CHACHA_BLOCK_BYTES, &blocks[i], sizeof(blocks[i]));
}

void chacha_next(struct chacha *chacha, uint8_t stream[CHACHA_STRIDE_BLOCKS * CHACHA_BLOCK_BYTES])
{
    const lanes zero = {0}, step = {0, 1, 2, 3};
    lanes x[16];
    for (unsigned i = 0; i < 16; i++)
        x[i] = zero + chacha->words[i];
    x[12] += step;
    for (unsigned round = 0; round < 20; round += 2)
        DOUBLE_ROUND(x);
    for (unsigned i = 0; i < 16; i++)
        x[i] += chacha->words[i];
    x[12] += step;
    for (unsigned i = 0; i < 16; i += 4)
        store_transposed(x + i, stream + 4 * i);
    chacha->words[12] += CHACHA_STRIDE_BLOCKS;
}

void chacha_hchacha(const uint8_t key[CHACHA_KEY_BYTES], const uint8_t nonce[16],
                    uint8_t subkey[CHACHA_KEY_BYTES])
{
    struct chacha chacha;
    chacha_init(&chacha, key, nonce + 4);
    chacha.words[12] = load_le32(nonce); /* HChaCha20's nonce takes the counter's place as well */
    uint32_t *x = chacha.words;
    for (unsigned round = 0; round < 20; round += 2)
        DOUBLE_ROUND(x);
    for (unsigned i = 0; i < 4; i++) {
        store_le32(subkey + 4 * i, x[i]);
        store_le32(subkey + 16 + 4 * i, x[12 + i]);
    }
    bytes_wipe(&chacha, sizeof(chacha));
}
