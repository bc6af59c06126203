/* SPDX-License-Identifier: MIT */
/* A network interface and its addresses, through netlink. All: 0, or -errno and a sentence. */
#ifndef HOST_LINK_H
#define HOST_LINK_H

#include <net/if.h>

#include "host/netlink.h"

struct link {
    int index;
    char name[IF_NAMESIZE];
    uint32_t mtu_bytes;
    uint32_t group;
    bool is_up;
    bool is_loopback;
    bool has_packet_info; /* a TUN without IFF_NO_PI */
};

/* -ENODEV: there is none. */
int link_by_name(struct netlink *netlink, const char *name, struct link *found, struct text *why);
/* In a namespace that has this number for ours; -1: in ours. */
int link_by_name_in(struct netlink *netlink, int number, const char *name, struct link *found,
                    struct text *why);
int link_by_index(struct netlink *netlink, int index, struct link *found, struct text *why);

int link_set_up(struct netlink *netlink, int index, bool is_up, struct text *why);
int link_set_mtu(struct netlink *netlink, int index, uint32_t mtu_bytes, struct text *why);
/* No multicast and no address that the kernel makes up (RULES F6). Before it is set up. Without
 * IPv6 in the kernel only the first. */
int link_make_quiet(struct netlink *netlink, int index, struct text *why);
/* What nftables calls iifgroup and oifgroup. */
int link_set_group(struct netlink *netlink, int index, uint32_t group, struct text *why);

/* As /32 or /128, IPv6 usable at once (no duplicate detection) and without a route of its own.
 * One that stands already is fine. */
int link_add_address(struct netlink *netlink, int index, const struct address *address,
                     struct text *why);
/* One that is not there is fine. */
int link_remove_address(struct netlink *netlink, int index, const struct address *address,
                        struct text *why);
/* The interface's addresses; at most `capacity`, *count may be larger. */
int link_list_addresses(struct netlink *netlink, int index, struct address *addresses,
                        size_t capacity, size_t *count, struct text *why);

#endif
