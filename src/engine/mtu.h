/* SPDX-License-Identifier: MIT */
/* What fits where (RULES E1, E4): from a root's MTU down to every peer's, less the headers of each hop,
 * and less what a way that was learnt leaves (path_mtu.h). For tree.c. */
#ifndef ENGINE_MTU_H
#define ENGINE_MTU_H

#include "engine/node.h"

/* Computes the node's, and those of all that it carries. */
void mtu_update(struct tree *tree, struct node *node);
/* What the hop's is by its endpoint and carrier; `hop` NULL: of a node without peers. */
uint32_t mtu_of_hop(const struct tree *tree, const struct node *node, const struct hop *hop);
/* Its MTU was computed: into how many packets one may grow on the way to the root, and where it is cut. */
void mtu_update_cut(struct hop *hop);

#endif
