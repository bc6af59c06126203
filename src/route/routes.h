/* SPDX-License-Identifier: MIT */
/* Which tunnel a destination belongs to (RULES A1, A2): the tunnels' route lists, flattened into
 * one trie whose values are winners, so that a packet costs one longest-prefix match. A change of
 * the tree makes a new one, or patches the regions that it concerns. */
#ifndef ROUTE_ROUTES_H
#define ROUTE_ROUTES_H

#include "base/trie.h"
#include "route/route_list.h"

#define ROUTES_NONE (-1)  /* no tunnel has a route */
#define ROUTES_THROW (-2) /* somebody's exception (`!PREFIX`) that nobody else takes */

/* One tunnel's list. All prefixes are masked. Borrowed for the duration of a call. */
struct routes_tunnel {
    int carrier; /* index of its carrier in the same array, -1: a root; no loops */
    const struct prefix *includes;
    size_t include_count;
    const struct prefix *exceptions; /* beats an include of the same length */
    size_t exception_count;
};

struct routes {
    struct trie trie; /* values: routes_decode's */
    struct route_list list;
};

/* Why routes_init refused. */
struct routes_conflict {
    int tunnel; /* the first in the array; -1: no memory, and the rest means nothing */
    int other;
    struct prefix prefix; /* that both claim */
};

/* Makes the trie. False: two unrelated tunnels tie for a prefix (or no memory), `conflict` says
 * which, and there is nothing to wipe. Cost: prefixes times tunnels. */
bool routes_init(struct routes *routes, const struct memory *memory,
                 const struct routes_tunnel *tunnels, size_t count,
                 struct routes_conflict *conflict);
void routes_wipe(struct routes *routes);

/* As routes_init would say there. The tunnels' lists are those of now, as far as they contain the
 * region or lie in it; outside of it they are those that `routes` was made from. False as there. */
bool routes_patch_init(struct routes_patch *patch, const struct routes *routes,
                       const struct memory *memory, const struct prefix *region,
                       const struct routes_tunnel *tunnels, size_t count,
                       struct routes_conflict *conflict);
void routes_patch_wipe(struct routes_patch *patch);
/* Patches that add so many prefixes in all cannot fail from now on. False: no memory. Either way
 * routes_settle gives back what is left. */
bool routes_reserve(struct routes *routes, size_t prefixes);
void routes_settle(struct routes *routes);
/* Their regions do not overlap, in ascending order; there is room. */
void routes_apply_patches(struct routes *routes, const struct routes_patch *patches, size_t count);

static inline int routes_decode(const void *value)
{
    return value ? (int)(intptr_t)value - 3 : ROUTES_NONE;
}

/* The winner's index, ROUTES_NONE or ROUTES_THROW. `destination`: 4 or 16 network bytes. */
static inline int routes_lookup_bytes(const struct routes *routes, enum family family,
                                      const uint8_t *destination)
{
    return routes_decode(trie_lookup_bytes(&routes->trie, family, destination));
}
int routes_lookup(const struct routes *routes, const struct address *destination);

/* The kernel's routes, fewest that say the same: each prefix whose winner differs from that of the
 * prefix around it, and inside a /0 or /1 each that somebody wrote: beside 0.0.0.0/0 a tunnel's
 * 192.168.178.0/24 is a route of its own. `winner`: an index or ROUTES_THROW. A shorter prefix
 * comes first. */
void routes_walk(const struct routes *routes,
                 void (*visit)(void *context, const struct prefix *prefix, int winner),
                 void *context);

/* A carrier's prefix, or the part of one, that goes to a tunnel which it carries (RULES A3). */
struct routes_loss {
    struct prefix prefix;
    int loser;        /* the carrier */
    int winner;       /* carried by it, directly or further in, or what beats the carried one */
    bool was_longest; /* by prefix length alone the carrier would have it: worth a warning */
};

/* Calls `visit` once for each loss, not again for what lies inside a loss to the same winner,
 * unless only there the carrier's prefix is the longest. False: no memory. The lists are those that
 * routes_init accepted. */
bool routes_walk_losses(const struct memory *memory, const struct routes_tunnel *tunnels,
                        size_t count, void (*visit)(void *context, const struct routes_loss *loss),
                        void *context);

#endif
