/* SPDX-License-Identifier: MIT */
/* Our own kernel for AVX2. The vector units run ChaCha20 for two packets at once, four blocks each
 * a pass; a packet's block 0, the key of its Poly1305, comes from the same pass as its first bytes.
 * Meanwhile the scalar units, which have nothing else to do, hash what the pass before encrypted:
 * two chains, one for each packet. A half that is through with its packet takes the next one at
 * once. When only one packet is left, it gets all eight blocks. Packets of at most one block go
 * first, four a pass: two of the eight blocks are enough for each. */
#include "crypto/aead_backends.h"

#include "base/bytes.h"
#include "crypto/chacha_avx2.h"
#include "crypto/chacha_poly1305_avx2.h"
#include "crypto/poly1305_mulx.h"

/* Bytes of a packet that a pass gave keystream for. Sealing has encrypted them; opening does so
 * when they are hashed. Either way they are hashed beside the next pass. */
struct piece {
    struct aead_desc *desc; /* NULL: there is none */
    uint8_t *bytes;
    const uint8_t *stream;
    size_t len_bytes; /* a multiple of 16 but in the last one */
    bool is_last;
};

struct slot {
    struct aead_desc *desc; /* what ChaCha20 is at work on; NULL: nothing */
    size_t at_bytes;
    size_t len_bytes; /* without the tag */
    bool is_begun;
    const uint8_t *key; /* whose words are in the rows */
    struct piece piece; /* what the slot's chain of Poly1305 is at work on */
};

/* Short packets have one block beside that of their key, so four of them have a pass. */
#define SHORT_PACKETS 4
#define SHORT_MOST_BYTES CHACHA_BLOCK_BYTES
#define SHORT_STREAM_BYTES (2 * CHACHA_BLOCK_BYTES)

struct work {
    struct pass pass;
    struct poly1305_mulx_key short_keys[SHORT_PACKETS];
    struct poly1305_mulx short_hashes[SHORT_PACKETS];
    _Alignas(32) uint8_t streams[2][CHACHA_AVX2_BYTES]; /* of this pass and of the one before */
    struct slot slots[2];
    struct aead_desc *next, *end;
    unsigned parity;
};

static bool is_supported(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
}

/* Steps of a pass that a piece has blocks for, where each takes `blocks`. */
AVX2_INLINE size_t steps_for(const struct piece *piece, size_t blocks)
{
    size_t steps = piece->desc ? piece->len_bytes / (blocks * POLY1305_BLOCK_BYTES) : 0;
    return steps < PASS_STEPS ? steps : PASS_STEPS;
}

/* A pass for both packets; returns how many bytes of either piece it hashed. */
AVX2_INLINE size_t pass_for_two(struct work *work)
{
    struct pass *pass = &work->pass;
    const struct piece *first = &work->slots[0].piece, *second = &work->slots[1].piece;
    const size_t blocks = PASS_STEP_BLOCKS / 2;
    size_t steps = steps_for(first, blocks), others = steps_for(second, blocks);
    steps = steps < others ? steps : others;
    pass->at[0] = first->bytes;
    pass->at[1] = second->bytes;
    pass->beside = steps;
    pass->alone = PASS_STEPS - steps;
    pass->stream = work->streams[work->parity];
    chacha_poly1305_avx2_two(pass);
    chacha_avx2_advance(&pass->chacha, CHACHA_AVX2_HALF_BLOCKS);
    return steps * blocks * POLY1305_BLOCK_BYTES;
}

/* The same for one that has both halves. */
AVX2_INLINE size_t pass_for_one(struct work *work)
{
    struct pass *pass = &work->pass;
    const struct piece *piece = &work->slots[0].piece;
    size_t steps = steps_for(piece, PASS_STEP_BLOCKS);
    pass->at[0] = piece->bytes;
    pass->beside = steps;
    pass->alone = PASS_STEPS - steps;
    pass->stream = work->streams[work->parity];
    chacha_poly1305_avx2_one(pass);
    chacha_avx2_advance(&pass->chacha, 2 * CHACHA_AVX2_HALF_BLOCKS);
    return steps * PASS_STEP_BLOCKS * POLY1305_BLOCK_BYTES;
}

AVX2_INLINE void crypt_vector(uint8_t *bytes, const uint8_t *stream)
{
    __m256i_u *to = (__m256i_u *)bytes;
    _mm256_storeu_si256(
        to, _mm256_xor_si256(_mm256_loadu_si256(to), _mm256_load_si256((const __m256i *)stream)));
}

/* Whole vectors: up to 15 bytes behind the packet's change, which is where its tag stands. Sealing
 * has not written it yet, opening has compared it. */
AVX2_INLINE void crypt(uint8_t *bytes, const uint8_t *stream, size_t len)
{
    size_t at = 0;
    for (; at + 64 <= len; at += 64) {
        crypt_vector(bytes + at, stream + at);
        crypt_vector(bytes + at + 32, stream + at + 32);
    }
    if (at + 32 <= len) {
        crypt_vector(bytes + at, stream + at);
        at += 32;
    }
    for (; at < len; at += 16) {
        __m128i_u *to = (__m128i_u *)(bytes + at);
        _mm_storeu_si128(
            to, _mm_xor_si128(_mm_loadu_si128(to), _mm_loadu_si128((__m128i_u *)(stream + at))));
    }
}

/* What comes behind a packet's whole blocks: the rest, filled with zeros, and both lengths. Then
 * the tag behind it is written or compared. */
AVX2_INLINE void hash_end(struct poly1305_mulx *hash, const struct poly1305_mulx_key *key,
                          struct aead_desc *desc, const uint8_t *rest, uint8_t *tag, bool is_seal)
{
    unsigned __int128 block;
    if (rest < tag) {
        memcpy(&block, rest, sizeof(block)); /* up to the tag's end at most */
        block &= ((unsigned __int128)1 << (8 * (tag - rest))) - 1;
        poly1305_mulx_block(hash, key, (const uint8_t *)&block);
    }
    block = (unsigned __int128)(tag - desc->bytes) << 64; /* no associated data */
    poly1305_mulx_block(hash, key, (const uint8_t *)&block);
    uint8_t computed[AEAD_TAG_BYTES];
    poly1305_mulx_final(hash, key, is_seal ? tag : computed);
    if (!is_seal) {
        desc->is_authentic = bytes_equal_secret(computed, tag, AEAD_TAG_BYTES);
        bytes_wipe(computed, sizeof(computed)); /* of a forgery it would be the proof */
    }
}

/* Finishes what is left of a slot's piece once `at` bytes of it are hashed. */
AVX2_INLINE void settle(struct work *work, bool is_seal, unsigned index, size_t at)
{
    struct piece *piece = &work->slots[index].piece;
    struct aead_desc *desc = piece->desc;
    if (!desc)
        return;
    const struct poly1305_mulx_key *key = &work->pass.hash_keys[index];
    struct poly1305_mulx *hash = &work->pass.hashes[index];
    for (; at + POLY1305_BLOCK_BYTES <= piece->len_bytes; at += POLY1305_BLOCK_BYTES)
        poly1305_mulx_block(hash, key, piece->bytes + at);
    if (piece->is_last)
        hash_end(hash, key, desc, piece->bytes + at, piece->bytes + piece->len_bytes, is_seal);
    if (!is_seal)
        crypt(piece->bytes, piece->stream, piece->len_bytes);
    piece->desc = NULL;
}

/* Gives a slot's packet the keystream of the pass just made; the last piece frees the slot. */
AVX2_INLINE void use_stream(struct work *work, bool is_seal, unsigned index, const uint8_t *stream,
                            size_t ready)
{
    struct slot *slot = &work->slots[index];
    struct aead_desc *desc = slot->desc;
    if (!slot->is_begun) {
        slot->is_begun = true;
        work->pass.hashes[index] = (struct poly1305_mulx){0};
        poly1305_mulx_key(&work->pass.hash_keys[index], stream);
        stream += CHACHA_BLOCK_BYTES;
        ready -= CHACHA_BLOCK_BYTES;
    }
    size_t left = slot->len_bytes - slot->at_bytes;
    slot->piece = (struct piece){.desc = desc,
                                 .bytes = desc->bytes + slot->at_bytes,
                                 .stream = stream,
                                 .len_bytes = left < ready ? left : ready,
                                 .is_last = left <= ready};
    if (is_seal)
        crypt(slot->piece.bytes, stream, slot->piece.len_bytes);
    slot->at_bytes += slot->piece.len_bytes;
    if (slot->piece.is_last)
        slot->desc = NULL;
}

/* The next packet for a slot that is free, if there is one. */
AVX2_INLINE void take_next(struct work *work, bool is_seal, unsigned index)
{
    struct slot *slot = &work->slots[index];
    size_t tag_bytes = is_seal ? 0 : AEAD_TAG_BYTES;
    while (!slot->desc && work->next < work->end) {
        struct aead_desc *desc = work->next++;
        if (desc->len_bytes <= SHORT_MOST_BYTES + tag_bytes)
            continue;
        slot->desc = desc;
        slot->at_bytes = 0;
        slot->len_bytes = desc->len_bytes - tag_bytes;
        slot->is_begun = false;
        if (slot->key != desc->key)
            chacha_avx2_key(&work->pass.chacha, index, desc->key);
        slot->key = desc->key;
        chacha_avx2_packet(&work->pass.chacha, index, desc->counter);
    }
}

/* The last packet has both halves, as there is none to share them with. */
AVX2_INLINE void run_lone(struct work *work, bool is_seal, unsigned index)
{
    struct slot *slot = &work->slots[0];
    settle(work, is_seal, !index, 0);
    chacha_avx2_take_all(&work->pass.chacha, index);
    if (index) {
        *slot = work->slots[1];
        work->slots[1].piece.desc = NULL;
        work->pass.hashes[0] = work->pass.hashes[1];
        work->pass.hash_keys[0] = work->pass.hash_keys[1];
    }
    while (slot->desc) {
        settle(work, is_seal, 0, pass_for_one(work));
        use_stream(work, is_seal, 0, work->pass.stream, CHACHA_AVX2_BYTES);
        work->parity ^= 1;
    }
}

/* A pass for up to four short packets. Their chains go block by block, since what one of them waits
 * for the others have no need of. */
AVX2_INLINE void pass_for_short(struct work *work, bool is_seal,
                                struct aead_desc *descs[SHORT_PACKETS], size_t count)
{
    struct pass *pass = &work->pass;
    const uint8_t *stream = pass->stream = work->streams[0];
    size_t tag_bytes = is_seal ? 0 : AEAD_TAG_BYTES, lens[SHORT_PACKETS] = {0};
    pass->beside = 0;
    pass->alone = PASS_STEPS;
    chacha_poly1305_avx2_two(pass);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *own = stream + i * SHORT_STREAM_BYTES;
        poly1305_mulx_key(&work->short_keys[i], own);
        work->short_hashes[i] = (struct poly1305_mulx){0};
        lens[i] = descs[i]->len_bytes - tag_bytes;
        if (is_seal)
            crypt(descs[i]->bytes, own + CHACHA_BLOCK_BYTES, lens[i]);
    }
    for (size_t at = 0; at < SHORT_MOST_BYTES; at += POLY1305_BLOCK_BYTES)
        for (size_t i = 0; i < SHORT_PACKETS; i++)
            if (at + POLY1305_BLOCK_BYTES <= lens[i])
                poly1305_mulx_block(&work->short_hashes[i], &work->short_keys[i],
                                    descs[i]->bytes + at);
    for (size_t i = 0; i < count; i++) {
        uint8_t *tag = descs[i]->bytes + lens[i];
        hash_end(&work->short_hashes[i], &work->short_keys[i], descs[i],
                 tag - lens[i] % POLY1305_BLOCK_BYTES, tag, is_seal);
        if (!is_seal)
            crypt(descs[i]->bytes, stream + i * SHORT_STREAM_BYTES + CHACHA_BLOCK_BYTES, lens[i]);
    }
}

/* The batch's short packets, four at a time; and refuses those without room for a tag. */
AVX2_INLINE void run_short(struct work *work, bool is_seal, struct aead_desc *next)
{
    size_t tag_bytes = is_seal ? 0 : AEAD_TAG_BYTES;
    struct aead_desc *descs[SHORT_PACKETS];
    const uint8_t *keys[SHORT_PACKETS];
    uint64_t counters[SHORT_PACKETS];
    while (next < work->end) {
        size_t count = 0;
        for (; next < work->end && count < SHORT_PACKETS; next++) {
            if (next->len_bytes < tag_bytes)
                next->is_authentic = false;
            else if (next->len_bytes <= SHORT_MOST_BYTES + tag_bytes)
                descs[count++] = next;
        }
        if (!count)
            break;
        for (size_t i = 0; i < SHORT_PACKETS; i++) {
            keys[i] = descs[i < count ? i : 0]->key;
            counters[i] = descs[i < count ? i : 0]->counter;
        }
        chacha_avx2_pair_keys(&work->pass.chacha, keys);
        chacha_avx2_pair_packets(&work->pass.chacha, counters);
        pass_for_short(work, is_seal, descs, count);
    }
}

/* bytes_wipe takes twice as long to begin, which a lone short packet would feel. */
AVX2_INLINE void wipe_work(struct work *work)
{
    _Static_assert(sizeof(*work) % sizeof(__m256i) == 0, "it is aligned as its vectors are");
    for (__m256i *at = (__m256i *)work; at < (__m256i *)(work + 1); at++) {
        *at = _mm256_setzero_si256();
        __asm__ volatile("" : : "r"(at) : "memory"); /* or it becomes a memset, or nothing */
    }
}

AVX2_INLINE void run(struct aead_desc *descs, size_t count, bool is_seal)
{
    struct work work;
    struct slot *slots = work.slots;
    for (unsigned i = 0; i < 2; i++) {
        slots[i].desc = slots[i].piece.desc = NULL;
        slots[i].key = NULL;
    }
    work.next = descs;
    work.end = descs + count;
    work.parity = 0;
    chacha_avx2_constants(&work.pass.chacha);
    run_short(&work, is_seal, descs);
    for (;;) {
        take_next(&work, is_seal, 0);
        take_next(&work, is_seal, 1);
        if (!slots[0].desc || !slots[1].desc)
            break;
        size_t hashed = pass_for_two(&work);
        settle(&work, is_seal, 0, hashed);
        settle(&work, is_seal, 1, hashed);
        use_stream(&work, is_seal, 0, work.pass.stream, CHACHA_AVX2_HALF_BYTES);
        use_stream(&work, is_seal, 1, work.pass.stream + CHACHA_AVX2_HALF_BYTES,
                   CHACHA_AVX2_HALF_BYTES);
        work.parity ^= 1;
    }
    if (slots[0].desc || slots[1].desc)
        run_lone(&work, is_seal, !slots[0].desc);
    settle(&work, is_seal, 0, 0);
    settle(&work, is_seal, 1, 0); /* nothing, if the other one ran alone */
    wipe_work(&work);
}

static bool init(void *state)
{
    (void)state;
    return true;
}

static void wipe(void *state)
{
    (void)state;
}

AVX2 static void seal_avx2(void *state, struct aead_desc *descs, size_t count)
{
    (void)state;
    run(descs, count, true);
}

AVX2 static void open_avx2(void *state, struct aead_desc *descs, size_t count)
{
    (void)state;
    run(descs, count, false);
}

const struct aead_backend aead_avx2_backend = {
    .name = "avx2",
    .is_supported = is_supported,
    .init = init,
    .wipe = wipe,
    .seal = seal_avx2,
    .open = open_avx2,
};
