/* SPDX-License-Identifier: MIT */
/* What is configured of a tunnel now, all but its key and its peers: the engine's own copy. One is
 * never changed: a change makes another. */
#ifndef ENGINE_CONFIGURED_H
#define ENGINE_CONFIGURED_H

#include "base/memory.h"
#include "engine/change.h"

struct node;

struct configured {
    size_t bytes; /* of this and its lists, which are one piece */
    struct node *carrier; /* NULL: a root */
    struct tunnel_description tunnel; /* without `carrier`, private key and peers */
};

/* NULL: no memory. */
struct configured *configured_new(const struct memory *memory,
                                  const struct tunnel_description *from, struct node *carrier);
/* The same tunnel with the fields (enum change_tunnel_fields) of `from` instead. */
struct configured *configured_with(const struct memory *memory, const struct configured *before,
                                   unsigned fields, const struct tunnel_description *from,
                                   struct node *carrier);
/* It has these fields as they are in `from` already. */
bool configured_is_so(const struct configured *configured, unsigned fields,
                      const struct tunnel_description *from, const struct node *carrier);
/* NULL does nothing. */
void configured_free(const struct memory *memory, struct configured *configured);

#endif
