/* SPDX-License-Identifier: MIT */
/* What is configured of a running tree, as the data that it could be made from. */
#ifndef ENGINE_TREE_DESCRIPTION_H
#define ENGINE_TREE_DESCRIPTION_H

#include "engine/node.h"

/* Tunnels and peers in their order, AllowedIPs of a peer as they came. Everything is a piece of the
 * given memory by itself. False: no memory, and nothing to give back. */
bool tree_description_make(const struct tree *tree, const struct memory *memory,
                   struct network_description *description);
/* Gives back what tree_description_make took; the keys are wiped. */
void tree_description_forget(const struct memory *memory, struct network_description *description);

#endif
