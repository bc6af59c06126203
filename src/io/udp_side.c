/* SPDX-License-Identifier: MIT */
#include "io/udp_side.h"

#include <errno.h>
#include <stdio.h>

#include "base/bytes.h"
#include "io/io_memory.h"
#include "tap.h"

static void count_drop(void *context, enum verdict verdict, uint64_t packets)
{
    ((struct side *)context)->drops[verdict] += packets;
}

struct side *side_new(size_t slots, size_t payload_bytes, struct udp_options options)
{
    struct side *side = memory_take(io_memory_plain(), sizeof(*side));
    const struct pool_shape shape = {.slots = slots,
                                     .headroom_bytes = 64,
                                     .payload_bytes = payload_bytes,
                                     .receive_blocks = SIDE_BLOCKS,
                                     .receive_block_bytes = 65600};
    char sentence[200];
    struct text why;
    text_init(&why, sentence, sizeof(sentence));
    side->pool = pool_new(io_memory_plain(), &shape);
    options.pool = side->pool;
    options.dropped = count_drop;
    options.context = side;
    if (udp_open(&side->udp, &options, &why) < 0)
        printf("# %s\n", sentence);
    CHECK(side->udp != NULL);
    return side;
}

void side_free(struct side *side)
{
    udp_close(side->udp);
    CHECK_EQUAL(pool_free_slots(side->pool), pool_slots(side->pool));
    CHECK_EQUAL(pool_free_blocks(side->pool), SIDE_BLOCKS);
    pool_free(side->pool);
    memory_give(io_memory_plain(), side, sizeof(*side));
}

struct address side_address(const char *text)
{
    struct address parsed = {0};
    CHECK(address_parse(text, &parsed));
    return parsed;
}

struct udp_path side_path(const char *text, uint16_t port)
{
    return (struct udp_path){.destination = {.address = side_address(text), .port = port}};
}

static uint8_t pattern(uint32_t number, uint32_t at)
{
    return (uint8_t)(number * 31 + at * 7 + at / 251);
}

struct packet *side_make(struct side *side, uint32_t len, uint32_t number)
{
    struct packet *packet = pool_take_packet(side->pool);
    CHECK(packet != NULL);
    uint8_t *bytes = packet_put(packet, len);
    for (uint32_t i = 0; i < len; i++)
        bytes[i] = pattern(number, i);
    if (len >= 4)
        store_be32(bytes, number);
    packet->tos = 0;
    return packet;
}

void side_send(struct side *side, const struct udp_path *path, uint32_t len, uint32_t first,
               size_t count, instant_ns now)
{
    struct udp_send sends[1024];
    for (size_t i = 0; i < count; i++)
        sends[i] = (struct udp_send){side_make(side, len, first + (uint32_t)i), path};
    udp_send(side->udp, sends, count, now);
}

static void record(struct side *side, const struct udp_train *train, uint32_t offset, uint32_t len)
{
    const uint8_t *bytes = train->block->bytes + train->offset + offset;
    CHECK(side->count < SIDE_RECORDS_MOST);
    struct record *record = &side->records[side->count++];
    *record = (struct record){.len = len,
                              .number = len >= 4 ? load_be32(bytes) : 0,
                              .tos = train->tos,
                              .source = train->source,
                              .destination = train->destination};
    bool is_intact = true;
    for (uint32_t i = 4; i < len; i++)
        is_intact = is_intact && bytes[i] == pattern(record->number, i);
    CHECK(is_intact);
}

void side_collect(struct side *side, enum family family)
{
    struct udp_train trains[UDP_RECEIVE_MOST];
    bool has_more;
    int count;
    side->count = 0;
    side->trains = 0;
    while ((count = udp_receive(side->udp, family, trains, &has_more)) > 0) {
        for (int i = 0; i < count; i++) {
            const struct udp_train *train = &trains[i];
            uint32_t piece = train->segment_bytes ? train->segment_bytes : train->len_bytes;
            uint32_t at = 0;
            do {
                uint32_t left = train->len_bytes - at;
                record(side, train, at, left < piece ? left : piece);
                at += piece;
            } while (at < train->len_bytes);
            side->trains += train->segment_bytes != 0;
            pool_give_block(side->pool, train->block);
        }
    }
    CHECK_EQUAL(count, -EAGAIN);
}

void side_check_in_order(const struct side *side, uint32_t first, size_t count)
{
    bool is_in_order = true;
    CHECK_EQUAL(side->count, count);
    for (size_t i = 0; i < side->count; i++)
        is_in_order = is_in_order && side->records[i].number == first + i;
    CHECK(is_in_order);
}

uint64_t side_sent_messages(const struct side *side)
{
    return udp_counters(side->udp)->sent_messages;
}
