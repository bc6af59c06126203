/* SPDX-License-Identifier: MIT */
/* Cuts what a carried tunnel's way does not take whole into IPv6 fragments (RULES C6); outbound
 * says which, by their `cut_bytes`. */
#ifndef ENGINE_CUTTING_H
#define ENGINE_CUTTING_H

#include "engine/outbound_entry.h"

/* Each in its place, so that a flow keeps its order. `entries` has room for OUTBOUND_MOST; returns
 * how many there are now. Without a buffer all of a packet is dropped, and counted. */
size_t cutting_cut_all(struct core *core, struct outbound_entry *entries, size_t count);

#endif
