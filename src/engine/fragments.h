/* SPDX-License-Identifier: MIT */
/* Fragments inside a tunnel that carries others, or the program's own queries (RULES C5, G1): a
 * reassembly for each such tunnel, and their time. */
#ifndef ENGINE_FRAGMENTS_H
#define ENGINE_FRAGMENTS_H

#include "engine/core.h"
#include "route/reassembly.h"

/* False: no memory; what there is goes with fragments_wipe. */
bool fragments_init(struct engine *engine);
void fragments_wipe(struct engine *engine);
/* Gives up what waited for too long. */
void fragments_tick(struct engine *engine, instant_ns now);

/* reassembly_add for the node, which has one; its refusals are counted there. */
struct reassembly_result fragments_add(struct engine *engine, struct node *node,
                                       const struct packet *packet, const struct ip_view *view,
                                       bool is_carried, instant_ns now);

#endif
