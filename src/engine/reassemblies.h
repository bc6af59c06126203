/* SPDX-License-Identifier: MIT */
/* Fragments inside a tunnel that carries others, or the program's own queries (RULES C5, G1): a
 * reassembly for each such tunnel, and their time. */
#ifndef ENGINE_REASSEMBLIES_H
#define ENGINE_REASSEMBLIES_H

#include "engine/core.h"
#include "route/reassembly.h"

struct reassemblies {
    struct core *core;
    instant_ns deadline; /* never later than the first of theirs */
};

/* Those that the tree needs from the start. False: no memory. */
bool reassemblies_init(struct reassemblies *reassemblies, struct core *core);
/* The node gets a virtual socket: it has a reassembly from now on. False: no memory. */
bool reassemblies_prepare(const struct reassemblies *reassemblies, struct node *node);
/* Gives up what waited for too long. */
void reassemblies_tick(struct reassemblies *reassemblies, instant_ns now);

/* reassembly_add for the node, which has one; its refusals are counted there. */
struct reassembly_result reassemblies_add(struct reassemblies *reassemblies, struct node *node,
                                          const struct packet *packet, const struct ip_view *view,
                                          bool is_carried, instant_ns now);

#endif
