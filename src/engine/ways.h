/* SPDX-License-Identifier: MIT */
/* How each peer's datagrams leave: found when its endpoint, its tunnel's carrier or AllowedIPs on
 * the way change, never per packet. */
#ifndef ENGINE_WAYS_H
#define ENGINE_WAYS_H

#include "engine/node.h"

/* All but the last find ways, not MTUs: those follow in mtu.h. Where a way stays the same, what was
 * learnt of it stays, too. */

/* The peer's, by its endpoint. True: it is another than before. */
bool ways_find(struct tree *tree, struct peer *peer);
/* The peer has no way any more, and is in none of the tree's lists of ways. */
void ways_forget(struct tree *tree, struct peer *peer);
/* Once more for those that ride others of the node's, which may lead out now, or no more (RULES
 * A8). True: some have another. */
bool ways_find_riders(struct node *node);
/* The peer's endpoint is another: finds its way, of which nothing is known. True: that of others,
 * too. */
bool ways_move(struct tree *tree, struct peer *peer, const struct endpoint *endpoint);
/* The same, and what fits on the way: of the peer, and of all who ride it. */
void ways_set_endpoint(struct tree *tree, struct peer *peer, const struct endpoint *endpoint);

/* The node whose plaintext the peer's datagrams to this address are, NULL for the root's socket.
 * *fellow: who carries them, where that is the peer's own node; NULL there: itself (RULES A8). */
struct node *ways_carrier_for(const struct peer *peer, const struct address *address,
                              struct peer **fellow);
/* The hops that a path may have within the tunnel, 1 or more (RULES A8): what the literal endpoints
 * need, and one for each name, whose address is not known yet. A peer beyond them is unroutable.
 * Never more than description_levels_of says. `is_flat`: no literal needs one. */
uint32_t ways_levels(const struct node *node, bool *is_flat);
/* The same of a node that is flat, with so many names. */
uint32_t ways_levels_of_names(const struct node *node, uint32_t names);
/* A peer of the node is there, inside a fellow: nothing goes there from the node's own socket. */
bool ways_hide(const struct node *node, const struct address *address);

#endif
