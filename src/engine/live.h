/* SPDX-License-Identifier: MIT */
/* Changes of a living network: all or nothing. */
#ifndef ENGINE_LIVE_H
#define ENGINE_LIVE_H

#include "base/text.h"
#include "engine/change.h"
#include "engine/lanes.h"

/* Between two turns: the caller has performed all actions. 0, or as engine_apply, and nothing has
 * changed. What the changes do not touch keeps session, counters, learnt endpoint and path, and
 * what is staged. */
int live_apply(struct engine *engine, const struct changes *changes, instant_ns now,
               struct text *why);
/* The same up to where it would take effect: nothing has changed either way. */
int live_try(struct engine *engine, const struct changes *changes, struct text *why);

#endif
