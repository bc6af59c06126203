/* SPDX-License-Identifier: MIT */
#include "engine/live.h"

#include "engine/live_changes.h"
#include "engine/live_check.h"
#include "engine/live_commit.h"
#include "engine/live_regions.h"

/* Whether they may be, and all that they take. False: nothing to give back. */
static bool prepare(struct live *live, struct live_parts *parts)
{
    const struct changes *changes = live->changes;
    if (!live_changes_take_private_keys(live))
        return false;
    for (size_t i = 0; i < changes->count; i++)
        if (!live_changes_take(live, &changes->list[i]))
            return false;
    return live_changes_take_order(live) && live_check(live) && live_commit_prepare(live, parts);
}

static struct live begin(struct engine *engine, const struct changes *changes, struct text *why)
{
    return (struct live){.engine = engine,
                         .tree = &engine->core.tree,
                         .memory = engine->core.memory,
                         .changes = changes,
                         .why = why};
}

int live_apply(struct engine *engine, const struct changes *changes, instant_ns now,
               struct text *why)
{
    struct live_parts parts;
    struct live live = begin(engine, changes, why);
    if (!changes_are_any(changes))
        return 0;
    bool is_fine = prepare(&live, &parts);
    if (is_fine)
        live_commit_run(&live, &parts, now);
    else
        live_steps_undo(&live);
    live_regions_wipe(&live);
    live_steps_wipe(&live);
    return is_fine ? 0 : live.error;
}

int live_try(struct engine *engine, const struct changes *changes, struct text *why)
{
    struct live_parts parts;
    struct live live = begin(engine, changes, why);
    if (!changes_are_any(changes))
        return 0;
    bool is_fine = prepare(&live, &parts);
    if (is_fine)
        live_commit_forgo(&live, &parts);
    live_steps_undo(&live);
    live_regions_wipe(&live);
    live_steps_wipe(&live);
    return is_fine ? 0 : live.error;
}
