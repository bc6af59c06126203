/* SPDX-License-Identifier: MIT */
/* What fits where (RULES E1, E4): from a root's MTU down to every peer's, less the headers of each
 * hop, and less what a way that was learnt leaves (path_mtu.h). Nobody else knows what a hop costs,
 * nor what IPv6 needs at least. */
#ifndef ENGINE_MTU_H
#define ENGINE_MTU_H

#include "base/verdict.h"
#include "crypto/aead.h"
#include "packet/ip.h"
#include "wireguard/message.h"

/* RFC 8200 5: a path under it carries no IPv6 (RULES E4). */
#define IPV6_LEAST_MTU_BYTES 1280

struct hop;
struct node;
struct peer;
struct tree;

/* What a hop takes of a datagram's path: the outer IP and UDP header, and the header and tag of a
 * data message. 60 over IPv4, 80 over IPv6. */
static inline uint32_t mtu_cost_bytes(enum family family)
{
    return (uint32_t)ip_outer_bytes(family) + MESSAGE_DATA_HEADER_BYTES + AEAD_TAG_BYTES;
}

/* OK: the way to the peer takes packets of the family; else why it does not. */
enum verdict mtu_judge(const struct peer *peer, enum family family);
/* Computes the node's, and those of all that it carries. */
void mtu_update(struct tree *tree, struct node *node);
/* The same where only this peer's way is another: all others are looked at only if they could
 * tell. */
void mtu_update_peer(struct tree *tree, struct peer *peer);

/* ---- for live changes ---- */

/* Computes the peer's, who rides no fellow, or as before. True: others follow from it, with
 * mtu_update. */
bool mtu_update_hop(struct tree *tree, struct peer *peer);
/* The same of one that is new, whom nobody rides yet. */
bool mtu_add_peer(struct tree *tree, struct peer *peer);
/* Some were taken out of the node, none that is left rides them. */
void mtu_remove_peers(struct tree *tree, struct node *node);

#endif
