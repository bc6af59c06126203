/* SPDX-License-Identifier: MIT */
/* Rungs 1 and 2 of the ladder: what the AEAD alone costs, one packet at a time and in batches, for
 * every backend that works here. Each line is the median of interleaved rounds, in ns a packet. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto/aead.h"

#define ROUNDS 9
#define BATCH_PACKETS 64
#define BACKENDS_MOST 8
#define PACKETS_A_ROUND 8192
#define SLOT_BYTES 2048

struct row {
    unsigned rung; /* 1: one packet a call; 2: a batch a call */
    struct aead *aead;
    size_t size_bytes;
    bool is_open;
    double ns[ROUNDS];
};

static uint8_t slots[BATCH_PACKETS][SLOT_BYTES];
static struct row rows[BACKENDS_MOST * 8];
static size_t row_count;

static void *take(void *context, size_t bytes)
{
    (void)context;
    size_t rounded = (bytes + 63) & ~(size_t)63;
    void *pointer = aligned_alloc(64, rounded);
    return pointer ? memset(pointer, 0, rounded) : NULL;
}

static void give(void *context, void *pointer, size_t bytes)
{
    (void)context;
    (void)bytes;
    free(pointer);
}

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* One session's packets under one key, as a bulk transfer has them. */
static double measure(const struct row *row)
{
    static const uint8_t key[AEAD_KEY_BYTES] = {7};
    struct aead_desc descs[BATCH_PACKETS];
    size_t batch = row->rung == 1 ? 1 : BATCH_PACKETS;
    double spent_ns = 0;
    for (unsigned done = 0; done < PACKETS_A_ROUND; done += BATCH_PACKETS) {
        for (size_t i = 0; i < BATCH_PACKETS; i++)
            descs[i] = (struct aead_desc){.bytes = slots[i],
                                          .len_bytes = (uint32_t)row->size_bytes,
                                          .counter = done + i,
                                          .key = key};
        double start_ns = now_ns();
        for (size_t i = 0; i < BATCH_PACKETS; i += batch)
            aead_seal(row->aead, descs + i, batch);
        double sealed_ns = now_ns();
        for (size_t i = 0; i < BATCH_PACKETS; i++)
            descs[i].len_bytes += AEAD_TAG_BYTES;
        double opening_ns = now_ns();
        for (size_t i = 0; i < BATCH_PACKETS; i += batch)
            aead_open(row->aead, descs + i, batch);
        spent_ns += row->is_open ? now_ns() - opening_ns : sealed_ns - start_ns;
        for (size_t i = 0; i < BATCH_PACKETS; i++)
            if (!descs[i].is_authentic)
                abort();
    }
    return spent_ns / PACKETS_A_ROUND;
}

static void add_rows(struct aead *aead)
{
    static const size_t sizes_bytes[] = {64, 1420};
    for (unsigned rung = 1; rung <= 2; rung++)
        for (unsigned size = 0; size < 2; size++)
            for (unsigned is_open = 0; is_open < 2; is_open++)
                rows[row_count++] = (struct row){.rung = rung,
                                                 .aead = aead,
                                                 .size_bytes = sizes_bytes[size],
                                                 .is_open = is_open};
}

static int compare(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;
    return difference < 0 ? -1 : difference > 0;
}

int main(void)
{
    static const struct memory memory = {.take = take, .give = give};
    struct aead *instances[BACKENDS_MOST];
    size_t count, instance_count = 0;
    const struct aead_backend *const *backends = aead_backends(&count);
    for (size_t i = 0; i < count && i < BACKENDS_MOST; i++) {
        struct aead *aead = aead_new(&memory, backends[i]->name);
        if (!aead) {
            fprintf(stderr, "%s: not supported here\n", backends[i]->name);
            continue;
        }
        instances[instance_count++] = aead;
        add_rows(aead);
    }
    for (unsigned round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < row_count; i++)
            rows[i].ns[round] = measure(&rows[i]);
    for (struct row *row = rows; row < rows + row_count; row++) {
        qsort(row->ns, ROUNDS, sizeof(row->ns[0]), compare);
        printf("rung=%u backend=%s size=%zu ns=%.0f op=%s\n", row->rung, aead_name(row->aead),
               row->size_bytes, row->ns[ROUNDS / 2], row->is_open ? "open" : "seal");
    }
    for (size_t i = 0; i < instance_count; i++)
        aead_free(instances[i]);
    return 0;
}
