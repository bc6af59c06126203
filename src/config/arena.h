/* SPDX-License-Identifier: MIT */
/* Memory that is given back all at once, wiped: a configuration holds keys, and its many small
 * arrays live and die together. */
#ifndef CONFIG_ARENA_H
#define CONFIG_ARENA_H

#include <stdbool.h>

#include "base/memory.h"

struct arena_block;

struct arena {
    const struct memory *memory; /* outlives the arena */
    struct arena_block *blocks;  /* the newest first */
    bool is_exhausted;           /* an arena_take has failed */
};

void arena_init(struct arena *arena, const struct memory *memory);
/* Wipes and gives back everything taken. */
void arena_wipe(struct arena *arena);
/* Zeroed, aligned for any type; NULL: no memory. */
void *arena_take(struct arena *arena, size_t bytes);
/* The arena as an allocator: what is given back stays until all is. As long as the arena stays in
 * place. */
struct memory arena_memory(struct arena *arena);
/* A NUL-terminated copy of `len` bytes. */
char *arena_copy(struct arena *arena, const char *bytes, size_t len);
/* The array, moved when it is full, with a zeroed place for the element `count`; NULL: no memory,
 * and the old array stays. The array must have grown through this function alone. */
void *arena_extend(struct arena *arena, void *array, size_t count, size_t element_bytes);

#endif
