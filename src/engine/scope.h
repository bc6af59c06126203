/* SPDX-License-Identifier: MIT */
/* What never goes through a tunnel, whatever routes say (VERDICT_SCOPE). */
#ifndef ENGINE_SCOPE_H
#define ENGINE_SCOPE_H

#include "engine/node.h"

/* What else is of this host: its other interfaces' addresses, say. The prefixes are copied. False:
 * no memory, and what was said before holds. */
bool scope_set_host(struct tree *tree, const struct prefix *prefixes, size_t count);
/* RULES F1: loopback and its like, the interface's own, and what scope_set_host was told: no tunnel
 * leads there, nor comes from there, whatever routes say. */
bool scope_is_of_this_host(const struct tree *tree, const struct address *address);
/* Such packets neither enter nor leave the node: of this host, which the node's own addresses are,
 * too; and (RULES F6) multicast, broadcast or link-local, and the node has no route for it but a
 * default one, or NAT. */
bool scope_is_out(const struct tree *tree, const struct node *node, const struct address *address);

#endif
