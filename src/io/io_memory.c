/* SPDX-License-Identifier: MIT */
/* Theory: secrets are few and small, locked pages are scarce. Sizes are rounded up to a power of
 * two and cut from locked chunks, one free list a size; what is larger than a chunk's quarter has a
 * mapping of its own. */
#include "io/io_memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bytes.h"
#include "base/list.h"

#define CHUNK_BYTES (64 * 1024)
#define SMALL_MOST_BYTES (CHUNK_BYTES / 4)
#define SMALLEST_BYTES 64
#define LARGE_BYTES (256 * 1024)
#define SIZES 9 /* 64, 128 … 16384 */

struct mapping {
    struct list link;
    size_t bytes;
} __attribute__((aligned(64)));

struct free_piece {
    struct free_piece *next;
};

struct io_memory {
    struct memory source;
    struct list mappings;
    uint8_t *chunk; /* where small pieces are cut from */
    size_t chunk_left_bytes;
    struct free_piece *free_pieces[SIZES];
    bool has_warned;
    struct log_sink log;
};

static unsigned size_index(size_t bytes)
{
    unsigned index = 0;
    while (((size_t)SMALLEST_BYTES << index) < bytes)
        index++;
    return index;
}

/* The usable bytes behind the mapping's header, or NULL. */
static uint8_t *map_locked(struct io_memory *memory, size_t bytes)
{
    size_t whole = (sizeof(struct mapping) + bytes + 4095) & ~(size_t)4095;
    if (whole < bytes)
        return NULL;
    struct mapping *mapping =
        mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED)
        return NULL;
    madvise(mapping, whole, MADV_DONTDUMP);
    if (mlock(mapping, whole) < 0 && !memory->has_warned) {
        memory->has_warned = true;
        log_sink_say(&memory->log, LOG_LEVEL_WARNING,
                     "keys cannot be locked into memory (RLIMIT_MEMLOCK is too small): they may be "
                     "swapped to disk");
    }
    mapping->bytes = whole;
    list_append(&memory->mappings, &mapping->link);
    return (uint8_t *)(mapping + 1);
}

static void unmap(struct mapping *mapping)
{
    size_t bytes = mapping->bytes;
    list_remove(&mapping->link);
    bytes_wipe(mapping, bytes);
    munmap(mapping, bytes);
}

static void *take_secret(void *context, size_t bytes)
{
    struct io_memory *memory = context;
    if (bytes > SMALL_MOST_BYTES)
        return map_locked(memory, bytes);
    unsigned index = size_index(bytes);
    struct free_piece *piece = memory->free_pieces[index];
    if (piece) {
        memory->free_pieces[index] = piece->next;
        piece->next = NULL; /* the rest was wiped when it was given */
        return piece;
    }
    size_t size = (size_t)SMALLEST_BYTES << index;
    if (memory->chunk_left_bytes < size) {
        uint8_t *chunk = map_locked(memory, CHUNK_BYTES - sizeof(struct mapping));
        if (!chunk)
            return NULL;
        memory->chunk = chunk;
        memory->chunk_left_bytes = CHUNK_BYTES - sizeof(struct mapping);
    }
    uint8_t *bytes_taken = memory->chunk;
    memory->chunk += size;
    memory->chunk_left_bytes -= size;
    return bytes_taken;
}

static void give_secret(void *context, void *pointer, size_t bytes)
{
    struct io_memory *memory = context;
    if (bytes > SMALL_MOST_BYTES) {
        unmap((struct mapping *)pointer - 1);
        return;
    }
    unsigned index = size_index(bytes);
    bytes_wipe(pointer, (size_t)SMALLEST_BYTES << index);
    struct free_piece *piece = pointer;
    piece->next = memory->free_pieces[index];
    memory->free_pieces[index] = piece;
}

struct io_memory *io_memory_new(struct log_sink log)
{
    struct io_memory *memory = calloc(1, sizeof(*memory));
    if (!memory)
        return NULL;
    list_init(&memory->mappings);
    memory->source = (struct memory){.take = take_secret, .give = give_secret, .context = memory};
    memory->log = log;
    return memory;
}

void io_memory_free(struct io_memory *memory)
{
    if (!memory)
        return;
    while (!list_is_empty(&memory->mappings))
        unmap(CONTAINER_OF(memory->mappings.next, struct mapping, link));
    free(memory);
}

const struct memory *io_memory_secrets(struct io_memory *memory)
{
    return &memory->source;
}

/* A large piece comes from the kernel, zeroed without being touched: a pool's buffers that are
 * never used cost no memory. */
static bool is_large(size_t bytes)
{
    return bytes >= LARGE_BYTES;
}

static void *take_plain(void *context, size_t bytes)
{
    (void)context;
    void *pointer = NULL;
    if (is_large(bytes)) {
        pointer = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return pointer == MAP_FAILED ? NULL : pointer;
    }
    if (posix_memalign(&pointer, 64, bytes ? bytes : 1) != 0)
        return NULL;
    return memset(pointer, 0, bytes);
}

static void give_plain(void *context, void *pointer, size_t bytes)
{
    (void)context;
    if (is_large(bytes))
        munmap(pointer, bytes);
    else
        free(pointer);
}

const struct memory *io_memory_plain(void)
{
    static const struct memory source = {.take = take_plain, .give = give_plain};
    return &source;
}
