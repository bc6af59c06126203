/* SPDX-License-Identifier: MIT */
/* Words of other programs' dialects, named as what they are. Private to this room. */
#ifndef CONFIG_FOREIGN_H
#define CONFIG_FOREIGN_H

#include "config/source.h"

/* True: it is another program's key, and was told: what changes nothing as a notice, what plain
 * WireGuard cannot do as an error. */
bool foreign_key(struct loader *loader, struct config_place *place, const char *key,
                 const char *value);
/* True: it is another program's section, and was told. */
bool foreign_section(struct loader *loader, const struct config_place *place, const char *name);
/* True: the line is no configuration of this kind at all (JSON), and was told. */
bool foreign_line(struct loader *loader, const struct config_place *place, const char *line);

#endif
