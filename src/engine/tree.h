/* SPDX-License-Identifier: MIT */
/* The tunnel tree (a forest): who carries whom, what fits where. Built from a description; live.h
 * changes it, ways.h finds how each peer's datagrams leave. */
#ifndef ENGINE_TREE_H
#define ENGINE_TREE_H

#include "base/text.h"
#include "engine/node.h"

/* False: refused, `why` says what; nothing is left to wipe. */
bool tree_init(struct tree *tree, const struct memory *memory, const struct random_source *random,
               const struct network_description *network, uint32_t packet_most_bytes,
               struct text *why);
void tree_wipe(struct tree *tree);

/* A root's MTU; those that it carries follow. 0: unknown. */
void tree_set_root_mtu(struct tree *tree, struct node *root, uint32_t mtu_bytes);

/* What a carried peer's datagrams find on their way (path_mtu.h); 0: nothing narrower than the
 * carrier's. */
void tree_set_path_mtu(struct tree *tree, struct peer *peer, uint32_t mtu_bytes);

/* ---- for live changes ---- */

/* False: no memory. */
bool tree_reserve_nodes(struct tree *tree, uint32_t more);
/* Gives the node a slot, for which there is room, and the last place in the order. */
void tree_add_node(struct tree *tree, struct node *node);
/* The opposite; the node is the caller's then. */
void tree_remove_node(struct tree *tree, struct node *node);
/* As description_first_root has it of a description, here of what is wanted; NULL: no tunnel. */
struct node *tree_first_root(const struct tree *tree);
/* Of all nodes as they are wanted. False: no memory, and nothing to wipe. */
bool tree_addresses_init(struct tree_addresses *addresses, const struct tree *tree,
                         const struct address *nat_ipv4, const struct address *nat_ipv6);
void tree_addresses_wipe(struct tree_addresses *addresses);
void tree_take_addresses(struct tree *tree, struct tree_addresses *addresses);
/* A port beyond the usual ephemeral range (32768 to 60999) for a virtual socket on the node's
 * addresses (RULES C1), that none there has. */
#define TREE_PORT_FIRST 61000
uint16_t tree_choose_port(const struct tree *tree, const struct node *carrier);
/* The node's levels are others now: it has a virtual socket on its own addresses, or none (RULES
 * A8). */
void tree_choose_inner_port(struct tree *tree, struct node *node);
/* Finds all anew that follows from what is configured, but the routes: carriers, ports, ways, MTUs.
 * Takes the addresses. What was learnt stays where it still holds. */
void tree_link(struct tree *tree, struct tree_addresses *addresses);

#endif
