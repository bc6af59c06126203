/* SPDX-License-Identifier: MIT */
/* Plain wg-quick files as parts of a network: `Config = office.conf`. Private to this room. */
#ifndef CONFIG_INCLUDE_H
#define CONFIG_INCLUDE_H

#include "config/source.h"

/* Reads the draft's `Config` file and takes from it what the draft does not give itself (I1): key
 * by key, and for peers of the same public key likewise; other peers are added. */
void include_read(struct loader *loader, struct draft *draft);

#endif
