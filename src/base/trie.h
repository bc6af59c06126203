/* SPDX-License-Identifier: MIT */
/* Longest prefix match for both families: a path-compressed binary trie. It serves AllowedIPs
 * (value: a peer) and routes (value: a winner). Values are opaque, never NULL. */
#ifndef BASE_TRIE_H
#define BASE_TRIE_H

#include "base/memory.h"
#include "base/prefix.h"

struct trie_node;

struct trie {
    const struct memory *memory; /* outlives the trie */
    struct trie_node *ipv4;
    struct trie_node *ipv6;
    size_t prefixes;
};

void trie_init(struct trie *trie, const struct memory *memory);
void trie_wipe(struct trie *trie);
/* Sets the value of a prefix (host bits zero), replacing an earlier one; false: no memory. */
bool trie_insert(struct trie *trie, const struct prefix *prefix, void *value);
/* True when the prefix was there. */
bool trie_remove(struct trie *trie, const struct prefix *prefix);
/* Removes every prefix whose value is `value`. */
void trie_remove_value(struct trie *trie, const void *value);
/* The value of the longest prefix that contains the address, or NULL. */
void *trie_lookup(const struct trie *trie, const struct address *address);
/* The same for 4 or 16 bytes in network order: the hot path's form. */
void *trie_lookup_bytes(const struct trie *trie, enum family family, const uint8_t *bytes);
/* The same, and how long the prefix is that matched; `len_bits` stays when the answer is NULL. */
void *trie_match(const struct trie *trie, const struct address *address, unsigned *len_bits);
/* The value of exactly this prefix, or NULL. */
void *trie_get(const struct trie *trie, const struct prefix *prefix);

/* Calls `visit` for every prefix: IPv4 first, each family in address order, a shorter prefix before
 * those inside it. `visit` must not change the trie. */
void trie_walk(const struct trie *trie,
               void (*visit)(void *context, const struct prefix *prefix, void *value),
               void *context);

#endif
