/* SPDX-License-Identifier: MIT */
/* The name servers for queries outside the tunnels (RULES G1): systemd-resolved's where resolv.conf
 * names its stub, else resolv.conf's as others wrote it; never what it was told for the tunnels. */
#ifndef HOST_UPLINK_DNS_H
#define HOST_UPLINK_DNS_H

#include "host/resolve.h"

#define UPLINK_DNS_RESOLV_CONF "/etc/resolv.conf"
#define UPLINK_DNS_MOST 8

struct uplink_dns {
    size_t count;
    struct address addresses[UPLINK_DNS_MOST];
};

/* Of the options the three files. 0, or -errno and a sentence: see resolve_start. */
int uplink_dns_find(const struct resolve_options *options, struct uplink_dns *dns,
                    struct text *why);

#endif
