/* SPDX-License-Identifier: MIT */
/* The buffers of one network, all made at the start, or when its shape changes: no allocation per
 * packet. Free lists are last in, first out, so the bytes used next are the ones still in the
 * cache. One thread at a time. */
#ifndef PACKET_POOL_H
#define PACKET_POOL_H

#include "base/memory.h"
#include "packet/packet.h"

struct pool;
struct pool_slab; /* all slots of one shape */

/* A run of bytes: a slot (one packet's own) or a receive block (shared by the packets cut from
 * it). */
struct block {
    union {
        struct block *next_free;  /* of a receive block */
        struct pool_slab *slots; /* whose slot it is */
    };
    uint8_t *bytes;
    uint32_t capacity_bytes;
    uint32_t references; /* packets (and the receiver, while it fills it) */
    bool is_slot;
};

struct pool_shape {
    size_t slots;          /* outbound packets */
    size_t headroom_bytes; /* of a fresh slot: the deepest path's (tree) */
    size_t payload_bytes;  /* the largest packet of any path */
    size_t tailroom_bytes;
    size_t receive_blocks;
    size_t receive_block_bytes; /* 65535 and the room to read into */
};

/* NULL: no memory. `memory` outlives the pool. */
struct pool *pool_new(const struct memory *memory, const struct pool_shape *shape);
void pool_free(struct pool *pool);

/* Slots of another shape in two steps, of which the first can fail (NULL: no memory) and be taken
 * back. From the second on packets are taken from them; those of before are good until they come
 * back. Only what concerns slots changes, and not how many there are. */
struct pool_slab *pool_prepare(struct pool *pool, const struct pool_shape *shape);
void pool_forgo(struct pool *pool, struct pool_slab *slots); /* NULL does nothing */
void pool_adopt(struct pool *pool, struct pool_slab *slots);

/* An empty packet with its own slot: data at headroom_bytes, length 0. NULL when the pool is empty
 * (verdict pool_empty). */
struct packet *pool_take_packet(struct pool *pool);
/* A receive block with one reference, the caller's; NULL when there is none. */
struct block *pool_take_block(struct pool *pool);
/* A packet that shows `len` bytes of a block from `offset`; adds a reference. Its floor is the
 * start of those bytes and its ceiling their end. NULL when no packet is left (64 a block). */
struct packet *pool_take_view(struct pool *pool, struct block *block, size_t offset, size_t len);

void pool_give_packet(struct pool *pool, struct packet *packet); /* NULL does nothing */
void pool_give_block(struct pool *pool, struct block *block);    /* drops one reference */
void pool_give_queue(struct pool *pool, struct packet_queue *queue);

size_t pool_free_slots(const struct pool *pool);
size_t pool_free_blocks(const struct pool *pool);
size_t pool_slots(const struct pool *pool);
const struct pool_shape *pool_shape(const struct pool *pool);

#endif
