/* SPDX-License-Identifier: MIT */
/* One configuration file: its sections make drafts of tunnels. Private to this room. */
#ifndef CONFIG_DIALECT_H
#define CONFIG_DIALECT_H

#include "config/settings.h"

/* A new draft of that name, linked at the end when `is_linked`; NULL: no memory. The name must have
 * been checked. */
struct draft *dialect_draft(struct loader *loader, const struct config_place *place,
                            const char *name, bool is_linked);
/* Reads the file at `path`, named at `place` (NULL: on the command line). ROLE_UNKNOWN becomes
 * ROLE_NETWORK or ROLE_SINGLE by the first section. A plain file's keys go into `draft`; for
 * ROLE_UNKNOWN it is made when it is needed, called `name`. */
void dialect_read(struct loader *loader, const char *path, const struct config_place *place,
                  enum source_role role, const char *name, struct draft *draft);

#endif
