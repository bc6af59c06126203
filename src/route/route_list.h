/* SPDX-License-Identifier: MIT */
/* The same routes as in the trie, one after the other: walking all of them is reading an array. */
#ifndef ROUTE_ROUTE_LIST_H
#define ROUTE_ROUTE_LIST_H

#include "base/memory.h"
#include "base/prefix.h"

/* `winner`: an index or ROUTES_THROW. */
struct route_list_entry {
    struct prefix prefix;
    int winner;
};

/* By family, address and length: a shorter prefix before those inside it. Zeroed but for the
 * memory: empty. */
struct route_list {
    const struct memory *memory;
    struct route_list_entry *entries;
    size_t count;
    size_t capacity;
};

/* What they shall say from now on at a prefix and inside. */
struct routes_patch {
    const struct memory *memory;
    struct prefix region;
    struct route_list_entry *entries;
    size_t count;
    size_t capacity;
};

/* Room for so many more. False: no memory. */
bool route_list_reserve(struct route_list *list, size_t more);
/* Behind the last one; there is room. */
void route_list_append(struct route_list *list, const struct prefix *prefix, int winner);
/* The patches do not overlap, in ascending order; there is room for what they add. */
void route_list_apply(struct route_list *list, const struct routes_patch *patches, size_t count);
void route_list_wipe(struct route_list *list);

#endif
