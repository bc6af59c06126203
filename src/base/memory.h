/* SPDX-License-Identifier: MIT */
/* The caller's allocator. Everything that holds a secret lives in memory from here: the daemon's is
 * locked and left out of core dumps. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>

struct memory {
    /* Zeroed memory, 64-byte aligned, or NULL. */
    void *(*take)(void *context, size_t bytes);
    /* `pointer` may be NULL; `bytes` is what was asked for. The memory is wiped by its user
     * first. */
    void (*give)(void *context, void *pointer, size_t bytes);
    void *context;
};

static inline void *memory_take(const struct memory *memory, size_t bytes)
{
    return memory->take(memory->context, bytes);
}

static inline void memory_give(const struct memory *memory, void *pointer, size_t bytes)
{
    if (pointer)
        memory->give(memory->context, pointer, bytes);
}

#endif
