/* SPDX-License-Identifier: MIT */
/* Whether the tree that would be can be, as far as its tunnels tell: routes are asked by
 * themselves. */
#ifndef ENGINE_LIVE_CHECK_H
#define ENGINE_LIVE_CHECK_H

#include "engine/live_steps.h"

/* False: refused. Sets next_levels of the nodes that are touched, or of all. */
bool live_check(struct live *live);
/* So many prefixes changed hands, or such, that looking at each peer costs less. */
bool live_check_is_wide(const struct live *live);

#endif
