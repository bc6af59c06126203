/* SPDX-License-Identifier: MIT */
/* The sockets of the roots that changes make and end: opened first, since only the kernel knows
 * whether a port is free, and closed last. Private to this room. */
#ifndef IO_NETWORK_ROOTS_H
#define IO_NETWORK_ROOTS_H

#include "io/network.h"

struct network_roots_added;

struct network_roots {
    struct network_roots_added *added;
    size_t added_count;
    uint32_t *removed; /* the engine's numbers, before the changes */
    size_t removed_count;
};

/* 0, or -errno and a sentence. Either way network_roots_drop follows; or, once the engine has the
 * changes, network_roots_take. */
int network_roots_prepare(struct network_roots *roots, struct network *network,
                          const struct changes *changes, struct text *why);
void network_roots_drop(struct network_roots *roots);
void network_roots_take(struct network_roots *roots, struct network *network);

#endif
