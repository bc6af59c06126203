/* SPDX-License-Identifier: MIT */
/* What makes one configuration of a network into another while it runs (RULES I2): the text of the
 * old one against that of the new one and nothing else, so that what a peer learnt, or somebody
 * set, stays where its text does. A tunnel is the same if its name is, a peer if its public key
 * is. A peer that `wg` removed comes back whole where its text changes. */
#ifndef CONFIG_DIFFERENCE_H
#define CONFIG_DIFFERENCE_H

#include "config/difference_data.h"

/* All of it is in the arena or points into the configurations. `running`: the tunnels in the order
 * that the engine has them in, with their peers. `file`: as whoever reads the messages would name
 * it to `up --replace`. False: the change cannot be made while it runs, or there is no memory;
 * told. */
bool difference_find(struct difference *difference, struct arena *arena,
                     const struct config *before, const struct config *after,
                     const struct network_description *running, const char *file,
                     struct config_messages *messages);

#endif
