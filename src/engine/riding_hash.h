/* SPDX-License-Identifier: MIT */
/* The roots' peers by where their datagrams go: a hash table chained through struct hop. */
#ifndef ENGINE_RIDING_HASH_H
#define ENGINE_RIDING_HASH_H

#include "base/address.h"
#include "base/memory.h"
#include "base/random.h"

struct hop;

#define RIDING_HASH_WORDS 5 /* four of the address, and the port */

struct riding_hash {
    const struct memory *memory; /* outlives the table */
    struct hop **chains;         /* through next_at_endpoint */
    unsigned bits;               /* there are 1 << bits chains */
    uint64_t secrets[RIDING_HASH_WORDS];
};

/* False: no memory; nothing is left to wipe. */
bool riding_hash_init(struct riding_hash *hash, const struct memory *memory,
                      const struct random_source *random, size_t peers);
/* Keeps chains short for so many peers. False: no memory, and all is as before. */
bool riding_hash_reserve(struct riding_hash *hash, size_t peers);
void riding_hash_wipe(struct riding_hash *hash);

/* A root's peer, by its endpoint as it is now; it has one. */
void riding_hash_add(struct riding_hash *hash, struct hop *hop);
/* Its endpoint is still the one that it was added with. */
void riding_hash_remove(struct riding_hash *hash, struct hop *hop);

/* Every hop with this endpoint is in the chain that begins here; others may be, too. NULL: none. */
struct hop *riding_hash_chain(const struct riding_hash *hash, const struct address *address,
                              uint16_t port);

#endif
