/* SPDX-License-Identifier: MIT */
/* The roots' peers by where their datagrams go: a hash table chained through struct hop. */
#ifndef ENGINE_ENDPOINTS_H
#define ENGINE_ENDPOINTS_H

#include "base/address.h"
#include "base/memory.h"
#include "base/random.h"

struct hop;

#define ENDPOINT_WORDS 5 /* four of the address, and the port */

struct endpoints {
    const struct memory *memory; /* outlives the table */
    struct hop **chains;         /* through next_at_endpoint */
    unsigned bits;               /* there are 1 << bits chains */
    uint64_t secrets[ENDPOINT_WORDS];
};

/* False: no memory; nothing is left to wipe. */
bool endpoints_init(struct endpoints *endpoints, const struct memory *memory,
                    const struct random_source *random, size_t peers);
/* Keeps chains short for so many peers. False: no memory, and all is as before. */
bool endpoints_reserve(struct endpoints *endpoints, size_t peers);
void endpoints_wipe(struct endpoints *endpoints);

/* A root's peer, by its endpoint as it is now; it has one. */
void endpoints_add(struct endpoints *endpoints, struct hop *hop);
/* Its endpoint is still the one that it was added with. */
void endpoints_remove(struct endpoints *endpoints, struct hop *hop);

/* Every hop with this endpoint is in the chain that begins here; others may be, too. NULL: none. */
struct hop *endpoints_chain(const struct endpoints *endpoints, const struct address *address,
                            uint16_t port);

#endif
