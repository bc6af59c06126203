/* SPDX-License-Identifier: MIT */
/* Rungs 1 and 2 of the ladder: what the AEAD alone costs, one packet at a time and in batches, for
 * every backend that works here. */
#include <stdlib.h>

#include "measure.h"

#define BATCH_PACKETS 64
#define SLOT_BYTES 2048
#define SIZES 5
#define KINDS (SIZES * 4) /* rung, size, seal or open */
#define ROWS_MOST (MEASURE_AEADS_MOST * KINDS)

struct row {
    unsigned rung; /* 1: one packet a call; 2: a batch a call */
    struct aead *aead;
    size_t size_bytes;
    bool is_open;
    uint64_t counter;
};

/* One session's packets under one key, as a bulk transfer has them. */
static struct measure_burst burst(void *context)
{
    static uint8_t slots[BATCH_PACKETS][SLOT_BYTES];
    static const uint8_t key[AEAD_KEY_BYTES] = {7};
    struct row *row = context;
    struct aead_desc descs[BATCH_PACKETS];
    size_t batch = row->rung == 1 ? 1 : BATCH_PACKETS;
    for (size_t i = 0; i < BATCH_PACKETS; i++)
        descs[i] = (struct aead_desc){.bytes = slots[i],
                                      .len_bytes = (uint32_t)row->size_bytes,
                                      .counter = row->counter++,
                                      .key = key};
    double start_ns = measure_now_ns();
    for (size_t i = 0; i < BATCH_PACKETS; i += batch)
        aead_seal(row->aead, descs + i, batch);
    double sealed_ns = measure_now_ns();
    if (!row->is_open)
        return (struct measure_burst){sealed_ns - start_ns, BATCH_PACKETS};
    for (size_t i = 0; i < BATCH_PACKETS; i++)
        descs[i].len_bytes += AEAD_TAG_BYTES;
    start_ns = measure_now_ns();
    for (size_t i = 0; i < BATCH_PACKETS; i += batch)
        aead_open(row->aead, descs + i, batch);
    double opened_ns = measure_now_ns();
    for (size_t i = 0; i < BATCH_PACKETS; i++)
        if (!descs[i].is_authentic)
            abort();
    return (struct measure_burst){opened_ns - start_ns, BATCH_PACKETS};
}

int main(int argc, char **argv)
{
    static const size_t sizes_bytes[SIZES] = {64, 256, 512, 1024, 1420};
    static struct row rows[ROWS_MOST];
    struct aead *aeads[MEASURE_AEADS_MOST];
    struct row *row = rows;
    size_t count = measure_aeads(aeads);
    for (size_t i = 0; i < count; i++) {
        for (unsigned kind = 0; kind < KINDS; kind++, row++) {
            *row = (struct row){.rung = 1 + kind / (2 * SIZES),
                                .aead = aeads[i],
                                .size_bytes = sizes_bytes[kind / 2 % SIZES],
                                .is_open = kind % 2};
            measure_add(burst, row, "rung=%u backend=%s op=%s size=%zu", row->rung,
                        aead_name(row->aead), row->is_open ? "open" : "seal", row->size_bytes);
        }
    }
    measure_run(argc, argv);
    for (size_t i = 0; i < count; i++)
        aead_free(aeads[i]);
    return 0;
}
