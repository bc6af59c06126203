/* SPDX-License-Identifier: MIT */
/* One peer in several sections. Private to this room. */
#ifndef CONFIG_PEERS_H
#define CONFIG_PEERS_H

#include "config/source.h"

/* Joins a draft's sections of one PublicKey as `wg setconf` does, each with a warning: a key of the
 * later section counts, its AllowedIPs take the place of the earlier ones, and of two peers with one
 * prefix the peer of the later section has it. */
void peers_join(struct loader *loader, struct draft *draft);
/* Takes a prefix out of what the section allows. */
void peers_withdraw(struct peer_description *peer, struct config_peer *notes,
                    const struct prefix *prefix);

#endif
