/* SPDX-License-Identifier: MIT */
/* New routes come in the order throw, unreachable, tunnel; old ones go in the order tunnel, then
 * the rest: at no time is a tunnel's prefix without a route of ours. A throw stands in both tables:
 * out of the first it must not end in the second's default route. */
#include "host/route_set.h"

#include <errno.h>
#include <stdlib.h>

int route_set_init(struct route_set *set, size_t entries, struct text *why)
{
    *set = (struct route_set){.routes = calloc(2 * entries + 1, sizeof(*set->routes))};
    if (set->routes)
        return 0;
    text_append(why, "no memory for %zu routes", entries);
    return -ENOMEM;
}

/* In IPv4 the kernel asks the rules on which link a new route's gateway is ("default via
 * 192.0.2.1", without the link), for routes that are on a link. Under a kill switch our /0 is asked
 * before main: it must not be one, or main's own way, which the tunnels' datagrams take, would lead
 * into them. */
static void want(struct route_set *set, const struct routing *routing,
                 const struct routing_entry *entry, uint32_t table, enum kernel_route_type type)
{
    bool is_tunnel = type == KERNEL_ROUTE_UNICAST;
    uint32_t tunnel_metric = entry->prefix.address.family == FAMILY_IPV6 ? 1024 : 0;
    set->routes[set->count++] = (struct kernel_route){
        .prefix = entry->prefix,
        .type = type,
        .table = table,
        .interface_index = is_tunnel ? routing->interface_index : 0,
        .metric = is_tunnel ? tunnel_metric : routing->twin_metric,
        .mtu_bytes = is_tunnel ? entry->mtu_bytes : 0,
        .source = is_tunnel ? entry->source : (struct address){0},
        .protocol = KERNEL_ROUTE_PROTOCOL,
        .is_far = routing->mode == ROUTING_AUTO && table == routing->tables[1],
    };
}

void route_set_want(struct route_set *set, const struct routing *routing, unsigned halves,
                    const struct routing_entry *entry)
{
    bool is_ipv6 = entry->prefix.address.family == FAMILY_IPV6;
    bool is_auto = routing->mode == ROUTING_AUTO;
    bool is_default = routing_entries_is_default(&entry->prefix, halves);
    uint32_t table = routing->tables[is_auto && is_default ? 1 : 0];
    if (is_ipv6 && routing->ipv6 == SYSCTL_IPV6_ABSENT)
        return;
    if (entry->kind == ROUTING_THROW || entry->kind == ROUTING_LAN) {
        want(set, routing, entry, routing->tables[0], KERNEL_ROUTE_THROW);
        /* A link's own main takes before the second table, but under a kill switch. */
        if (is_auto && (entry->kind == ROUTING_THROW || routing->has_kill_switch))
            want(set, routing, entry, routing->tables[1], KERNEL_ROUTE_THROW);
        return;
    }
    want(set, routing, entry, table, KERNEL_ROUTE_UNREACHABLE);
    if (entry->kind == ROUTING_TUNNEL && !(is_ipv6 && routing->ipv6 == SYSCTL_IPV6_DISABLED))
        want(set, routing, entry, table, KERNEL_ROUTE_UNICAST);
}

struct kernel_route *route_set_find(const struct route_set *sorted,
                                    const struct kernel_route *route)
{
    return bsearch(route, sorted->routes, sorted->count, sizeof(*route), kernel_route_compare);
}

static bool is_same(const struct kernel_route *a, const struct kernel_route *b)
{
    return a->type == b->type && a->interface_index == b->interface_index &&
           a->mtu_bytes == b->mtu_bytes && address_is_equal(&a->source, &b->source);
}

/* Changes the routes of one type in `from` that `other` lacks, or has otherwise: what is only
 * otherwise is not deleted. */
static int change_missing(struct netlink *netlink, enum kernel_route_change change,
                          enum kernel_route_type type, const struct route_set *from,
                          const struct route_set *other, struct text *why)
{
    struct kernel_route *picked = calloc(from->count + 1, sizeof(*picked));
    size_t count = 0;
    if (!picked) {
        text_append(why, "no memory for %zu routes", from->count);
        return -ENOMEM;
    }
    for (size_t i = 0; i < from->count; i++) {
        if (from->routes[i].type != type)
            continue;
        const struct kernel_route *twin = route_set_find(other, &from->routes[i]);
        if (!twin || (change != KERNEL_ROUTE_DELETE && !is_same(twin, &from->routes[i])))
            picked[count++] = from->routes[i];
    }
    int result = kernel_route_change(netlink, change, picked, count, why);
    free(picked);
    return result;
}

int route_set_change(struct netlink *netlink, struct route_set *standing, struct route_set *wanted,
                     struct text *why)
{
    static const enum kernel_route_type first_to_last[] = {
        KERNEL_ROUTE_THROW, KERNEL_ROUTE_UNREACHABLE, KERNEL_ROUTE_UNICAST};
    int result = 0;
    qsort(standing->routes, standing->count, sizeof(*standing->routes), kernel_route_compare);
    qsort(wanted->routes, wanted->count, sizeof(*wanted->routes), kernel_route_compare);
    for (unsigned i = 0; i < 3 && result == 0; i++)
        result =
            change_missing(netlink, KERNEL_ROUTE_REPLACE, first_to_last[i], wanted, standing, why);
    for (unsigned i = 3; i-- > 0 && result == 0;)
        result =
            change_missing(netlink, KERNEL_ROUTE_DELETE, first_to_last[i], standing, wanted, why);
    return result;
}
