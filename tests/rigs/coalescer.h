/* SPDX-License-Identifier: MIT */
/* A coalescer between a pool and a sink that remembers what came out. */
#ifndef TESTS_RIGS_COALESCER_H
#define TESTS_RIGS_COALESCER_H

#include <stdlib.h>

#include "base/bytes.h"
#include "base/text.h"
#include "packet/coalesce.h"
#include "packet/pool.h"
#include "rigs/sample.h"
#include "tap.h"

#define FRAMES_MOST 400

/* What came out, its bytes joined as one write would join them. */
struct outcome {
    struct vnet_header vnet;
    uint32_t packets;
    uint32_t len;
    uint8_t *bytes;
};

struct coalescer {
    struct pool *pool;
    struct coalesce coalesce;
    struct coalesce_sink sink;
    struct outcome outcomes[FRAMES_MOST];
    size_t count;
};

static inline void coalescer_take_frame(void *context, const struct tun_frame *frame)
{
    struct coalescer *coalescer = context;
    struct outcome *outcome = &coalescer->outcomes[coalescer->count++];
    *outcome = (struct outcome){.vnet = frame->vnet, .packets = frame->packets};
    outcome->bytes = malloc(frame->len_bytes ? frame->len_bytes : 1);
    uint32_t packets = 0;
    for (struct packet *packet = frame->first, *next; packet; packet = next, packets++) {
        next = packet->next;
        if (CHECK(outcome->len + packet->len_bytes <= frame->len_bytes))
            memcpy(outcome->bytes + outcome->len, packet->data, packet->len_bytes);
        outcome->len += packet->len_bytes;
        pool_give_packet(coalescer->pool, packet);
    }
    CHECK_EQUAL(outcome->len, frame->len_bytes);
    CHECK_EQUAL(packets, frame->packets);
    CHECK(outcome->len <= OFFLOAD_SUPER_MOST_BYTES);
}

static inline void coalescer_start_with(struct coalescer *coalescer, size_t slots,
                                        size_t packet_bytes)
{
    struct pool_shape shape = {.slots = slots, .payload_bytes = packet_bytes};
    *coalescer = (struct coalescer){.sink = {.emit = coalescer_take_frame, .context = coalescer}};
    coalescer->pool = pool_new(tap_memory(), &shape);
    coalesce_init(&coalescer->coalesce, true, true, true);
}

static inline void coalescer_start(struct coalescer *coalescer)
{
    coalescer_start_with(coalescer, 100, 1700);
}

static inline void coalescer_forget(struct coalescer *coalescer)
{
    for (size_t i = 0; i < coalescer->count; i++)
        free(coalescer->outcomes[i].bytes);
    coalescer->count = 0;
}

static inline void coalescer_stop(struct coalescer *coalescer)
{
    coalesce_flush(&coalescer->coalesce, &coalescer->sink);
    CHECK(!coalesce_is_holding(&coalescer->coalesce));
    CHECK_EQUAL(pool_free_slots(coalescer->pool), pool_slots(coalescer->pool));
    coalescer_forget(coalescer);
    pool_free(coalescer->pool);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

static inline void coalescer_add(struct coalescer *coalescer, const uint8_t *bytes, uint32_t len)
{
    struct packet *packet = pool_take_packet(coalescer->pool);
    struct ip_view view;
    memcpy(packet_put(packet, len), bytes, len);
    if (CHECK_EQUAL(ip_parse(packet->data, len, &view), VERDICT_OK))
        coalesce_add(&coalescer->coalesce, packet, &view, &coalescer->sink);
    else
        pool_give_packet(coalescer->pool, packet);
}

static inline void coalescer_add_sample(struct coalescer *coalescer, const struct sample *sample)
{
    uint8_t bytes[2000];
    coalescer_add(coalescer, bytes, sample_write_random(sample, bytes));
}

/* The packets of each frame, oldest first, as "3 1 2". */
static inline void coalescer_check_frames(struct coalescer *coalescer, const char *expected)
{
    char bytes[FRAMES_MOST * 4];
    struct text text;
    text_init(&text, bytes, sizeof(bytes));
    for (size_t i = 0; i < coalescer->count; i++)
        text_append(&text, "%s%u", i ? " " : "", coalescer->outcomes[i].packets);
    CHECK_TEXT(bytes, expected);
    coalescer_forget(coalescer);
}

static const struct sample coalescer_plain = {.ttl = 64,
                                              .id = 7,
                                              .tcp_flags = 0x10,
                                              .window = 500,
                                              .source_port = 40000,
                                              .sequence = 0xfffffe00,
                                              .payload_bytes = 100};

static inline struct sample coalescer_following(const struct sample *sample)
{
    struct sample next = *sample;
    next.sequence += sample->payload_bytes;
    next.id++;
    return next;
}

#endif
