/* SPDX-License-Identifier: MIT */
/* Where memory comes from. Both sources give zeroed, 64-byte aligned memory, or NULL. */
#ifndef IO_IO_MEMORY_H
#define IO_IO_MEMORY_H

#include "base/log_sink.h"
#include "base/memory.h"

struct io_memory;

/* For secrets: locked into RAM, left out of core dumps, wiped when given back and when freed. Locks
 * do not survive fork(2): make it in the process that works. When the kernel refuses to lock
 * (RLIMIT_MEMLOCK), `log` is told once and the memory is used unlocked. NULL: no
 * memory. */
struct io_memory *io_memory_new(struct log_sink log);
/* Wipes and unmaps all of it, whether given back or not. NULL does nothing. */
void io_memory_free(struct io_memory *memory);
/* Borrowed from `memory`; one thread at a time. */
const struct memory *io_memory_secrets(struct io_memory *memory);

/* For everything else. Stateless. */
const struct memory *io_memory_plain(void);

#endif
