/* SPDX-License-Identifier: MIT */
/* `DNS =`: name servers and, as in wg-quick, search domains; and what a name inside a carrier
 * needs. Private to this room. */
#ifndef CONFIG_NAME_SERVERS_H
#define CONFIG_NAME_SERVERS_H

#include "config/source.h"

/* Adds the items of one `DNS =` line. An item that is no address is a search domain. Of a single
 * plain file's, as of [Network]'s, a server may be on the host or a link of it: it is the system's,
 * and no tunnel's. */
void name_servers_network(struct loader *loader, const struct config_place *place, char *rest);
void name_servers_tunnel(struct loader *loader, const struct config_place *place, char *rest,
                         enum source_role role, struct draft *draft);

/* Servers that their tunnel does not reach, search domains without a server, and names that no
 * server can be asked for (RULES G1, G3). */
void name_servers_check(struct loader *loader);

#endif
