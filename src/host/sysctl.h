/* SPDX-License-Identifier: MIT */
/* The few /proc/sys/net switches that matter for an interface of ours. */
#ifndef HOST_SYSCTL_H
#define HOST_SYSCTL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

enum sysctl_ipv6 {
    SYSCTL_IPV6_USABLE,
    SYSCTL_IPV6_DISABLED, /* the kernel has it, disable_ipv6 is set: no address, no TUN route */
    SYSCTL_IPV6_ABSENT,   /* the kernel has none: nothing to route, nothing to leak */
};

/* `interface_name` NULL: what a new interface would get. */
enum sysctl_ipv6 sysctl_ipv6(const char *interface_name);
/* The sentence for the user; NULL when IPv6 is usable. Borrowed for ever. */
const char *sysctl_ipv6_notice(enum sysctl_ipv6 ipv6);
/* rp_filter = 2 on our interface: the engine checks sources itself (RULES F5). False: a warning
 * in `why` (containers have a read-only /proc/sys); IPv4 replies may be dropped by the kernel. */
bool sysctl_loosen_rp_filter(const char *interface_name, struct text *why);
/* A link here filters strictly (its rp_filter, or new links', is 1), and would not look at the mark
 * that the firewall gives back to answers, since net.ipv4.conf.all.src_valid_mark is 0. */
bool sysctl_lacks_src_valid_mark(void);
bool sysctl_has_src_valid_mark(void);
/* False: a warning in `why`. */
bool sysctl_set_src_valid_mark(bool is_on, struct text *why);
/* The MTU that IPv6 uses on the interface, which a router may have lowered; 0: unknown. */
uint32_t sysctl_ipv6_mtu_bytes(const char *interface_name);

#endif
