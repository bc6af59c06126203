/* SPDX-License-Identifier: MIT */
/* Where a change of AllowedIPs ends elsewhere than it began: what is taken from a peer and given
 * back to it is none. All that follows from AllowedIPs is found anew there and nowhere else. */
#ifndef ENGINE_LIVE_REGIONS_H
#define ENGINE_LIVE_REGIONS_H

#include "engine/live_steps.h"

/* Sets live->regions, for the caller to give back with live_regions_wipe either way: no two of them
 * overlap, in ascending order. False: no memory. */
bool live_regions_find(struct live *live);
void live_regions_wipe(struct live *live);
/* The address lies in one of them. */
bool live_regions_have(const struct live *live, const struct address *address);

#endif
