/* SPDX-License-Identifier: MIT */
/* A change that was checked takes effect. */
#ifndef ENGINE_LIVE_COMMIT_H
#define ENGINE_LIVE_COMMIT_H

#include "engine/live_steps.h"

/* What it takes beside the steps; each part may be unused. */
struct live_parts {
    bool has_routes;
    struct routes routes;
    struct routes_patch *patches; /* or these */
    size_t patch_count;
    size_t patch_capacity;
    bool has_addresses;
    struct tree_addresses addresses;
    struct pool_slab *slab; /* for deeper paths or larger packets; NULL: those that there are do */
};

/* Takes the memory. False: refused or none, and nothing to wipe. */
bool live_commit_prepare(struct live *live, struct live_parts *parts);
/* Gives it back: nothing changes. */
void live_commit_forgo(struct live *live, struct live_parts *parts);
/* Cannot fail. */
void live_commit_run(struct live *live, struct live_parts *parts, instant_ns now);

#endif
