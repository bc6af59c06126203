/* SPDX-License-Identifier: MIT */
#include "config/arena.h"

#include <stdint.h>
#include <string.h>

#include "base/bytes.h"

#define BLOCK_BYTES 4096
#define BLOCK_MOST_BYTES (256u << 10)
#define ALIGNMENT_BYTES 16

struct arena_block {
    struct arena_block *next;
    size_t capacity_bytes; /* of the whole block, header included */
    size_t used_bytes;
    size_t reserved;
};

_Static_assert(sizeof(struct arena_block) % ALIGNMENT_BYTES == 0, "what follows is aligned");

void arena_init(struct arena *arena, const struct memory *memory)
{
    *arena = (struct arena){.memory = memory};
}

void arena_wipe(struct arena *arena)
{
    while (arena->blocks) {
        struct arena_block *block = arena->blocks;
        size_t bytes = block->capacity_bytes;
        arena->blocks = block->next;
        bytes_wipe(block, bytes);
        memory_give(arena->memory, block, bytes);
    }
    arena->is_exhausted = false;
}

/* Twice the last one: what grows large has few blocks, which go back to the kernel as mappings
 * where the memory is locked; what stays small is one page. */
static size_t next_block_bytes(const struct arena_block *last)
{
    size_t twice = last ? last->capacity_bytes * 2 : BLOCK_BYTES;
    return twice < BLOCK_MOST_BYTES ? twice : BLOCK_MOST_BYTES;
}

void *arena_take(struct arena *arena, size_t bytes)
{
    if (bytes > SIZE_MAX / 2) {
        arena->is_exhausted = true;
        return NULL;
    }
    bytes = (bytes + ALIGNMENT_BYTES - 1) & ~(size_t)(ALIGNMENT_BYTES - 1);
    struct arena_block *block = arena->blocks;
    if (!block || block->capacity_bytes - block->used_bytes < bytes) {
        size_t needed = sizeof(*block) + bytes;
        size_t capacity = next_block_bytes(block);
        capacity = needed > capacity ? needed : capacity;
        block = memory_take(arena->memory, capacity);
        if (!block) {
            arena->is_exhausted = true;
            return NULL;
        }
        *block = (struct arena_block){arena->blocks, capacity, sizeof(*block), 0};
        arena->blocks = block;
    }
    void *taken = (char *)block + block->used_bytes;
    block->used_bytes += bytes;
    return taken;
}

static void *take(void *context, size_t bytes)
{
    return arena_take(context, bytes);
}

static void give(void *context, void *pointer, size_t bytes)
{
    (void)context, (void)pointer, (void)bytes;
}

struct memory arena_memory(struct arena *arena)
{
    return (struct memory){.take = take, .give = give, .context = arena};
}

char *arena_copy(struct arena *arena, const char *bytes, size_t len)
{
    char *copy = arena_take(arena, len + 1);
    if (copy && len)
        memcpy(copy, bytes, len);
    return copy;
}

void *arena_extend(struct arena *arena, void *array, size_t count, size_t element_bytes)
{
    /* The capacity is told by the count: 4, 8, 16, … */
    bool is_full = count == 0 || (count >= 4 && (count & (count - 1)) == 0);
    if (!is_full)
        return array;
    size_t capacity = count ? count * 2 : 4;
    if (capacity > SIZE_MAX / 4 / element_bytes) {
        arena->is_exhausted = true;
        return NULL;
    }
    void *larger = arena_take(arena, capacity * element_bytes);
    if (larger && count)
        memcpy(larger, array, count * element_bytes);
    return larger;
}
