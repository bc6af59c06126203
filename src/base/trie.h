/* SPDX-License-Identifier: MIT */
/* Longest prefix match for both families: a path-compressed binary trie. It serves AllowedIPs
 * (value: a peer) and routes (value: a winner). Values are opaque, never NULL. */
#ifndef BASE_TRIE_H
#define BASE_TRIE_H

#include "base/list.h"
#include "base/memory.h"
#include "base/prefix.h"

struct trie_node;

struct trie {
    const struct memory *memory; /* outlives the trie */
    struct trie_node *ipv4;
    struct trie_node *ipv6;
    size_t prefixes;
    struct trie_node *spares; /* see trie_reserve */
    size_t spare_count;
    bool keeps_spares;
};

void trie_init(struct trie *trie, const struct memory *memory);
void trie_wipe(struct trie *trie);
/* Sets the value of a prefix (host bits zero), replacing an earlier one; false: no memory. */
bool trie_insert(struct trie *trie, const struct prefix *prefix, void *value);
/* The same, and the prefix is in the list of those that have this value, in the order of
 * insertion; `listed` may be a member, too: then it stands in front of that one. */
bool trie_insert_listed(struct trie *trie, const struct prefix *prefix, void *value,
                        struct list *listed);
/* True when the prefix was there. */
bool trie_remove(struct trie *trie, const struct prefix *prefix);
/* Removes the prefix and all that lie in it. */
void trie_remove_inside(struct trie *trie, const struct prefix *prefix);
/* Removes all that are in the list. */
void trie_remove_listed(struct trie *trie, struct list *listed);
/* A list's member, and the member of a prefix that is listed. */
struct prefix trie_listed_prefix(const struct list *member);
struct list *trie_listed(const struct trie *trie, const struct prefix *prefix);

/* Makes room: so many inserts of new prefixes cannot fail. And until trie_settle whatever is
 * removed leaves its room: putting it back cannot fail. False: no memory; settle all the same. */
bool trie_reserve(struct trie *trie, size_t prefixes);
/* Gives back the room that is left. */
void trie_settle(struct trie *trie);

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
/* The same for those that contain the prefix (shortest first), itself and those inside. */
void trie_walk_around(const struct trie *trie, const struct prefix *prefix,
                      void (*visit)(void *context, const struct prefix *prefix, void *value),
                      void *context);

#endif
