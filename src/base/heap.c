/* SPDX-License-Identifier: MIT */
#include "base/heap.h"

#include <assert.h>
#include <string.h>

void heap_init(struct heap *heap, const struct memory *memory)
{
    *heap = (struct heap){.memory = memory};
}

void heap_wipe(struct heap *heap)
{
    memory_give(heap->memory, heap->nodes, heap->capacity * sizeof(*heap->nodes));
    *heap = (struct heap){.memory = heap->memory};
}

bool heap_reserve(struct heap *heap, size_t capacity)
{
    if (capacity <= heap->capacity)
        return true;
    size_t larger = capacity * 2;
    struct heap_node **nodes = memory_take(heap->memory, larger * sizeof(*nodes));
    if (!nodes)
        return false;
    if (heap->count)
        memcpy(nodes, heap->nodes, heap->count * sizeof(*nodes));
    memory_give(heap->memory, heap->nodes, heap->capacity * sizeof(*nodes));
    heap->nodes = nodes;
    heap->capacity = larger;
    return true;
}

static void put(struct heap *heap, size_t place, struct heap_node *node)
{
    heap->nodes[place - 1] = node;
    node->place = place;
}

static void sift(struct heap *heap, struct heap_node *node)
{
    size_t place = node->place;
    while (place > 1 && heap->nodes[place / 2 - 1]->deadline > node->deadline) {
        put(heap, place, heap->nodes[place / 2 - 1]);
        place /= 2;
    }
    for (;;) {
        size_t child = place * 2;
        if (child > heap->count)
            break;
        if (child < heap->count && heap->nodes[child]->deadline < heap->nodes[child - 1]->deadline)
            child++;
        if (heap->nodes[child - 1]->deadline >= node->deadline)
            break;
        put(heap, place, heap->nodes[child - 1]);
        place = child;
    }
    put(heap, place, node);
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
    if (!node->place)
        return;
    struct heap_node *last = heap->nodes[--heap->count];
    if (last != node) {
        put(heap, node->place, last);
        sift(heap, last);
    }
    node->place = 0;
}

void heap_set(struct heap *heap, struct heap_node *node, instant_ns deadline)
{
    if (deadline == INSTANT_NEVER) {
        heap_remove(heap, node);
        node->deadline = INSTANT_NEVER;
        return;
    }
    node->deadline = deadline;
    if (!node->place) {
        assert(heap->count < heap->capacity);
        heap->count++;
        put(heap, heap->count, node);
    }
    sift(heap, node);
}
