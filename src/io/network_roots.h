/* SPDX-License-Identifier: MIT */
/* The roots' sockets when changes make, move and end roots. New ones are opened first, since only
 * the kernel knows whether a port is free, and old ones are closed last; those whose port another
 * root shall have go to it as they are. Private to this room. */
#ifndef IO_NETWORK_ROOTS_H
#define IO_NETWORK_ROOTS_H

#include "io/network.h"

struct network_root_next;

struct network_roots {
    struct network_root_next *next; /* the tunnels that the changes name */
    size_t count;
};

/* 0, or -errno and a sentence. Either way network_roots_drop follows; or, once the engine has the
 * changes, network_roots_take. */
int network_roots_prepare(struct network_roots *roots, struct network *network,
                          const struct changes *changes, struct text *why);
void network_roots_drop(struct network_roots *roots, struct network *network);
void network_roots_take(struct network_roots *roots, struct network *network);

#endif
