/* SPDX-License-Identifier: MIT */
/* What a network must fulfil as a whole. Private to this room. */
#ifndef CONFIG_VALIDATE_H
#define CONFIG_VALIDATE_H

#include "config/source.h"

/* Finds each tunnel's carrier by the name in `Via`; refuses loops, missing carriers and more than
 * NETWORK_DEPTH_MOST hops. False: the tree cannot be walked. */
bool validate_tree(struct loader *loader);
/* What concerns one tunnel at a time or its siblings: keys, ports (C1), marks, names (I4), MTUs
 * (E1, E4). The tree can be walked. */
void validate_tunnels(struct loader *loader);

#endif
