/* SPDX-License-Identifier: MIT */
#include "daemon/lan.h"

#include "host/link.h"

#define OWN_ADDRESSES_MOST 64 /* of a link; what only later ones lie in does not pass */
/* No LAN is wider: the private block of IPv4, and what a site gets of IPv6 (RFC 6177 2). */
#define LAN_LEAST_BITS_IPV4 8
#define LAN_LEAST_BITS_IPV6 48

bool lan_is_one(const struct prefix *prefix, const struct address *own, size_t own_count)
{
    bool is_ipv4 = prefix->address.family == FAMILY_IPV4;
    if (prefix->len_bits < (is_ipv4 ? LAN_LEAST_BITS_IPV4 : LAN_LEAST_BITS_IPV6))
        return false;
    for (size_t i = 0; i < own_count; i++)
        if (prefix_contains(prefix, &own[i]))
            return true;
    return false;
}

void lan_walk_link(struct netlink *netlink, int index, const struct kernel_route *routes,
                   size_t count, void (*tell)(void *context, const struct prefix *prefix),
                   void *context)
{
    struct address own[OWN_ADDRESSES_MOST];
    size_t own_count = 0;
    if (link_list_addresses(netlink, index, own, OWN_ADDRESSES_MOST, &own_count, TEXT_UNHEARD) < 0)
        return;
    if (own_count > OWN_ADDRESSES_MOST)
        own_count = OWN_ADDRESSES_MOST;
    for (size_t i = 0; i < count; i++)
        if (routes[i].type == KERNEL_ROUTE_UNICAST && !routes[i].has_gateway &&
            routes[i].interface_index == index && lan_is_one(&routes[i].prefix, own, own_count))
            tell(context, &routes[i].prefix);
}
