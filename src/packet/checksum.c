/* SPDX-License-Identifier: MIT */
/* A ones-complement sum does not care how wide its words are (2^16 = 1 modulo 2^16 - 1) nor, until
 * the end, in which byte order they are read (RFC 1071 section 2). So 8 bytes are read at a time,
 * in the machine's order, and added as two halves of 32 bits to 64-bit sums that cannot overflow:
 * no carries, so it is vector code. The swap to network order comes once, at the end. */
#include "packet/checksum.h"

#include "base/bytes.h"

/* The result has at most 33 bits, so that sums of sums need no care. */
static inline uint64_t to_network_order(uint64_t sum)
{
    sum = __builtin_bswap64(sum);
    return (sum >> 32) + (uint32_t)sum;
}

/* `is_copied` is a constant at each call: two loops are made of this one. */
static inline __attribute__((always_inline)) uint64_t
sum_words(uint8_t *restrict out, const uint8_t *restrict in, size_t len, bool is_copied)
{
    uint64_t low = 0, high = 0;
    size_t at = 0;
    for (; at + 8 <= len; at += 8) {
        uint64_t word = load_le64(in + at);
        if (is_copied)
            store_le64(out + at, word);
        low += (uint32_t)word;
        high += word >> 32;
    }
    if (len & 4) {
        uint32_t word = load_le32(in + at);
        if (is_copied)
            store_le32(out + at, word);
        low += word;
        at += 4;
    }
    if (len & 2) {
        uint16_t word = load_le16(in + at);
        if (is_copied)
            store_le16(out + at, word);
        low += word;
        at += 2;
    }
    if (len & 1) {
        if (is_copied)
            out[at] = in[at];
        low += in[at];
    }
    return low + high;
}

#ifdef __x86_64__

typedef uint64_t lanes __attribute__((vector_size(32)));

/* Whole blocks of 32 bytes. Three instructions for each: `all` wraps, but with the high halves
 * known the low ones follow from it modulo 2^64. */
static inline __attribute__((always_inline, target("avx2"))) uint64_t
sum_blocks(uint8_t *restrict out, const uint8_t *restrict in, size_t len, bool is_copied)
{
    lanes all[2] = {{0}}, high[2] = {{0}};
    size_t at = 0, pairs_bytes = len & ~(size_t)63;
    for (; at < pairs_bytes; at += 64) {
        lanes a, b;
        memcpy(&a, in + at, 32);
        memcpy(&b, in + at + 32, 32);
        if (is_copied) {
            memcpy(out + at, &a, 32);
            memcpy(out + at + 32, &b, 32);
        }
        all[0] += a;
        high[0] += a >> 32;
        all[1] += b;
        high[1] += b >> 32;
    }
    if (at < len) {
        lanes a;
        memcpy(&a, in + at, 32);
        if (is_copied)
            memcpy(out + at, &a, 32);
        all[0] += a;
        high[0] += a >> 32;
    }
    lanes highs = high[0] + high[1];
    lanes sums = all[0] + all[1] - (highs << 32) + highs;
    return sums[0] + sums[1] + sums[2] + sums[3];
}

__attribute__((target("avx2"))) static uint64_t add_blocks(const uint8_t *in, size_t len)
{
    return sum_blocks(NULL, in, len, false);
}

__attribute__((target("avx2"))) static uint64_t copy_blocks(uint8_t *restrict out,
                                                            const uint8_t *restrict in, size_t len)
{
    return sum_blocks(out, in, len, true);
}

/* How much of `len` goes through the block functions. */
static inline size_t blocks_bytes(size_t len)
{
    return len >= 64 && __builtin_cpu_supports("avx2") ? len & ~(size_t)31 : 0;
}

#else

static inline uint64_t add_blocks(const uint8_t *in, size_t len)
{
    (void)in;
    (void)len;
    return 0;
}

static inline uint64_t copy_blocks(uint8_t *restrict out, const uint8_t *restrict in, size_t len)
{
    (void)out;
    (void)in;
    (void)len;
    return 0;
}

static inline size_t blocks_bytes(size_t len)
{
    (void)len;
    return 0;
}

#endif

uint64_t checksum_add(uint64_t sum, const uint8_t *bytes, size_t len)
{
    size_t blocks = blocks_bytes(len);
    uint64_t added = blocks ? add_blocks(bytes, blocks) : 0;
    added += sum_words(NULL, bytes + blocks, len - blocks, false);
    return sum + to_network_order(added);
}

uint64_t checksum_copy(uint64_t sum, uint8_t *restrict out, const uint8_t *restrict in, size_t len)
{
    size_t blocks = blocks_bytes(len);
    uint64_t added = blocks ? copy_blocks(out, in, blocks) : 0;
    added += sum_words(out + blocks, in + blocks, len - blocks, true);
    return sum + to_network_order(added);
}

uint16_t checksum_update(uint16_t field, const uint8_t *old_bytes, const uint8_t *new_bytes,
                         size_t len)
{
    uint64_t sum = (uint16_t)~field;
    for (size_t at = 0; at + 2 <= len; at += 2)
        sum += (uint64_t)(uint16_t)~load_be16(old_bytes + at) + load_be16(new_bytes + at);
    return checksum_finish(sum);
}
