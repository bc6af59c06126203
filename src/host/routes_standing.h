/* SPDX-License-Identifier: MIT */
/* What of a network's routes stands in the kernel's tables, as far as anybody told: what was laid
 * last, but for what others took since. Beside 130,000 routes asking the kernel takes a second. */
#ifndef HOST_ROUTES_STANDING_H
#define HOST_ROUTES_STANDING_H

#include "host/route_set.h"

/* Zeroed: nobody knows. The arrays are malloc's. */
struct routes_standing {
    struct routing_entry *entries;
    bool *are_taken; /* of which others took a route */
    size_t count;
    struct routing routing; /* as they were laid */
};

static inline bool routes_standing_are_known(const struct routes_standing *standing)
{
    return standing->entries != NULL;
}

/* These were laid. Takes the array over, which is in the order of routing_entries_compare; without
 * memory for the rest nobody knows. */
void routes_standing_note(struct routes_standing *standing, const struct routing *routing,
                          struct routing_entry *entries, size_t count);
/* The table is one of ours. */
bool routes_standing_have_table(const struct routes_standing *standing, uint32_t table);
/* Others took one of the prefix's routes, or one of ours in its place. */
void routes_standing_lose(struct routes_standing *standing, const struct prefix *prefix);
/* Others may have taken any. */
void routes_standing_forget(struct routes_standing *standing);

/* Where the entries, laid with `routing`, come to other routes than those that stand: the ones and
 * the others. The caller frees both; on failure neither. 0, or -ENOMEM and a sentence. */
int routes_standing_compare(const struct routes_standing *standing, const struct routing *routing,
                            const struct routing_entry *entries, size_t count,
                            struct route_set *before, struct route_set *wanted, struct text *why);

#endif
