/* SPDX-License-Identifier: MIT */
/* Which DHCP server gave a link its IPv4 address, from the files of systemd-networkd and dhclient:
 * its renewals must reach it (RULES F1). */
#ifndef HOST_DHCP_H
#define HOST_DHCP_H

#include "base/address.h"

/* False: none is known. */
bool dhcp_server(int link_index, const char *link_name, struct address *server);

/* The parts, on text. networkd's lease: "SERVER_ADDRESS=192.0.2.1". */
bool dhcp_server_in_networkd(char *text, struct address *server);
/* dhclient's leases, the last of that link counts: `interface "eth0"; … dhcp-server-identifier
 * A;`. */
bool dhcp_server_in_dhclient(char *text, const char *link_name, struct address *server);

#endif
