/* SPDX-License-Identifier: MIT */
/* A binary heap of deadlines: the engine's one next deadline out of many peers'. Intrusive: each
 * owner embeds a node; the array is the caller's memory. */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stddef.h>

#include "base/clock.h"
#include "base/memory.h"

struct heap_node {
    instant_ns deadline;
    size_t place; /* 1-based index in the heap; 0: not in it */
};

struct heap {
    const struct memory *memory;
    struct heap_node **nodes;
    size_t count;
    size_t capacity;
};

void heap_init(struct heap *heap, const struct memory *memory);
void heap_wipe(struct heap *heap);
/* Makes room for `capacity` nodes, so that heap_set cannot fail; false: no memory. */
bool heap_reserve(struct heap *heap, size_t capacity);
/* Inserts the node, or moves it to its new deadline. INSTANT_NEVER takes it out. */
void heap_set(struct heap *heap, struct heap_node *node, instant_ns deadline);
void heap_remove(struct heap *heap, struct heap_node *node);
/* The node with the earliest deadline, or NULL. */
static inline struct heap_node *heap_first(const struct heap *heap)
{
    return heap->count ? heap->nodes[0] : NULL;
}

#endif
