/* SPDX-License-Identifier: MIT */
/* A tree's routes, as route/ takes them: Routes, the AllowedIPs that stand for them, and a host
 * route for each name server (RULES A1, A2, G3). Which of them wins is route/routes.h's. Of the
 * tree as it is wanted, where a change is under way. */
#ifndef ENGINE_TREE_ROUTES_H
#define ENGINE_TREE_ROUTES_H

#include "engine/node.h"

/* Winners are the nodes' slots. False: `conflict` names the two that tie, or no memory (see
 * routes_init), and there is nothing to wipe. */
bool tree_routes_init(struct routes *routes, const struct tree *tree,
                      struct routes_conflict *conflict);
/* For a change of AllowedIPs at this prefix alone: what routes say there from then on. */
bool tree_routes_patch_init(struct routes_patch *patch, const struct tree *tree,
                            const struct prefix *region, struct routes_conflict *conflict);
/* What a tie is, told of one of the two. */
#define TREE_ROUTES_TIE \
    "it and \"%s\" both route %s, and neither carries the other; give one of them Routes without it"
/* Not where a name server lies in it: whether that is a route may change elsewhere, too. */
bool tree_routes_can_be_patched(const struct tree *tree, const struct prefix *region);
/* What each carrier loses to those it carries (RULES A3): see routes_walk_losses. */
bool tree_routes_walk_losses(const struct tree *tree,
                             void (*visit)(void *context, const struct routes_loss *loss),
                             void *context);

#endif
