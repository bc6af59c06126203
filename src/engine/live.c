/* SPDX-License-Identifier: MIT */
#include "engine/live.h"

#include "engine/live_changes.h"
#include "engine/live_check.h"
#include "engine/live_commit.h"

bool live_apply(struct engine *engine, const struct changes *changes, instant_ns now, char *why,
                size_t why_bytes)
{
    struct live_parts parts;
    struct live live = {.engine = engine,
                        .tree = &engine->core.tree,
                        .memory = engine->core.memory,
                        .changes = changes,
                        .why = why,
                        .why_bytes = why_bytes};
    bool is_fine = true;
    for (size_t i = 0; is_fine && i < changes->count; i++)
        is_fine = live_changes_take(&live, &changes->list[i]);
    bool is_any = changes->count > 0 || changes->has_nat;
    is_fine = is_fine && (!is_any || (live_check(&live) && live_commit_prepare(&live, &parts)));
    if (is_fine && is_any)
        live_commit_run(&live, &parts, now);
    else
        live_steps_undo(&live);
    live_steps_wipe(&live);
    return is_fine;
}
