/* SPDX-License-Identifier: MIT */
/* A network's configuration: from the wg-quick dialect to plain data. No system call is made here;
 * files come through the caller's reader. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/text.h"
#include "config/config_data.h"

/* Reads a network: one file (a network's, or a plain wg-quick file: a network of one tunnel), or
 * several plain files chained, the first outermost. Every fault found is told; true when there is
 * no CONFIG_ERROR among the messages (`*config` is set only then). Nothing taken stays behind on
 * false but the messages. */
bool config_load(struct config **config, const struct memory *memory,
                 const struct config_reader *reader, const char *const *paths, size_t path_count,
                 struct config_messages *messages);
/* Wipes the keys; NULL does nothing. */
void config_free(struct config *config);

/* Writes the tree for people, a line a tunnel, each below its carrier. */
void config_outline(const struct config *config, struct text *text);

#endif
