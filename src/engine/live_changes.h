/* SPDX-License-Identifier: MIT */
/* Changes become steps and what is pending: each looked at by itself, after those before it. */
#ifndef ENGINE_LIVE_CHANGES_H
#define ENGINE_LIVE_CHANGES_H

#include "engine/live_steps.h"

/* Each false: refused. Private keys first, of all changes. */
bool live_changes_take_private_keys(struct live *live);
bool live_changes_take(struct live *live, const struct change *change);
bool live_changes_take_order(struct live *live);

#endif
