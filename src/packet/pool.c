/* SPDX-License-Identifier: MIT */
#include "packet/pool.h"

#include <sanitizer/asan_interface.h>

#include "base/bytes.h"

#define CACHE_LINE_BYTES 64
#define PAGE_LINES 64
/* The kernel joins at most 64 datagrams in one UDP GRO train. */
#define VIEWS_PER_BLOCK 64

struct pool {
    const struct memory *memory;
    size_t memory_bytes; /* all of it: the pool is one piece */
    struct pool_shape shape;
    size_t slot_stride_bytes;
    size_t block_stride_bytes;
    size_t view_count;
    struct packet *packets; /* those of the slots, then the views */
    struct block *blocks;   /* slots, then receive blocks */
    uint8_t *slot_bytes;
    uint8_t *receive_bytes;
    struct packet *free_packets; /* each with its slot */
    struct packet *free_views;
    struct block *free_blocks;
    size_t free_packet_count;
    size_t free_block_count;
};

/* Whole cache lines with a spare one between neighbours, and not near a multiple of a page: else
 * the headers of all packets would fall on the same few sets of the cache. */
static size_t stride_bytes(size_t bytes)
{
    size_t lines = ((bytes + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES + 1) | 1;
    if (lines % PAGE_LINES < 3)
        lines += 2;
    return lines * CACHE_LINE_BYTES;
}

static size_t slot_capacity(const struct pool_shape *shape)
{
    return shape->headroom_bytes + shape->payload_bytes + shape->tailroom_bytes;
}

static void make_block(struct pool *pool, size_t index, uint8_t *bytes, size_t capacity_bytes)
{
    pool->blocks[index] = (struct block){
        .bytes = bytes,
        .capacity_bytes = (uint32_t)capacity_bytes,
        .is_slot = index < pool->shape.slots,
    };
}

/* Backwards, so that the first taken is the first in memory. */
static void fill_free_lists(struct pool *pool)
{
    size_t slots = pool->shape.slots, blocks = pool->shape.receive_blocks;
    for (size_t i = slots; i-- > 0;) {
        make_block(pool, i, pool->slot_bytes + i * pool->slot_stride_bytes,
                   slot_capacity(&pool->shape));
        struct packet *packet = &pool->packets[i];
        packet->block = &pool->blocks[i];
        packet->floor = packet->block->bytes;
        packet->ceiling = packet->floor + packet->block->capacity_bytes;
        packet->next = pool->free_packets;
        pool->free_packets = packet;
    }
    for (size_t i = blocks; i-- > 0;) {
        make_block(pool, slots + i, pool->receive_bytes + i * pool->block_stride_bytes,
                   pool->shape.receive_block_bytes);
        pool->blocks[slots + i].next_free = pool->free_blocks;
        pool->free_blocks = &pool->blocks[slots + i];
    }
    for (size_t i = slots + pool->view_count; i-- > slots;) {
        pool->packets[i].next = pool->free_views;
        pool->free_views = &pool->packets[i];
    }
    pool->free_packet_count = slots;
    pool->free_block_count = blocks;
}

static size_t whole_lines(size_t bytes)
{
    return (bytes + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
}

struct pool *pool_new(const struct memory *memory, const struct pool_shape *shape)
{
    assert(slot_capacity(shape) <= UINT32_MAX && shape->receive_block_bytes <= UINT32_MAX);
    size_t slot_stride = stride_bytes(slot_capacity(shape));
    size_t block_stride = stride_bytes(shape->receive_block_bytes);
    size_t views = shape->receive_blocks * VIEWS_PER_BLOCK;
    size_t packets_at = whole_lines(sizeof(struct pool));
    size_t blocks_at = packets_at + whole_lines((shape->slots + views) * sizeof(struct packet));
    size_t slots_at =
        blocks_at + whole_lines((shape->slots + shape->receive_blocks) * sizeof(struct block));
    size_t receive_at = slots_at + shape->slots * slot_stride;
    size_t memory_bytes = receive_at + shape->receive_blocks * block_stride;
    uint8_t *bytes = memory_take(memory, memory_bytes);
    if (!bytes)
        return NULL;
    struct pool *pool = (struct pool *)bytes;
    *pool = (struct pool){
        .memory = memory,
        .memory_bytes = memory_bytes,
        .shape = *shape,
        .slot_stride_bytes = slot_stride,
        .block_stride_bytes = block_stride,
        .view_count = views,
        .packets = (struct packet *)(bytes + packets_at),
        .blocks = (struct block *)(bytes + blocks_at),
        .slot_bytes = bytes + slots_at,
        .receive_bytes = bytes + receive_at,
    };
    /* Taking one unpoisons its bytes alone: the spare lines between them stay canaries. */
    ASAN_POISON_MEMORY_REGION(bytes + slots_at, memory_bytes - slots_at);
    fill_free_lists(pool);
    return pool;
}

void pool_free(struct pool *pool)
{
    if (!pool)
        return;
    const struct memory *memory = pool->memory;
    size_t memory_bytes = pool->memory_bytes;
    ASAN_UNPOISON_MEMORY_REGION(pool, memory_bytes);
    bytes_wipe(pool, memory_bytes);
    memory_give(memory, pool, memory_bytes);
}

struct packet *pool_take_packet(struct pool *pool)
{
    struct packet *packet = pool->free_packets;
    if (!packet)
        return NULL;
    pool->free_packets = packet->next;
    pool->free_packet_count--;
    ASAN_UNPOISON_MEMORY_REGION(packet->floor, packet->block->capacity_bytes);
    packet->block->references = 1;
    packet->next = NULL;
    packet->data = packet->floor + pool->shape.headroom_bytes;
    packet->len_bytes = 0;
    packet->tos = 0;
    packet->kind = 0;
    return packet;
}

struct block *pool_take_block(struct pool *pool)
{
    struct block *block = pool->free_blocks;
    if (!block)
        return NULL;
    pool->free_blocks = block->next_free;
    pool->free_block_count--;
    ASAN_UNPOISON_MEMORY_REGION(block->bytes, block->capacity_bytes);
    block->next_free = NULL;
    block->references = 1;
    return block;
}

struct packet *pool_take_view(struct pool *pool, struct block *block, size_t offset, size_t len)
{
    assert(!block->is_slot && block->references > 0);
    assert(offset <= block->capacity_bytes && len <= block->capacity_bytes - offset);
    struct packet *packet = pool->free_views;
    if (!packet)
        return NULL;
    pool->free_views = packet->next;
    block->references++;
    uint8_t *data = block->bytes + offset;
    *packet = (struct packet){
        .data = data,
        .len_bytes = (uint32_t)len,
        .floor = data,
        .ceiling = data + len,
        .block = block,
    };
    return packet;
}

void pool_give_block(struct pool *pool, struct block *block)
{
    if (!block)
        return;
    assert(!block->is_slot && block->references > 0);
    if (--block->references > 0)
        return;
    ASAN_POISON_MEMORY_REGION(block->bytes, block->capacity_bytes);
    block->next_free = pool->free_blocks;
    pool->free_blocks = block;
    pool->free_block_count++;
}

void pool_give_packet(struct pool *pool, struct packet *packet)
{
    if (!packet)
        return;
    struct block *block = packet->block;
    if (!block->is_slot) {
        packet->next = pool->free_views;
        pool->free_views = packet;
        pool_give_block(pool, block);
        return;
    }
    assert(block->references == 1);
    block->references = 0;
    ASAN_POISON_MEMORY_REGION(block->bytes, block->capacity_bytes);
    packet->next = pool->free_packets;
    pool->free_packets = packet;
    pool->free_packet_count++;
}

void pool_give_queue(struct pool *pool, struct packet_queue *queue)
{
    for (struct packet *packet; (packet = packet_queue_take(queue));)
        pool_give_packet(pool, packet);
}

size_t pool_free_slots(const struct pool *pool)
{
    return pool->free_packet_count;
}

size_t pool_free_blocks(const struct pool *pool)
{
    return pool->free_block_count;
}

size_t pool_slots(const struct pool *pool)
{
    return pool->shape.slots;
}

const struct pool_shape *pool_shape(const struct pool *pool)
{
    return &pool->shape;
}
