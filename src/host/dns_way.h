/* SPDX-License-Identifier: MIT */
/* Whom to tell the name servers: whoever keeps what /etc/resolv.conf leads to (RULES G3). What else
 * is installed does not count. */
#ifndef HOST_DNS_WAY_H
#define HOST_DNS_WAY_H

#include <stdbool.h>

struct dns_way {
    bool is_resolved;   /* systemd-resolved keeps it */
    bool is_resolvconf; /* resolvconf or openresolv does */
    bool is_unsure;     /* or would, if it is told: to be seen by whether the file changes */
    bool is_file;       /* nobody does: it is to be written */
    bool tells_resolved; /* programs may ask systemd-resolved past the file */
};

struct dns_way dns_way_find(void);

#endif
