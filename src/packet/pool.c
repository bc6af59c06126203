/* SPDX-License-Identifier: MIT */
#include "packet/pool.h"

#include <sanitizer/asan_interface.h>

#include "base/bytes.h"

#define CACHE_LINE_BYTES 64
#define PAGE_LINES 64
/* The kernel joins at most 64 datagrams in one UDP GRO train. */
#define VIEWS_PER_BLOCK 64

/* One piece of memory: this, packets, blocks, bytes. */
struct pool_slab {
    struct pool_slab *next; /* older ones, of which some are still out */
    size_t memory_bytes;
    struct pool_shape shape;
    size_t out; /* of an older one: taken and not given back */
    struct packet *packets;
    struct block *blocks;
    uint8_t *bytes;
};

struct pool {
    const struct memory *memory;
    size_t memory_bytes; /* of this, views, receive blocks: one piece */
    struct pool_shape shape;
    struct pool_slab *slots;
    size_t block_stride_bytes;
    size_t view_count;
    struct packet *views;
    struct block *blocks;
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

static size_t whole_lines(size_t bytes)
{
    return (bytes + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
}

/* ---- slots ---- */

struct pool_slab *pool_prepare(struct pool *pool, const struct pool_shape *shape)
{
    assert(slot_capacity(shape) <= UINT32_MAX);
    size_t stride = stride_bytes(slot_capacity(shape));
    size_t packets_at = whole_lines(sizeof(struct pool_slab));
    size_t blocks_at = packets_at + whole_lines(shape->slots * sizeof(struct packet));
    size_t bytes_at =
        blocks_at + whole_lines(shape->slots * sizeof(struct block)) + CACHE_LINE_BYTES;
    size_t memory_bytes = bytes_at + shape->slots * stride;
    uint8_t *bytes = memory_take(pool->memory, memory_bytes);
    if (!bytes)
        return NULL;
    struct pool_slab *slots = (struct pool_slab *)bytes;
    *slots = (struct pool_slab){.memory_bytes = memory_bytes,
                                 .shape = *shape,
                                 .packets = (struct packet *)(bytes + packets_at),
                                 .blocks = (struct block *)(bytes + blocks_at),
                                 .bytes = bytes + bytes_at};
    for (size_t i = 0; i < shape->slots; i++) {
        struct packet *packet = &slots->packets[i];
        slots->blocks[i] = (struct block){.slots = slots,
                                          .bytes = slots->bytes + i * stride,
                                          .capacity_bytes = (uint32_t)slot_capacity(shape),
                                          .is_slot = true};
        packet->block = &slots->blocks[i];
        packet->floor = packet->block->bytes;
        packet->ceiling = packet->floor + packet->block->capacity_bytes;
    }
    /* Taking one unpoisons its bytes alone: the spare lines between them stay canaries. */
    ASAN_POISON_MEMORY_REGION(slots->bytes - CACHE_LINE_BYTES,
                              shape->slots * stride + CACHE_LINE_BYTES);
    return slots;
}

void pool_forgo(struct pool *pool, struct pool_slab *slots)
{
    if (!slots)
        return;
    size_t memory_bytes = slots->memory_bytes;
    ASAN_UNPOISON_MEMORY_REGION(slots, memory_bytes);
    bytes_wipe(slots, memory_bytes);
    memory_give(pool->memory, slots, memory_bytes);
}

static void forgo_idle(struct pool *pool)
{
    struct pool_slab **link = &pool->slots->next;
    while (*link) {
        struct pool_slab *slots = *link;
        if (slots->out > 0) {
            link = &slots->next;
            continue;
        }
        *link = slots->next;
        pool_forgo(pool, slots);
    }
}

/* Backwards, so that the first taken is the first in memory. */
void pool_adopt(struct pool *pool, struct pool_slab *slots)
{
    if (pool->slots)
        pool->slots->out = pool->slots->shape.slots - pool->free_packet_count;
    slots->next = pool->slots;
    pool->slots = slots;
    pool->shape.headroom_bytes = slots->shape.headroom_bytes;
    pool->shape.payload_bytes = slots->shape.payload_bytes;
    pool->shape.tailroom_bytes = slots->shape.tailroom_bytes;
    pool->free_packets = NULL; /* the older ones stay where they are */
    for (size_t i = slots->shape.slots; i-- > 0;) {
        slots->packets[i].next = pool->free_packets;
        pool->free_packets = &slots->packets[i];
    }
    pool->free_packet_count = slots->shape.slots;
    forgo_idle(pool);
}

/* ---- the pool ---- */

static void fill_free_lists(struct pool *pool)
{
    for (size_t i = pool->shape.receive_blocks; i-- > 0;) {
        pool->blocks[i] = (struct block){
            .next_free = pool->free_blocks,
            .bytes = pool->receive_bytes + i * pool->block_stride_bytes,
            .capacity_bytes = (uint32_t)pool->shape.receive_block_bytes,
        };
        pool->free_blocks = &pool->blocks[i];
    }
    for (size_t i = pool->view_count; i-- > 0;) {
        pool->views[i].next = pool->free_views;
        pool->free_views = &pool->views[i];
    }
    pool->free_block_count = pool->shape.receive_blocks;
}

struct pool *pool_new(const struct memory *memory, const struct pool_shape *shape)
{
    assert(shape->receive_block_bytes <= UINT32_MAX);
    size_t block_stride = stride_bytes(shape->receive_block_bytes);
    size_t views = shape->receive_blocks * VIEWS_PER_BLOCK;
    size_t views_at = whole_lines(sizeof(struct pool));
    size_t blocks_at = views_at + whole_lines(views * sizeof(struct packet));
    size_t receive_at = blocks_at +
                        whole_lines(shape->receive_blocks * sizeof(struct block)) +
                        CACHE_LINE_BYTES;
    size_t memory_bytes = receive_at + shape->receive_blocks * block_stride;
    uint8_t *bytes = memory_take(memory, memory_bytes);
    if (!bytes)
        return NULL;
    struct pool *pool = (struct pool *)bytes;
    *pool = (struct pool){
        .memory = memory,
        .memory_bytes = memory_bytes,
        .shape = *shape,
        .block_stride_bytes = block_stride,
        .view_count = views,
        .views = (struct packet *)(bytes + views_at),
        .blocks = (struct block *)(bytes + blocks_at),
        .receive_bytes = bytes + receive_at,
    };
    struct pool_slab *slots = pool_prepare(pool, shape);
    if (!slots) {
        memory_give(memory, pool, memory_bytes);
        return NULL;
    }
    ASAN_POISON_MEMORY_REGION(pool->receive_bytes - CACHE_LINE_BYTES,
                              shape->receive_blocks * block_stride + CACHE_LINE_BYTES);
    fill_free_lists(pool);
    pool_adopt(pool, slots);
    return pool;
}

void pool_free(struct pool *pool)
{
    if (!pool)
        return;
    const struct memory *memory = pool->memory;
    size_t memory_bytes = pool->memory_bytes;
    while (pool->slots) {
        struct pool_slab *slots = pool->slots;
        pool->slots = slots->next;
        pool_forgo(pool, slots);
    }
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
    if (block->slots != pool->slots) { /* of a shape that is not in use any more */
        block->slots->out--;
        forgo_idle(pool);
        return;
    }
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
