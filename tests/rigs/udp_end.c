/* SPDX-License-Identifier: MIT */
#include "rigs/udp_end.h"

#include <errno.h>
#include <stdio.h>

#include "base/bytes.h"
#include "io/io_memory.h"
#include "tap.h"

static void count_drop(void *context, enum verdict verdict, uint64_t packets)
{
    ((struct udp_end *)context)->drops[verdict] += packets;
}

struct udp_end *udp_end_new(size_t slots, size_t payload_bytes, struct udp_options options)
{
    struct udp_end *end = memory_take(io_memory_plain(), sizeof(*end));
    const struct pool_shape shape = {.slots = slots,
                                     .headroom_bytes = 64,
                                     .payload_bytes = payload_bytes,
                                     .receive_blocks = UDP_END_BLOCKS,
                                     .receive_block_bytes = 65600};
    struct text why = TEXT_ROOM(200);
    end->pool = pool_new(io_memory_plain(), &shape);
    options.pool = end->pool;
    options.dropped = count_drop;
    options.context = end;
    if (udp_open(&end->udp, &options, &why) < 0)
        printf("# %s\n", why.bytes);
    CHECK(end->udp != NULL);
    return end;
}

void udp_end_free(struct udp_end *end)
{
    udp_close(end->udp);
    CHECK_EQUAL(pool_free_slots(end->pool), pool_slots(end->pool));
    CHECK_EQUAL(pool_free_blocks(end->pool), UDP_END_BLOCKS);
    pool_free(end->pool);
    memory_give(io_memory_plain(), end, sizeof(*end));
}

struct address udp_end_address(const char *text)
{
    struct address parsed = {0};
    CHECK(address_parse(text, &parsed));
    return parsed;
}

struct udp_path udp_end_path(const char *text, uint16_t port)
{
    return (struct udp_path){.destination = {.address = udp_end_address(text), .port = port}};
}

static uint8_t pattern(uint32_t number, uint32_t at)
{
    return (uint8_t)(number * 31 + at * 7 + at / 251);
}

struct packet *udp_end_make(struct udp_end *end, uint32_t len, uint32_t number)
{
    struct packet *packet = pool_take_packet(end->pool);
    CHECK(packet != NULL);
    uint8_t *bytes = packet_put(packet, len);
    for (uint32_t i = 0; i < len; i++)
        bytes[i] = pattern(number, i);
    if (len >= 4)
        store_be32(bytes, number);
    packet->tos = 0;
    return packet;
}

void udp_end_send(struct udp_end *end, const struct udp_path *path, uint32_t len, uint32_t first,
                  size_t count, instant_ns now)
{
    struct udp_send sends[1024];
    for (size_t i = 0; i < count; i++)
        sends[i] = (struct udp_send){udp_end_make(end, len, first + (uint32_t)i), path};
    udp_send(end->udp, sends, count, now);
}

static void record(struct udp_end *end, const struct udp_train *train, uint32_t offset,
                   uint32_t len)
{
    const uint8_t *bytes = train->block->bytes + train->offset + offset;
    CHECK(end->count < UDP_END_RECORDS_MOST);
    struct record *record = &end->records[end->count++];
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

void udp_end_collect(struct udp_end *end, enum family family)
{
    struct udp_train trains[UDP_RECEIVE_MOST];
    bool has_more;
    int count;
    end->count = 0;
    end->trains = 0;
    while ((count = udp_receive(end->udp, family, trains, &has_more)) > 0) {
        for (int i = 0; i < count; i++) {
            const struct udp_train *train = &trains[i];
            uint32_t piece = train->segment_bytes ? train->segment_bytes : train->len_bytes;
            uint32_t at = 0;
            do {
                uint32_t left = train->len_bytes - at;
                record(end, train, at, left < piece ? left : piece);
                at += piece;
            } while (at < train->len_bytes);
            end->trains += train->segment_bytes != 0;
            pool_give_block(end->pool, train->block);
        }
    }
    CHECK_EQUAL(count, -EAGAIN);
}

void udp_end_check_in_order(const struct udp_end *end, uint32_t first, size_t count)
{
    bool is_in_order = true;
    CHECK_EQUAL(end->count, count);
    for (size_t i = 0; i < end->count; i++)
        is_in_order = is_in_order && end->records[i].number == first + i;
    CHECK(is_in_order);
}

uint64_t udp_end_sent_messages(const struct udp_end *end)
{
    return udp_counters(end->udp)->sent_messages;
}
