/* SPDX-License-Identifier: MIT */
/* The system's name servers while a network is up (RULES G3): set for the interface by
 * systemd-resolved (resolvectl) where it runs, else by resolvconf, else by writing /etc/resolv.conf
 * in place where that file is a mount of its own, as in containers. A file beside the state file,
 * written first, says what to undo, also after a crash. */
#ifndef HOST_DNS_H
#define HOST_DNS_H

#include "base/address.h"
#include "base/text.h"

struct dns_wish {
    const char *network;
    const char *interface;
    const struct address *servers;
    size_t server_count;
    char *const *domains; /* search domains */
    size_t domain_count;
};

/* 0, or -errno and a sentence, and the system as before: -EOPNOTSUPP: there is no way to set them. What
 * an earlier run of the network left behind by a crash is taken over. */
int dns_set(const struct dns_wish *wish, struct text *why);
/* As before the first dns_set, unless somebody else has written since. None was set: 0. */
int dns_undo(const char *network, struct text *why);
/* "/run/hopwire/NAME.dns": its first line is ours, the rest is /etc/resolv.conf as it was, or, since
 * systemd-resolved forgets by itself, what it was told. */
int dns_path(const char *network, char *path, struct text *why);
/* True: what stands in `resolv_conf` comes from dns_set, and `path` has what stood there before. */
bool dns_is_ours(const char *resolv_conf, const char *path);
/* True: `path` has the servers that systemd-resolved was told for the network. */
bool dns_lists_told(const char *path);

#endif
