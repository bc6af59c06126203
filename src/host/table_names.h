/* SPDX-License-Identifier: MIT */
/* The names of routing tables, as iproute2 reads them: /etc/iproute2/rt_tables, or where there is
 * none /usr/share/iproute2/rt_tables (/usr/lib/iproute2/rt_tables), and the *.conf of the folders
 * rt_tables.d beside them; one in /etc hides those of its name elsewhere. */
#ifndef HOST_TABLE_NAMES_H
#define HOST_TABLE_NAMES_H

#include <stdbool.h>
#include <stdint.h>

/* The number of the table; false: no file has the name. `root`: the folder before all of these, ""
 * for the host's own. */
bool table_names_find(const char *root, const char *name, uint32_t *table);

#define TABLE_NAMES_TEXT_BYTES 12
/* The kernel's own three by name, any other by number. Returns `text`. */
const char *table_names_show(uint32_t table, char text[TABLE_NAMES_TEXT_BYTES]);

#endif
