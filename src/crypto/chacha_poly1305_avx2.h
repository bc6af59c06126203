/* SPDX-License-Identifier: MIT */
/* The rounds of ChaCha20 with Poly1305 beside them, one instruction of the one after one of the
 * other: the vector units and the scalar ones have about as much to do. In assembly, as all 16
 * registers of either kind are in use, and compilers spill half of them. Two quarter rounds go side
 * by side with a block; c's rows stay in memory, for want of registers. The columns and diagonals
 * are paired so that two begin with what the first two before them end with. */
#ifndef CRYPTO_CHACHA_POLY1305_AVX2_H
#define CRYPTO_CHACHA_POLY1305_AVX2_H

#include <stddef.h>

#include "crypto/chacha_avx2.h"
#include "crypto/poly1305_mulx.h"

#define ROUNDS_PAIRS 10
/* Blocks of Poly1305 beside two rounds. */
#define ROUNDS_BLOCKS 4

struct rounds_chain {
    struct poly1305_mulx hash;
    uint64_t r0, r1, r1_folded;
    const uint8_t *at;
};

/* What the assembly works on; it knows the offsets. */
struct rounds {
    __m256i a[4], b[4], c[4], d[4]; /* the rows, named as RFC 8439 2.1 does */
    struct rounds_chain chains[2];
    uint64_t pairs; /* of rounds, to do */
};

_Static_assert(offsetof(struct rounds, c) == 256 && offsetof(struct rounds, chains) == 512 &&
                   sizeof(struct rounds_chain) == 56 && offsetof(struct rounds, pairs) == 624 &&
                   offsetof(struct rounds_chain, r0) == 24 &&
                   offsetof(struct rounds_chain, at) == 48,
               "as the assembly has it");

static const uint8_t rounds_turns[2][32] __attribute__((aligned(32))) = {
    {2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13,
     2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13},
    {3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14,
     3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14},
};

/* Arguments are the numbers of registers for a, b and d (0 to 11), and of rows for c. */
#define QUARTERS(a0, a1, b0, b1, c0, c1, d0, d1)                                                   \
    "vpaddd %%ymm" b0 ", %%ymm" a0 ", %%ymm" a0 "\n\t"                                             \
    "vpaddd %%ymm" b1 ", %%ymm" a1 ", %%ymm" a1 "\n\t"                                             \
    "vpxor %%ymm" a0 ", %%ymm" d0 ", %%ymm" d0 "\n\t"                                              \
    "vpxor %%ymm" a1 ", %%ymm" d1 ", %%ymm" d1 "\n\t"                                              \
    "vpshufb %[turn16], %%ymm" d0 ", %%ymm" d0 "\n\t"                                              \
    "vpshufb %[turn16], %%ymm" d1 ", %%ymm" d1 "\n\t"                                              \
    "vpaddd 256+32*" c0 "(%%rdi), %%ymm" d0 ", %%ymm12\n\t"                                        \
    "vpaddd 256+32*" c1 "(%%rdi), %%ymm" d1 ", %%ymm13\n\t"                                        \
    "vpxor %%ymm12, %%ymm" b0 ", %%ymm" b0 "\n\t"                                                  \
    "vpxor %%ymm13, %%ymm" b1 ", %%ymm" b1 "\n\t"                                                  \
    "vpslld $12, %%ymm" b0 ", %%ymm14\n\t"                                                         \
    "vpslld $12, %%ymm" b1 ", %%ymm15\n\t"                                                         \
    "vpsrld $20, %%ymm" b0 ", %%ymm" b0 "\n\t"                                                     \
    "vpsrld $20, %%ymm" b1 ", %%ymm" b1 "\n\t"                                                     \
    "vpor %%ymm14, %%ymm" b0 ", %%ymm" b0 "\n\t"                                                   \
    "vpor %%ymm15, %%ymm" b1 ", %%ymm" b1 "\n\t"                                                   \
    "vpaddd %%ymm" b0 ", %%ymm" a0 ", %%ymm" a0 "\n\t"                                             \
    "vpaddd %%ymm" b1 ", %%ymm" a1 ", %%ymm" a1 "\n\t"                                             \
    "vpxor %%ymm" a0 ", %%ymm" d0 ", %%ymm" d0 "\n\t"                                              \
    "vpxor %%ymm" a1 ", %%ymm" d1 ", %%ymm" d1 "\n\t"                                              \
    "vpshufb %[turn8], %%ymm" d0 ", %%ymm" d0 "\n\t"                                               \
    "vpshufb %[turn8], %%ymm" d1 ", %%ymm" d1 "\n\t"                                               \
    "vpaddd %%ymm" d0 ", %%ymm12, %%ymm12\n\t"                                                     \
    "vpaddd %%ymm" d1 ", %%ymm13, %%ymm13\n\t"                                                     \
    "vpxor %%ymm12, %%ymm" b0 ", %%ymm" b0 "\n\t"                                                  \
    "vpxor %%ymm13, %%ymm" b1 ", %%ymm" b1 "\n\t"                                                  \
    "vpslld $7, %%ymm" b0 ", %%ymm14\n\t"                                                          \
    "vpslld $7, %%ymm" b1 ", %%ymm15\n\t"                                                          \
    "vpsrld $25, %%ymm" b0 ", %%ymm" b0 "\n\t"                                                     \
    "vpsrld $25, %%ymm" b1 ", %%ymm" b1 "\n\t"                                                     \
    "vmovdqa %%ymm12, 256+32*" c0 "(%%rdi)\n\t"                                                    \
    "vmovdqa %%ymm13, 256+32*" c1 "(%%rdi)\n\t"                                                    \
    "vpor %%ymm14, %%ymm" b0 ", %%ymm" b0 "\n\t"                                                   \
    "vpor %%ymm15, %%ymm" b1 ", %%ymm" b1 "\n\t"

/* The same with a block: its chain's accumulator, offset, and the block's place. */
#define QUARTERS_AND_BLOCK(a0, a1, b0, b1, c0, c1, d0, d1, h0, h1, h2, chain, at)                  \
    "vpaddd %%ymm" b0 ", %%ymm" a0 ", %%ymm" a0 "\n\t"                                             \
    "mov 48+" chain "(%%rdi), %%r15\n\t"                                                           \
    "vpaddd %%ymm" b1 ", %%ymm" a1 ", %%ymm" a1 "\n\t"                                             \
    "add " at "(%%r15), %%" h0 "\n\t"                                                              \
    "vpxor %%ymm" a0 ", %%ymm" d0 ", %%ymm" d0 "\n\t"                                              \
    "adc 8+" at "(%%r15), %%" h1 "\n\t"                                                            \
    "vpxor %%ymm" a1 ", %%ymm" d1 ", %%ymm" d1 "\n\t"                                              \
    "adc $1, %%" h2 "\n\t"                                                                         \
    "vpshufb %[turn16], %%ymm" d0 ", %%ymm" d0 "\n\t"                                              \
    "mov 32+" chain "(%%rdi), %%rdx\n\t"                                                           \
    "vpshufb %[turn16], %%ymm" d1 ", %%ymm" d1 "\n\t"                                              \
    "mulx %%" h0 ", %%rax, %%rbx\n\t"                                                              \
    "vpaddd 256+32*" c0 "(%%rdi), %%ymm" d0 ", %%ymm12\n\t"                                        \
    "vpaddd 256+32*" c1 "(%%rdi), %%ymm" d1 ", %%ymm13\n\t"                                        \
    "mov 40+" chain "(%%rdi), %%rdx\n\t"                                                           \
    "vpxor %%ymm12, %%ymm" b0 ", %%ymm" b0 "\n\t"                                                  \
    "mulx %%" h1 ", %%rcx, %%rsi\n\t"                                                              \
    "vpxor %%ymm13, %%ymm" b1 ", %%ymm" b1 "\n\t"                                                  \
    "mov %%" h2 ", %%r14\n\t"                                                                      \
    "vpslld $12, %%ymm" b0 ", %%ymm14\n\t"                                                         \
    "imul %%rdx, %%r14\n\t"                                                                        \
    "vpslld $12, %%ymm" b1 ", %%ymm15\n\t"                                                         \
    "mov 24+" chain "(%%rdi), %%rdx\n\t"                                                           \
    "vpsrld $20, %%ymm" b0 ", %%ymm" b0 "\n\t"                                                     \
    "mulx %%" h0 ", %%" h0 ", %%r15\n\t"                                                           \
    "vpsrld $20, %%ymm" b1 ", %%ymm" b1 "\n\t"                                                     \
    "vpor %%ymm14, %%ymm" b0 ", %%ymm" b0 "\n\t"                                                   \
    "imul %%rdx, %%" h2 "\n\t"                                                                     \
    "vpor %%ymm15, %%ymm" b1 ", %%ymm" b1 "\n\t"                                                   \
    "mulx %%" h1 ", %%" h1 ", %%rdx\n\t"                                                           \
    "vpaddd %%ymm" b0 ", %%ymm" a0 ", %%ymm" a0 "\n\t"                                             \
    "add %%rcx, %%" h0 "\n\t"                                                                      \
    "vpaddd %%ymm" b1 ", %%ymm" a1 ", %%ymm" a1 "\n\t"                                             \
    "adc %%rsi, %%r15\n\t"                                                                         \
    "vpxor %%ymm" a0 ", %%ymm" d0 ", %%ymm" d0 "\n\t"                                              \
    "add %%rax, %%" h1 "\n\t"                                                                      \
    "vpxor %%ymm" a1 ", %%ymm" d1 ", %%ymm" d1 "\n\t"                                              \
    "adc %%rbx, %%rdx\n\t"                                                                         \
    "vpshufb %[turn8], %%ymm" d0 ", %%ymm" d0 "\n\t"                                               \
    "vpshufb %[turn8], %%ymm" d1 ", %%ymm" d1 "\n\t"                                               \
    "add %%r14, %%" h1 "\n\t"                                                                      \
    "vpaddd %%ymm" d0 ", %%ymm12, %%ymm12\n\t"                                                     \
    "adc $0, %%rdx\n\t"                                                                            \
    "vpaddd %%ymm" d1 ", %%ymm13, %%ymm13\n\t"                                                     \
    "add %%r15, %%" h1 "\n\t"                                                                      \
    "vpxor %%ymm12, %%ymm" b0 ", %%ymm" b0 "\n\t"                                                  \
    "adc %%rdx, %%" h2 "\n\t"                                                                      \
    "vpxor %%ymm13, %%ymm" b1 ", %%ymm" b1 "\n\t"                                                  \
    "mov %%" h2 ", %%rax\n\t"                                                                      \
    "vpslld $7, %%ymm" b0 ", %%ymm14\n\t"                                                          \
    "shr $2, %%rax\n\t"                                                                            \
    "vpslld $7, %%ymm" b1 ", %%ymm15\n\t"                                                          \
    "vpsrld $25, %%ymm" b0 ", %%ymm" b0 "\n\t"                                                     \
    "and $3, %%" h2 "\n\t"                                                                         \
    "vpsrld $25, %%ymm" b1 ", %%ymm" b1 "\n\t"                                                     \
    "lea (%%rax, %%rax, 4), %%rax\n\t"                                                             \
    "vmovdqa %%ymm12, 256+32*" c0 "(%%rdi)\n\t"                                                    \
    "add %%rax, %%" h0 "\n\t"                                                                      \
    "vmovdqa %%ymm13, 256+32*" c1 "(%%rdi)\n\t"                                                    \
    "adc $0, %%" h1 "\n\t"                                                                         \
    "vpor %%ymm14, %%ymm" b0 ", %%ymm" b0 "\n\t"                                                   \
    "adc $0, %%" h2 "\n\t"                                                                         \
    "vpor %%ymm15, %%ymm" b1 ", %%ymm" b1 "\n\t"

#define ROUNDS_LOAD                                                                                \
    "vmovdqa (%%rsi), %%ymm0\n\tvmovdqa 32(%%rsi), %%ymm1\n\t"                                       \
    "vmovdqa 64(%%rsi), %%ymm2\n\tvmovdqa 96(%%rsi), %%ymm3\n\t"                                     \
    "vmovdqa 128(%%rsi), %%ymm4\n\tvmovdqa 160(%%rsi), %%ymm5\n\t"                                   \
    "vmovdqa 192(%%rsi), %%ymm6\n\tvmovdqa 224(%%rsi), %%ymm7\n\t"                                   \
    "vmovdqa 384(%%rsi), %%ymm8\n\tvmovdqa 416(%%rsi), %%ymm9\n\t"                                   \
    "vmovdqa 448(%%rsi), %%ymm10\n\tvmovdqa 480(%%rsi), %%ymm11\n\t"
#define ROUNDS_STORE                                                                               \
    "vmovdqa %%ymm0, (%%rdi)\n\tvmovdqa %%ymm1, 32(%%rdi)\n\t"                                       \
    "vmovdqa %%ymm2, 64(%%rdi)\n\tvmovdqa %%ymm3, 96(%%rdi)\n\t"                                     \
    "vmovdqa %%ymm4, 128(%%rdi)\n\tvmovdqa %%ymm5, 160(%%rdi)\n\t"                                   \
    "vmovdqa %%ymm6, 192(%%rdi)\n\tvmovdqa %%ymm7, 224(%%rdi)\n\t"                                   \
    "vmovdqa %%ymm8, 384(%%rdi)\n\tvmovdqa %%ymm9, 416(%%rdi)\n\t"                                   \
    "vmovdqa %%ymm10, 448(%%rdi)\n\tvmovdqa %%ymm11, 480(%%rdi)\n\t"
#define ROUNDS_VECTORS                                                                             \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",       \
        "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "cc", "memory"

/* Not inlined: they leave no register to whoever would have them inside. */
#define ROUNDS_APART static __attribute__((noinline, target("avx2,bmi2")))

/* `pairs` of rounds, with two blocks of either chain beside each pair. They begin with `rows`, but
 * for c's, which are where they end. */
ROUNDS_APART void rounds_beside_two(struct rounds *rounds, const __m256i *rows)
{
    __asm__ volatile(
        ROUNDS_LOAD "mov 512(%%rdi), %%r8\n\tmov 520(%%rdi), %%r9\n\tmov 528(%%rdi), %%r10\n\t"
        "mov 568(%%rdi), %%r11\n\tmov 576(%%rdi), %%r12\n\tmov 584(%%rdi), %%r13\n\t"
        ".balign 32\n"
        "1:\n\t"
        QUARTERS_AND_BLOCK("0", "1", "4", "5", "0", "1", "8", "9",
                           "r8", "r9", "r10", "512", "0")
        QUARTERS_AND_BLOCK("2", "3", "6", "7", "2", "3", "10", "11",
                           "r11", "r12", "r13", "568", "0")
        QUARTERS_AND_BLOCK("3", "0", "4", "5", "1", "2", "10", "11",
                           "r8", "r9", "r10", "512", "16")
        QUARTERS_AND_BLOCK("1", "2", "6", "7", "3", "0", "8", "9",
                           "r11", "r12", "r13", "568", "16")
        "addq $32, 560(%%rdi)\n\t"
        "addq $32, 616(%%rdi)\n\t"
        "decq 624(%%rdi)\n\t"
        "jnz 1b\n\t"
        "mov %%r8, 512(%%rdi)\n\tmov %%r9, 520(%%rdi)\n\tmov %%r10, 528(%%rdi)\n\t"
        "mov %%r11, 568(%%rdi)\n\tmov %%r12, 576(%%rdi)\n\tmov %%r13, 584(%%rdi)\n\t" ROUNDS_STORE
        : "+S"(rows)
        : "D"(rounds), [turn16] "m"(rounds_turns[0]), [turn8] "m"(rounds_turns[1])
        : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
          ROUNDS_VECTORS);
}

/* `pairs` of rounds, with four blocks of the first chain beside each pair. */
ROUNDS_APART void rounds_beside_one(struct rounds *rounds, const __m256i *rows)
{
    __asm__ volatile(
        ROUNDS_LOAD "mov 512(%%rdi), %%r8\n\tmov 520(%%rdi), %%r9\n\tmov 528(%%rdi), %%r10\n\t"
        ".balign 32\n"
        "1:\n\t"
        QUARTERS_AND_BLOCK("0", "1", "4", "5", "0", "1", "8", "9",
                           "r8", "r9", "r10", "512", "0")
        QUARTERS_AND_BLOCK("2", "3", "6", "7", "2", "3", "10", "11",
                           "r8", "r9", "r10", "512", "16")
        QUARTERS_AND_BLOCK("3", "0", "4", "5", "1", "2", "10", "11",
                           "r8", "r9", "r10", "512", "32")
        QUARTERS_AND_BLOCK("1", "2", "6", "7", "3", "0", "8", "9",
                           "r8", "r9", "r10", "512", "48")
        "addq $64, 560(%%rdi)\n\t"
        "decq 624(%%rdi)\n\t"
        "jnz 1b\n\t"
        "mov %%r8, 512(%%rdi)\n\tmov %%r9, 520(%%rdi)\n\tmov %%r10, 528(%%rdi)\n\t" ROUNDS_STORE
        : "+S"(rows)
        : "D"(rounds), [turn16] "m"(rounds_turns[0]), [turn8] "m"(rounds_turns[1])
        : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r14", "r15", ROUNDS_VECTORS);
}

/* `pairs` of rounds, with nothing beside them. */
ROUNDS_APART void rounds_alone(struct rounds *rounds, const __m256i *rows)
{
    __asm__ volatile(
        ROUNDS_LOAD ".balign 32\n"
        "1:\n\t"
        QUARTERS("0", "1", "4", "5", "0", "1", "8", "9")
        QUARTERS("2", "3", "6", "7", "2", "3", "10", "11")
        QUARTERS("3", "0", "4", "5", "1", "2", "10", "11")
        QUARTERS("1", "2", "6", "7", "3", "0", "8", "9")
        "decq 624(%%rdi)\n\t"
        "jnz 1b\n\t" ROUNDS_STORE
        : "+S"(rows)
        : "D"(rounds), [turn16] "m"(rounds_turns[0]), [turn8] "m"(rounds_turns[1])
        : ROUNDS_VECTORS);
}

#endif
