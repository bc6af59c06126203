/* SPDX-License-Identifier: MIT */
/* What a configuration asks this host: the calls of a struct config_reader. */
#ifndef CLI_LOOKUPS_H
#define CLI_LOOKUPS_H

#include <stdbool.h>
#include <stdint.h>

bool lookups_find_port(void *context, const char *name, uint16_t *port);
bool lookups_find_table(void *context, const char *name, uint32_t *table);
uint32_t lookups_find_interface(void *context, const char *name);
bool lookups_is_taken(void *context, const char *interface_name, const char *network);

#endif
