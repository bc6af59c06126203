/* SPDX-License-Identifier: MIT */
/* What each key of the dialect does to the data. Private to this room. */
#ifndef CONFIG_SETTINGS_H
#define CONFIG_SETTINGS_H

#include "config/source.h"

enum source_role {
    ROLE_UNKNOWN, /* the only file of the command line, before its first section */
    ROLE_NETWORK, /* [Network], [Tunnel NAME] */
    ROLE_SINGLE,  /* one plain wg-quick file: all of it counts */
    ROLE_PART,    /* included or chained (I1): some keys are passed over */
};

/* Each takes one KEY = VALUE; faults are told at `place`. The value is in the arena and is cut in
 * place. */
void settings_network(struct loader *loader, const struct config_place *place, enum keyword keyword,
                      char *value);
void settings_tunnel(struct loader *loader, const struct config_place *place, enum keyword keyword,
                     char *value, enum source_role role, struct draft *draft);
/* To the draft's last peer. */
void settings_peer(struct loader *loader, const struct config_place *place, enum keyword keyword,
                   char *value, struct draft *draft);

#endif
