/* SPDX-License-Identifier: MIT */
/* What can be said of a network's entries before any of them is laid. */
#ifndef HOST_ROUTING_ENTRIES_H
#define HOST_ROUTING_ENTRIES_H

#include "host/routing.h"

/* Which halves of the families' addresses go into tunnels or nowhere by an entry for all of each. */
unsigned routing_entries_halves(const struct routing_entry *entries, size_t count);
/* RULES A1: both halves together count as /0. */
bool routing_entries_is_default(const struct prefix *prefix, unsigned halves);
/* The ROUTING_LAN that would go into a tunnel or nowhere without main's route: the rules must end
 * their search. *lan is malloc's, the caller frees it. 0, or -ENOMEM and a sentence. */
int routing_entries_lan(const struct routing *routing, const struct routing_entry *entries,
                        size_t count, struct prefix **lan, size_t *lan_count, struct text *why);

#endif
