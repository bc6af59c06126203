/* SPDX-License-Identifier: MIT */
/* What each key of the dialect does to the data. Private to this room. */
#ifndef CONFIG_SETTINGS_H
#define CONFIG_SETTINGS_H

#include "config/source.h"

/* Each takes one KEY = VALUE; faults are told at `place`. The value is in the arena and is cut in
 * place. */
void settings_network(struct loader *loader, const struct config_place *place, enum keyword keyword,
                      char *value);
void settings_tunnel(struct loader *loader, const struct config_place *place, enum keyword keyword,
                     char *value, enum source_role role, struct draft *draft);
/* MTU or Table of a wg-quick file: as if it had not been given. */
void settings_forget(struct loader *loader, enum keyword keyword, struct draft *draft);
/* To the draft's last peer. In settings_peer.c. */
void settings_peer(struct loader *loader, const struct config_place *place, enum keyword keyword,
                   char *value, struct draft *draft);
/* AllowLAN: off, or a list of prefixes and on. In settings_lan.c. */
void settings_lan(struct loader *loader, const struct config_place *place, char *rest);

/* For these files: the key itself, or the one in the file that a …File names. */
void settings_read_key(struct loader *loader, const struct config_place *place,
                       enum keyword keyword, char *value, uint8_t key[32]);

#endif
