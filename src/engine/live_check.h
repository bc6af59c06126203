/* SPDX-License-Identifier: MIT */
/* Whether the tree that would be can be, as far as its tunnels tell: routes are asked by
 * themselves. */
#ifndef ENGINE_LIVE_CHECK_H
#define ENGINE_LIVE_CHECK_H

#include "engine/live_steps.h"

/* False: refused. Sets the regions, and next_levels of all nodes. */
bool live_check(struct live *live);

#endif
