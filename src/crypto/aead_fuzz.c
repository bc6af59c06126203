/* SPDX-License-Identifier: MIT */
/* Any bytes as a batch: lengths, keys, counters, alignments, forgeries and what is cut off come
 * from the input. Every backend must agree with the portable one on every packet. */
#include <stdlib.h>
#include <string.h>

#include "crypto/aead_backends.h"

#define BACKENDS_MOST 8
#define PACKETS_MOST 16
#define PACKET_MOST_BYTES 2048
#define HEAD_BYTES 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct batch {
    size_t count;
    uint8_t keys[PACKETS_MOST][AEAD_KEY_BYTES];
    uint8_t *packets[PACKETS_MOST]; /* each an allocation to its last byte: overruns are found */
    struct aead_desc descs[PACKETS_MOST];
    uint32_t lens_bytes[PACKETS_MOST];
    int forged_bits[PACKETS_MOST]; /* -1: none */
    int cut_bytes[PACKETS_MOST];   /* all that is left of it, less than a tag; -1: not cut */
    uint8_t expected[PACKETS_MOST][PACKET_MOST_BYTES + AEAD_TAG_BYTES];
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static uint8_t plain_byte(size_t packet, size_t at)
{
    return (uint8_t)(packet * 41 + at * 7 + (at >> 8));
}

/* A packet's six bytes: length, alignment and key, counter, forgery. */
static void add(struct batch *batch, const uint8_t head[HEAD_BYTES])
{
    size_t i = batch->count++, offset = head[2] % 64;
    uint32_t len = load_le16(head) % (PACKET_MOST_BYTES + 1);
    memset(batch->keys[i], head[2] / 64, AEAD_KEY_BYTES);
    batch->lens_bytes[i] = len;
    batch->forged_bits[i] =
        head[4] % 4 ? -1 : (int)((head[4] / 4u * 131 + head[5]) % ((len + AEAD_TAG_BYTES) * 8));
    batch->cut_bytes[i] = head[4] % 16 == 1 ? head[5] % AEAD_TAG_BYTES : -1;
    batch->packets[i] = malloc(offset + len + AEAD_TAG_BYTES);
    require(batch->packets[i] != NULL);
    for (size_t at = 0; at < len; at++)
        batch->packets[i][offset + at] = batch->expected[i][at] = plain_byte(i, at);
    batch->descs[i] = (struct aead_desc){.bytes = batch->packets[i] + offset,
                                         .len_bytes = len,
                                         .counter = (uint64_t)head[3] << (head[5] % 57),
                                         .key = batch->keys[head[3] % 2 ? i : i / 2]};
}

/* Compares what was sealed, and makes of it what is to be opened. */
static void damage(struct batch *batch, size_t i)
{
    struct aead_desc *desc = &batch->descs[i];
    int bit = batch->forged_bits[i], cut = batch->cut_bytes[i];
    aead_seal_with_data(desc->key, desc->counter, batch->expected[i], batch->lens_bytes[i], NULL, 0,
                        batch->expected[i]);
    desc->len_bytes += AEAD_TAG_BYTES;
    require(memcmp(desc->bytes, batch->expected[i], desc->len_bytes) == 0);
    desc->is_authentic = bit >= 0 || cut >= 0; /* the wrong answer, if it stays */
    if (bit >= 0)
        desc->bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    if (cut >= 0)
        desc->len_bytes = (uint32_t)cut;
}

static void check(struct batch *batch, struct aead *aead)
{
    aead_seal(aead, batch->descs, batch->count);
    for (size_t i = 0; i < batch->count; i++)
        damage(batch, i);
    aead_open(aead, batch->descs, batch->count);
    for (size_t i = 0; i < batch->count; i++) {
        const struct aead_desc *desc = &batch->descs[i];
        bool is_cut = batch->cut_bytes[i] >= 0;
        require(desc->is_authentic == (batch->forged_bits[i] < 0 && !is_cut));
        if (is_cut) /* nobody touched it */
            require(memcmp(desc->bytes, batch->expected[i], batch->lens_bytes[i]) == 0);
        for (size_t at = 0; desc->is_authentic && at < batch->lens_bytes[i]; at++)
            require(desc->bytes[at] == plain_byte(i, at));
    }
}

static void *take(void *context, size_t bytes)
{
    (void)context;
    void *pointer = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
    require(pointer != NULL);
    return memset(pointer, 0, bytes);
}

static void give(void *context, void *pointer, size_t bytes)
{
    (void)context;
    (void)bytes;
    free(pointer);
}

/* Instances live on from input to input: to make one of ipsec-mb takes longer than a hundred
 * inputs. */
static struct aead *instance(const struct aead_backend *backend, struct aead **slot)
{
    static const struct memory memory = {.take = take, .give = give};
    if (!*slot && backend->is_supported()) {
        *slot = aead_new_untried(&memory, backend);
        require(*slot != NULL);
    }
    return *slot;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct aead *aeads[BACKENDS_MOST];
    size_t backend_count;
    const struct aead_backend *const *backends = aead_backends(&backend_count);
    require(backend_count <= BACKENDS_MOST);
    for (size_t i = 0; i < backend_count; i++) {
        struct aead *aead = instance(backends[i], &aeads[i]);
        if (!aead)
            continue;
        struct batch *batch = take(NULL, sizeof(*batch));
        for (size_t at = 0; at + HEAD_BYTES <= size && batch->count < PACKETS_MOST;
             at += HEAD_BYTES)
            add(batch, data + at);
        check(batch, aead);
        for (size_t packet = 0; packet < batch->count; packet++)
            free(batch->packets[packet]);
        free(batch);
    }
    return 0;
}
