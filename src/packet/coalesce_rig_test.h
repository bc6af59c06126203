/* SPDX-License-Identifier: MIT */
/* A coalescer between a pool and a sink that remembers what came out. */
#ifndef PACKET_COALESCE_RIG_TEST_H
#define PACKET_COALESCE_RIG_TEST_H

#include <stdlib.h>

#include "base/text.h"
#include "packet/coalesce.h"
#include "packet/pool.h"
#include "packet/sample_test.h"

#define FRAMES_MOST 400

/* What came out, its bytes joined as one write would join them. */
struct outcome {
    struct vnet_header vnet;
    uint32_t packets;
    uint32_t len;
    uint8_t *bytes;
};

struct rig {
    struct pool *pool;
    struct coalesce coalesce;
    struct coalesce_sink sink;
    struct outcome outcomes[FRAMES_MOST];
    size_t count;
};

static inline void rig_take_frame(void *context, const struct tun_frame *frame)
{
    struct rig *rig = context;
    struct outcome *outcome = &rig->outcomes[rig->count++];
    *outcome = (struct outcome){.vnet = frame->vnet, .packets = frame->packets};
    outcome->bytes = malloc(frame->len_bytes ? frame->len_bytes : 1);
    uint32_t packets = 0;
    for (struct packet *packet = frame->first, *next; packet; packet = next, packets++) {
        next = packet->next;
        if (CHECK(outcome->len + packet->len_bytes <= frame->len_bytes))
            memcpy(outcome->bytes + outcome->len, packet->data, packet->len_bytes);
        outcome->len += packet->len_bytes;
        pool_give_packet(rig->pool, packet);
    }
    CHECK_EQUAL(outcome->len, frame->len_bytes);
    CHECK_EQUAL(packets, frame->packets);
    CHECK(outcome->len <= OFFLOAD_SUPER_MOST_BYTES);
}

static inline void rig_start_with(struct rig *rig, size_t slots, size_t packet_bytes)
{
    struct pool_shape shape = {.slots = slots, .payload_bytes = packet_bytes};
    *rig = (struct rig){.sink = {.emit = rig_take_frame, .context = rig}};
    rig->pool = pool_new(tap_memory(), &shape);
    coalesce_init(&rig->coalesce, true, true, true);
}

static inline void rig_start(struct rig *rig)
{
    rig_start_with(rig, 100, 1700);
}

static inline void rig_forget(struct rig *rig)
{
    for (size_t i = 0; i < rig->count; i++)
        free(rig->outcomes[i].bytes);
    rig->count = 0;
}

static inline void rig_stop(struct rig *rig)
{
    coalesce_flush(&rig->coalesce, &rig->sink);
    CHECK(!coalesce_is_holding(&rig->coalesce));
    CHECK_EQUAL(pool_free_slots(rig->pool), pool_slots(rig->pool));
    rig_forget(rig);
    pool_free(rig->pool);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

static inline void rig_add(struct rig *rig, const uint8_t *bytes, uint32_t len)
{
    struct packet *packet = pool_take_packet(rig->pool);
    struct ip_view view;
    memcpy(packet_put(packet, len), bytes, len);
    if (CHECK_EQUAL(ip_parse(packet->data, len, &view), VERDICT_OK))
        coalesce_add(&rig->coalesce, packet, &view, &rig->sink);
    else
        pool_give_packet(rig->pool, packet);
}

static inline void rig_add_sample(struct rig *rig, const struct sample *sample)
{
    uint8_t bytes[2000];
    rig_add(rig, bytes, sample_make(sample, bytes));
}

/* The packets of each frame, oldest first, as "3 1 2". */
static inline void rig_check_frames(struct rig *rig, const char *expected)
{
    char bytes[FRAMES_MOST * 4];
    struct text text;
    text_init(&text, bytes, sizeof(bytes));
    for (size_t i = 0; i < rig->count; i++)
        text_append(&text, "%s%u", i ? " " : "", rig->outcomes[i].packets);
    CHECK_TEXT(bytes, expected);
    rig_forget(rig);
}

static const struct sample rig_plain = {.ttl = 64,
                                        .id = 7,
                                        .tcp_flags = 0x10,
                                        .window = 500,
                                        .source_port = 40000,
                                        .sequence = 0xfffffe00,
                                        .payload_bytes = 100};

static inline struct sample rig_following(const struct sample *sample)
{
    struct sample next = *sample;
    next.sequence += sample->payload_bytes;
    next.id++;
    return next;
}

#endif
