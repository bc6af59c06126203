/* SPDX-License-Identifier: MIT */
/* The name servers for queries outside the tunnels (RULES G1): systemd-resolved's where resolv.conf
 * names its stub, else resolv.conf's as others wrote it; never what it was told for the tunnels. */
#ifndef HOST_UPLINK_DNS_H
#define HOST_UPLINK_DNS_H

#include "base/address.h"
#include "base/text.h"

#define UPLINK_DNS_RESOLV_CONF "/etc/resolv.conf"
#define UPLINK_DNS_MOST 8

struct uplink_dns_files {
    const char *resolv_conf;         /* NULL: UPLINK_DNS_RESOLV_CONF, as others last wrote it */
    const char *systemd_resolv_conf; /* NULL: /run/systemd/resolve/resolv.conf */
};

struct uplink_dns {
    size_t count;
    struct address addresses[UPLINK_DNS_MOST];
};

/* At least one; or -errno and a sentence: -EPERM: there is only one on this host, -EDESTADDRREQ:
 * none. */
int uplink_dns_find(const struct uplink_dns_files *files, struct uplink_dns *dns, struct text *why);

#endif
