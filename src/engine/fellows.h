/* SPDX-License-Identifier: MIT */
/* One interface, several hops (RULES A8): where a peer's endpoint lies in AllowedIPs of another
 * peer of the same tunnel by a prefix longer than /0, that other one, its fellow, carries its
 * datagrams, as the routes that wg-quick makes would let it. Never are they sent straight to the
 * endpoint. */
#ifndef ENGINE_FELLOWS_H
#define ENGINE_FELLOWS_H

#include "engine/node.h"

/* The peer's datagrams to this address are plaintext of the node, its own tunnel. *fellow: who
 * carries them; NULL: itself, which leads nowhere. */
bool fellows_find(const struct node *node, const struct peer *peer, const struct address *address,
                  struct peer **fellow);
/* The peer's fellow and its fellows lead out of the tunnel: in no circle, in at most `levels`
 * hops. */
bool fellows_lead_out(const struct peer *peer, uint32_t levels);

#endif
