/* SPDX-License-Identifier: MIT */
/* One prefix of a list in the dialect. Private to this room. */
#ifndef CONFIG_PREFIX_VALUE_H
#define CONFIG_PREFIX_VALUE_H

#include "config/source.h"

/* Masked where it has host bits, with a warning; false: it was told. */
bool prefix_value_read(struct loader *loader, const struct config_place *place, const char *text,
                       struct prefix *prefix);
/* Lengthens two arrays in the arena that stand beside each other; false: no memory. */
bool prefix_value_append(struct loader *loader, const struct prefix *prefix, unsigned line,
                         struct prefix **prefixes, unsigned **lines, size_t *count);

#endif
