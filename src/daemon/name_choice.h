/* SPDX-License-Identifier: MIT */
/* Of a name's addresses, the one that its peer is at (RULES G2). */
#ifndef DAEMON_NAME_CHOICE_H
#define DAEMON_NAME_CHOICE_H

#include "engine/engine.h"
#include "host/resolve.h"

struct name_addresses {
    struct address list[RESOLVE_ADDRESSES_MOST];
    size_t count;
};

/* Of an answer those that can be a host's and that the peer's tunnel has a way to. */
void name_choice_keep(struct name_addresses *kept, const struct address *answer, size_t count,
                      enum engine_way (*way_to)(void *context, const struct address *address),
                      void *context);
bool name_choice_has(const struct name_addresses *addresses, const struct address *at);
/* Where the peer, now at `at`, is to move, or NULL: it stays. To the first, or if it is at one
 * already, to the next if that one is of no use: it has no route, or (`is_failing`) does not
 * answer. Where none has a route, all are as good. */
const struct address *name_choice(const struct name_addresses *addresses, const struct address *at,
                                  bool is_failing,
                                  bool (*has_route)(void *context, const struct address *address),
                                  void *context);

#endif
