/* SPDX-License-Identifier: MIT */
/* Which of the configuration's name servers the system gets (RULES G3). */
#ifndef DAEMON_SYSTEM_DNS_H
#define DAEMON_SYSTEM_DNS_H

#include "config/config.h"

/* The index of the deepest tunnel with name servers and a default route, the first of them in the
 * file; the number of tunnels: none. */
size_t system_dns_choose(const struct network_description *network);

/* [Network]'s, else those of the deepest tunnel with a default route, the first of them in the file;
 * `log` is told whose are passed over. 0, also when there are none, or -errno and a sentence. *is_set:
 * dns_undo undoes it. */
int system_dns_start(const struct config *config, const char *interface,
                     void (*log)(void *context, const char *line), void *context, bool *is_set,
                     struct text *why);

#endif
