/* SPDX-License-Identifier: MIT */
/* The tunnel tree (a forest): who carries whom, how each peer's datagrams leave, what fits where.
 * Built once from a description; endpoints and MTUs change while it lives. */
#ifndef ENGINE_TREE_H
#define ENGINE_TREE_H

#include "engine/node.h"

/* False: refused, `why` says what; nothing is left to wipe. */
bool tree_init(struct tree *tree, const struct memory *memory, const struct random_source *random,
               const struct network_description *network, uint32_t packet_most_bytes, char *why,
               size_t why_bytes);
void tree_wipe(struct tree *tree);

/* RULES F1: loopback and its like, and the interface's own: no tunnel leads there, nor comes from there,
 * whatever routes say. */
bool tree_is_of_this_host(const struct tree *tree, const struct address *address);
/* Such packets neither enter nor leave the node: of this host, which the node's own addresses are, too;
 * and (RULES F6) multicast, broadcast or link-local, and the node has no route for it but a default
 * one, or NAT. */
bool tree_is_out_of_scope(const struct tree *tree, const struct node *node,
                          const struct address *address);

/* The peer's endpoint moved: finds its way out again. Children's MTU may change with it. */
void tree_set_endpoint(struct tree *tree, struct peer *peer, const struct endpoint *endpoint);
/* A root's MTU; those that it carries follow. 0: unknown. */
void tree_set_root_mtu(struct tree *tree, struct node *root, uint32_t mtu_bytes);

/* The node whose plaintext the peer's datagrams to this address are, NULL for the root's socket.
 * *fellow: who carries them, where that is the peer's own node; NULL there: itself (RULES A8). */
struct node *tree_carrier_for(const struct peer *peer, const struct address *address,
                              struct peer **fellow);
/* A peer of the node is there, inside a fellow: nothing goes there from the node's own socket. */
bool tree_hides(const struct node *node, const struct address *address);
/* What a carried peer's datagrams find on their way (path_mtu.h); 0: nothing narrower than the carrier's. */
void tree_set_path_mtu(struct tree *tree, struct peer *peer, uint32_t mtu_bytes);

#endif
