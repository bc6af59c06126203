/* SPDX-License-Identifier: MIT */
/* The rounds of ChaCha20 with Poly1305 beside them: chacha_poly1305_avx2.h says what they do.
 *
 * Eight blocks of ChaCha20 have 16 rows, as many as there are registers, and the rotations need
 * one more. So 14 rows stay in registers, c2 and c3 take turns in another, and the last is for the
 * rotations. Two quarter rounds go side by side, one of them with c2 or c3.
 *
 * This costs 128 vector instructions two rounds, for which an Intel core has three ports, so that
 * every fourth issue slot is free; Poly1305 goes there. After five vector instructions come three
 * of its own, in the order of its program: two blocks of a chain have nothing to do side by side,
 * so they follow each other, and two chains take turns. In four rounds that is six blocks. */

/* Registers: rows a0 to a3 are vectors 0 to 3, b 4 to 7, d 8 to 11, c0 and c1 12 and 13; the active
 * one of c2 and c3 is 14, the spare one 15. */
#define WORK %rdi /* struct pass */
#define HASH0 %r8, %r9, %r10
#define HASH1 %r11, %r12, %r13
#define AT0 %r14
#define AT1 %r15

/* Offsets, which the header asserts. */
#define C2 0
#define C3 32
#define KEY0 64
#define KEY1 104
#define HASHES 144
#define ATS 192
#define BESIDE 208
#define ALONE 216
#define STREAM 224
#define ROWS 256

    .section .rodata
    .balign 32
turn_16:
    .rept 2
    .byte 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13
    .endr
turn_8:
    .rept 2
    .byte 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14
    .endr

/* ---- Poly1305, an instruction at a time ---- */

.macro at number instruction:vararg
    .if step == \number
        \instruction
    .endif
.endm

/* One instruction of: h = (h + block + 2^128) * r, carried as far as the next block needs. 2^130 is
 * 5, so h1 * r1 (r1 a multiple of 4) goes to the lowest word with r1_folded = r1 * 5 / 4. h2 is at
 * most 4 between blocks and r0, r1 below 2^60: sums of the upper halves stay below 2^64, and what
 * is added to them makes no carry. */
.macro block_step h0 h1 h2 from key
    at 0, add place(\from), \h0
    at 1, adc place + 8(\from), \h1
    at 2, adc $1, \h2
    at 3, mov \h0, %rdx
    at 4, mulx \key(WORK), \h0, %rax        /* h0 * r0 */
    at 5, mulx \key + 8(WORK), %rbx, %rcx   /* h0 * r1 */
    at 6, mov \h1, %rdx
    at 7, mulx \key + 16(WORK), %rsi, %rbp  /* h1 * r1, folded */
    at 8, mulx \key(WORK), \h1, %rdx        /* h1 * r0 */
    at 9, add %rsi, \h0
    at 10, adc %rbp, %rax
    at 11, mov \h2, %rsi
    at 12, imul \key + 16(WORK), %rsi       /* h2 * r1, folded */
    at 13, imul \key(WORK), \h2             /* h2 * r0 */
    at 14, add %rbx, \h1
    at 15, adc %rcx, %rdx
    at 16, add %rsi, %rax
    at 17, add %rax, \h1
    at 18, adc %rdx, \h2
    at 19, mov \h2, %rax
    at 20, shr $2, %rax
    at 21, and $3, \h2
    at 22, lea (%rax, %rax, 4), %rax
    at 23, add %rax, \h0
    at 24, adc $0, \h1
    at 25, adc $0, \h2
.endm
#define STEPS 26

/* The next instruction of the blocks beside; with two chains they take turns. */
.macro next
    .if chain == 0
        block_step HASH0, AT0, KEY0
    .else
        block_step HASH1, AT1, KEY1
    .endif
    .set step, step + 1
    .if step == STEPS
        .set step, 0
        .set chain, chain + 1
        .if chain == chains
            .set chain, 0
            .set place, place + 16
        .endif
    .endif
.endm

/* ---- ChaCha20 ---- */

/* A vector instruction, and after each fifth three of Poly1305. */
.macro v instruction:vararg
    \instruction
    .if chains
        .set due, due + 1
        .if due == 5
            .set due, 0
            next
            next
            next
        .endif
    .endif
.endm

.macro rotate row left
    v vpslld $\left, %ymm\row, %ymm15
    v vpsrld $32 - \left, %ymm\row, %ymm\row
    v vpor %ymm15, %ymm\row, %ymm\row
.endm

/* Two quarter rounds; the second one's c is the active one, and comes from `load` if that is given.
 * It runs two operations behind the first one, which spreads the rotations. */
.macro quarters a b c d e f h load
    v vpaddd %ymm\b, %ymm\a, %ymm\a
    v vpxor %ymm\a, %ymm\d, %ymm\d
    v vpshufb turn_16(%rip), %ymm\d, %ymm\d
    v vpaddd %ymm\f, %ymm\e, %ymm\e
    v vpaddd %ymm\d, %ymm\c, %ymm\c
    v vpxor %ymm\e, %ymm\h, %ymm\h
    v vpxor %ymm\c, %ymm\b, %ymm\b
    v vpshufb turn_16(%rip), %ymm\h, %ymm\h
    rotate \b, 12
    .ifb \load
    v vpaddd %ymm\h, %ymm14, %ymm14
    .else
    v vpaddd \load(WORK), %ymm\h, %ymm14
    .endif
    v vpaddd %ymm\b, %ymm\a, %ymm\a
    v vpxor %ymm14, %ymm\f, %ymm\f
    v vpxor %ymm\a, %ymm\d, %ymm\d
    rotate \f, 12
    v vpshufb turn_8(%rip), %ymm\d, %ymm\d
    v vpaddd %ymm\f, %ymm\e, %ymm\e
    v vpaddd %ymm\d, %ymm\c, %ymm\c
    v vpxor %ymm\e, %ymm\h, %ymm\h
    v vpxor %ymm\c, %ymm\b, %ymm\b
    v vpshufb turn_8(%rip), %ymm\h, %ymm\h
    rotate \b, 7
    v vpaddd %ymm\h, %ymm14, %ymm14
    v vpxor %ymm14, %ymm\f, %ymm\f
    rotate \f, 7
.endm

/* Columns, then diagonals. c2 is active at both ends. */
.macro two_rounds
    quarters 0, 4, 12, 8, 2, 6, 10
    v vmovdqa %ymm14, C2(WORK)
    quarters 1, 5, 13, 9, 3, 7, 11, C3
    quarters 2, 7, 12, 9, 1, 6, 8
    v vmovdqa %ymm14, C3(WORK)
    quarters 3, 4, 13, 10, 0, 5, 11, C2
.endm

/* Four rounds, with three blocks of Poly1305 of each of two chains, or six of one. */
.macro four_rounds beside
    .set chains, \beside
    .set chain, 0
    .set step, 0
    .set place, 0
    .set due, 0
    two_rounds
    two_rounds
.endm

/* ---- keystream ---- */

/* Four rows become, for each block of a half, four words side by side: blocks 0 to 3 in r1, r3,
 * spare, r0. */
.macro transpose r0 r1 r2 r3 spare
    vpunpckldq %ymm\r1, %ymm\r0, %ymm\spare
    vpunpckhdq %ymm\r1, %ymm\r0, %ymm\r0
    vpunpckldq %ymm\r3, %ymm\r2, %ymm\r1
    vpunpckhdq %ymm\r3, %ymm\r2, %ymm\r2
    vpunpckhqdq %ymm\r1, %ymm\spare, %ymm\r3
    vpunpcklqdq %ymm\r1, %ymm\spare, %ymm\r1
    vpunpcklqdq %ymm\r2, %ymm\r0, %ymm\spare
    vpunpckhqdq %ymm\r2, %ymm\r0, %ymm\r0
.endm

/* Eight words of a block of each half, to their place in either half of the stream. */
.macro store first second to spare
    vperm2i128 $0x20, %ymm\second, %ymm\first, %ymm\spare
    vperm2i128 $0x31, %ymm\second, %ymm\first, %ymm\first
    vmovdqa %ymm\spare, \to(%rax)
    vmovdqa %ymm\first, 256 + \to(%rax)
.endm

/* Adds what the rounds began with, and stores eight words of each block, then the other eight. */
.macro keystream
    mov STREAM(WORK), %rax
    .irp row, 0, 1, 2, 3, 4, 5, 6, 7
    vpaddd ROWS + 32 * \row(WORK), %ymm\row, %ymm\row
    .endr
    transpose 0, 1, 2, 3, 15
    transpose 4, 5, 6, 7, 2
    store 1, 5, 0, 6
    store 3, 7, 64, 6
    store 15, 2, 128, 6
    store 0, 4, 192, 6
    vmovdqa C3(WORK), %ymm15
    .irp row, 8, 9, 10, 11
    vpaddd ROWS + 32 * 4 + 32 * \row(WORK), %ymm\row, %ymm\row
    .endr
    .irp row, 12, 13, 14, 15
    vpaddd ROWS - 32 * 4 + 32 * \row(WORK), %ymm\row, %ymm\row
    .endr
    transpose 12, 13, 14, 15, 0
    transpose 8, 9, 10, 11, 1
    store 13, 9, 32, 2
    store 15, 11, 96, 2
    store 0, 1, 160, 2
    store 12, 8, 224, 2
.endm

/* ---- functions ---- */

#define HASH(i) HASHES + 8 * i(WORK)

.macro begin
    .irp register, rbx, rbp, r12, r13, r14, r15
    push %\register
    .endr
    .irp row, 0, 1, 2, 3, 4, 5, 6, 7
    vmovdqa ROWS + 32 * \row(WORK), %ymm\row
    .endr
    .irp row, 8, 9, 10, 11
    vmovdqa ROWS + 32 * 4 + 32 * \row(WORK), %ymm\row
    .endr
    .irp row, 12, 13, 14, 15
    vmovdqa ROWS - 32 * 4 + 32 * \row(WORK), %ymm\row
    .endr
    vmovdqa %ymm15, C3(WORK)
    cmpq $0, BESIDE(WORK)
    je alone
    mov HASH(0), %r8
    mov HASH(1), %r9
    mov HASH(2), %r10
    mov ATS(WORK), AT0
.endm

.macro end_chain
    mov %r8, HASH(0)
    mov %r9, HASH(1)
    mov %r10, HASH(2)
.endm

    .text
    .globl chacha_poly1305_avx2_two
    .hidden chacha_poly1305_avx2_two
    .type chacha_poly1305_avx2_two, @function
    .balign 64
chacha_poly1305_avx2_two:
    begin
    mov HASH(3), %r11
    mov HASH(4), %r12
    mov HASH(5), %r13
    mov ATS + 8(WORK), AT1
    .balign 64
1:
    four_rounds 2
    add $3 * 16, AT0
    add $3 * 16, AT1
    decq BESIDE(WORK)
    jnz 1b
    end_chain
    mov %r11, HASH(3)
    mov %r12, HASH(4)
    mov %r13, HASH(5)
    /* Falls through. */

/* What both go on with: the rounds that have nothing beside them. */
alone:
    cmpq $0, ALONE(WORK)
    je 2f
    .balign 64
1:
    four_rounds 0
    decq ALONE(WORK)
    jnz 1b
2:
    keystream
    vzeroupper
    .irp register, r15, r14, r13, r12, rbp, rbx
    pop %\register
    .endr
    ret
    .size chacha_poly1305_avx2_two, . - chacha_poly1305_avx2_two

    .globl chacha_poly1305_avx2_one
    .hidden chacha_poly1305_avx2_one
    .type chacha_poly1305_avx2_one, @function
    .balign 64
chacha_poly1305_avx2_one:
    begin
    .balign 64
1:
    four_rounds 1
    add $6 * 16, AT0
    decq BESIDE(WORK)
    jnz 1b
    end_chain
    jmp alone
    .size chacha_poly1305_avx2_one, . - chacha_poly1305_avx2_one

    .section .note.GNU-stack, "", @progbits
