/* SPDX-License-Identifier: MIT */
/* Names out of files' names: a network's is what `up`, `down`, state files and tables are called
 * by, and an interface's has at most 15 bytes. */
#ifndef CONFIG_NAMING_H
#define CONFIG_NAMING_H

#include "config/value.h"
#include "engine/description.h"

/* Of a file's path: what stands between the last slash and ".conf". Where that cannot be a
 * network's name (blanks, '#', more than 63 bytes), one that is like it and always the same, with a
 * few digits that tell it from its neighbours', and true. */
bool naming_network(const char *path, char name[TUNNEL_NAME_BYTES]);
/* A name like the network's that an interface can have. For each `attempt` another one. */
void naming_interface(const char *network, unsigned attempt, char name[INTERFACE_NAME_BYTES]);
/* What the network's tunnels are called in `wg`, which cuts names at 15 bytes (RULES I4): the first
 * root as the interface, the others INTERFACE.TUNNEL or, where that is too long or another's, a
 * name like it. `names` has a place for each tunnel. */
void naming_wg(const char *interface_name, const struct network_description *network,
               char (*names)[INTERFACE_NAME_BYTES]);

#endif
