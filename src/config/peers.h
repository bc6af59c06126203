/* SPDX-License-Identifier: MIT */
/* A tunnel's sections of peers. Private to this room. */
#ifndef CONFIG_PEERS_H
#define CONFIG_PEERS_H

#include "config/source.h"

/* Makes of a draft's sections what `wg setconf` makes of them, with a warning for each that is not
 * the only one of its peer. One with the public key of `private_key`, the tunnel's own, is left
 * out. Those of one PublicKey are joined: a key of the later section counts, its AllowedIPs take
 * the place of the earlier ones, and of two peers with one prefix the peer of the later section has
 * it. */
void peers_join(struct loader *loader, struct draft *draft, const uint8_t private_key[32]);
/* Takes a prefix out of what the section allows. */
void peers_withdraw(struct peer_description *peer, struct config_peer *notes,
                    const struct prefix *prefix);

#endif
