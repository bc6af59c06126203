/* SPDX-License-Identifier: MIT */
/* The union of prefixes as sorted, disjoint ranges of addresses: 0.0.0.0/1 and 128.0.0.0/1 together
 * cover 0.0.0.0/0, which no single prefix of the list does. Private to this room. */
#ifndef CONFIG_RANGES_H
#define CONFIG_RANGES_H

#include "config/arena.h"
#include "engine/description.h"

struct range;

struct ranges {
    struct range *items; /* in the arena */
    size_t count;
};

/* What all peers of a tunnel allow; false: no memory. */
bool ranges_of_peers(struct ranges *ranges, struct arena *arena,
                     const struct tunnel_description *tunnel);
/* What it routes: that, or its Routes. Exceptions are not taken out. */
bool ranges_of_routes(struct ranges *ranges, struct arena *arena,
                      const struct tunnel_description *tunnel);
/* Its `!PREFIX`es. */
bool ranges_of_exceptions(struct ranges *ranges, struct arena *arena,
                          const struct tunnel_description *tunnel);
/* Both together. */
bool ranges_unite(struct ranges *ranges, struct arena *arena, const struct ranges *a,
                  const struct ranges *b);
bool ranges_cover(const struct ranges *ranges, const struct prefix *prefix);

#endif
