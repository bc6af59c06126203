/* SPDX-License-Identifier: MIT */
#include "host/kernel_route.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "host/link.h"
#include "host/sysctl.h"
#include "host/table_names.h"

/* A route's request is about 100 bytes. */
#define ROUTE_REQUEST_BYTES 128
#define IPV6_METRIC_DEFAULT 1024

static const uint8_t types[] = {
    [KERNEL_ROUTE_UNICAST] = RTN_UNICAST,
    [KERNEL_ROUTE_UNREACHABLE] = RTN_UNREACHABLE,
    [KERNEL_ROUTE_THROW] = RTN_THROW,
    [KERNEL_ROUTE_LOCAL] = RTN_LOCAL,
    [KERNEL_ROUTE_OTHER] = RTN_UNSPEC,
};

static const char *const type_names[] = {"route", "unreachable route", "throw route", "route",
                                         "route"};

static uint32_t metric_of(const struct kernel_route *route)
{
    if (route->metric == 0 && route->prefix.address.family == FAMILY_IPV6)
        return IPV6_METRIC_DEFAULT;
    return route->metric;
}

/* Deleting names what tells a route from its neighbours and no more: IPv4 compares all it is
 * given. */
static size_t put_route(uint8_t *bytes, enum kernel_route_change change,
                        const struct kernel_route *route)
{
    bool is_delete = change == KERNEL_ROUTE_DELETE;
    uint16_t flags = is_delete ? 0 : NLM_F_CREATE;
    flags |= change == KERNEL_ROUTE_ADD       ? NLM_F_EXCL
             : change == KERNEL_ROUTE_REPLACE ? NLM_F_REPLACE
                                              : 0;
    struct nlmsghdr *request =
        netlink_request(bytes, is_delete ? RTM_DELROUTE : RTM_NEWROUTE, flags);
    struct rtmsg *body = mnl_nlmsg_put_extra_header(request, sizeof(*body));
    body->rtm_family = netlink_family(route->prefix.address.family);
    body->rtm_dst_len = route->prefix.len_bits;
    body->rtm_type = types[route->type];
    body->rtm_protocol = route->protocol;
    bool is_near = route->type == KERNEL_ROUTE_UNICAST && !route->is_far;
    body->rtm_scope = is_delete ? RT_SCOPE_NOWHERE : is_near ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    mnl_attr_put_u32(request, RTA_TABLE, route->table);
    netlink_put_address(request, RTA_DST, &route->prefix.address);
    if (metric_of(route))
        mnl_attr_put_u32(request, RTA_PRIORITY, metric_of(route));
    if (route->interface_index)
        mnl_attr_put_u32(request, RTA_OIF, (uint32_t)route->interface_index);
    if (!is_delete && route->source.family != FAMILY_NONE)
        netlink_put_address(request, RTA_PREFSRC, &route->source);
    if (!is_delete && route->mtu_bytes) {
        struct nlattr *metrics = mnl_attr_nest_start(request, RTA_METRICS);
        mnl_attr_put_u32(request, RTAX_MTU, route->mtu_bytes);
        /* Else Linux tells whom it forwards for of the link's MTU instead of the route's. In IPv6
         * that is all it does; in IPv4 our own senders would leave DF out. */
        if (route->prefix.address.family == FAMILY_IPV6)
            mnl_attr_put_u32(request, RTAX_LOCK, 1u << RTAX_MTU);
        mnl_attr_nest_end(request, metrics);
    }
    return MNL_ALIGN(request->nlmsg_len);
}

static void explain(struct netlink *netlink, enum kernel_route_change change,
                    const struct kernel_route *route, struct text *why)
{
    char prefix[PREFIX_TEXT_BYTES], table[TABLE_NAMES_TEXT_BYTES];
    text_append(why, "cannot %s the %s %s in table %s: %s",
                change == KERNEL_ROUTE_DELETE ? "remove" : "add", type_names[route->type],
                prefix_format(&route->prefix, prefix), table_names_show(route->table, table),
                netlink->reason);
}

int kernel_route_change(struct netlink *netlink, enum kernel_route_change change,
                        const struct kernel_route *routes, size_t count, struct text *why)
{
    uint8_t requests[NETLINK_BATCH_MOST * ROUTE_REQUEST_BYTES + NETLINK_REQUEST_BYTES]
        __attribute__((aligned(8)));
    int tolerated = change == KERNEL_ROUTE_DELETE ? -ESRCH : 0, result = 0;
    for (size_t done = 0; done < count;) {
        size_t some = count - done < NETLINK_BATCH_MOST ? count - done : NETLINK_BATCH_MOST;
        size_t len = 0, failed;
        for (size_t i = 0; i < some; i++)
            len += put_route(requests + len, change, &routes[done + i]);
        int error = netlink_ask_all(netlink, requests, some, tolerated, &failed);
        if (error < 0 && result == 0) {
            result = error;
            explain(netlink, change, &routes[done + failed], why);
        }
        done += some;
    }
    return result;
}

struct route_list {
    enum family family;
    uint32_t table;
    struct kernel_route *routes;
    size_t count;
    size_t capacity;
};

static enum kernel_route_type type_from(uint8_t type)
{
    for (unsigned i = 0; i < KERNEL_ROUTE_OTHER; i++)
        if (types[i] == type)
            return (enum kernel_route_type)i;
    return type == RTN_BROADCAST || type == RTN_ANYCAST ? KERNEL_ROUTE_LOCAL : KERNEL_ROUTE_OTHER;
}

static uint32_t mtu_in(const struct nlattr *metrics)
{
    const struct nlattr *metric;
    mnl_attr_for_each_nested(metric, metrics)
    {
        if (mnl_attr_get_type(metric) == RTAX_MTU && mnl_attr_validate(metric, MNL_TYPE_U32) >= 0)
            return mnl_attr_get_u32(metric);
    }
    return 0;
}

static bool number_in(const struct nlattr *attribute, uint16_t type, uint32_t *number)
{
    if (mnl_attr_get_type(attribute) != type || mnl_attr_validate(attribute, MNL_TYPE_U32) < 0)
        return false;
    *number = mnl_attr_get_u32(attribute);
    return true;
}

/* The message as a route, and its gateway (may be NULL). False: not a route. */
static bool get_route(const struct nlmsghdr *message, struct kernel_route *route,
                      struct address *gateway)
{
    const struct rtmsg *body = mnl_nlmsg_get_payload(message);
    if (message->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(message) < sizeof(*body))
        return false;
    enum family family = netlink_family_from(body->rtm_family);
    if (family == FAMILY_NONE || body->rtm_dst_len > family_bits(family))
        return false;
    *route = (struct kernel_route){
        .prefix = {.address.family = (uint8_t)family, .len_bits = body->rtm_dst_len},
        .type = type_from(body->rtm_type),
        .table = body->rtm_table,
        .protocol = body->rtm_protocol,
    };
    uint32_t index = 0;
    const struct nlattr *attribute;
    mnl_attr_for_each(attribute, message, sizeof(*body))
    {
        uint16_t type = mnl_attr_get_type(attribute);
        if (type == RTA_DST)
            netlink_get_address(attribute, family, &route->prefix.address);
        if (type == RTA_PREFSRC)
            netlink_get_address(attribute, family, &route->source);
        if (type == RTA_GATEWAY && gateway)
            netlink_get_address(attribute, family, gateway);
        route->has_gateway |= type == RTA_GATEWAY || type == RTA_VIA;
        if (type == RTA_METRICS)
            route->mtu_bytes = mtu_in(attribute);
        number_in(attribute, RTA_TABLE, &route->table);
        number_in(attribute, RTA_PRIORITY, &route->metric);
        number_in(attribute, RTA_OIF, &index);
    }
    /* IPv6 shows its rejecting routes on the loopback interface. */
    if (route->type != KERNEL_ROUTE_UNREACHABLE && route->type != KERNEL_ROUTE_THROW)
        route->interface_index = (int)index;
    return true;
}

static int add_route(struct route_list *list, const struct kernel_route *route)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 64;
        struct kernel_route *routes = realloc(list->routes, capacity * sizeof(*routes));
        if (!routes)
            return -ENOMEM;
        list->routes = routes;
        list->capacity = capacity;
    }
    list->routes[list->count++] = *route;
    return 0;
}

static bool hop_has_gateway(const struct rtnexthop *hop)
{
    const struct nlattr *attr;
    bool has_any = false;
    mnl_attr_for_each_payload((const void *)RTNH_DATA(hop), hop->rtnh_len - RTNH_LENGTH(0))
        has_any |= mnl_attr_get_type(attr) == RTA_GATEWAY || mnl_attr_get_type(attr) == RTA_VIA;
    return has_any;
}

static int add_hops(struct route_list *list, struct kernel_route route, const struct nlattr *hops)
{
    const struct rtnexthop *hop = mnl_attr_get_payload(hops);
    int left_bytes = mnl_attr_get_payload_len(hops), result = 0;
    for (; RTNH_OK(hop, left_bytes) && result == 0; hop = RTNH_NEXT(hop)) {
        route.interface_index = hop->rtnh_ifindex;
        route.has_gateway = hop_has_gateway(hop);
        result = add_route(list, &route);
        left_bytes -= (int)RTNH_ALIGN(hop->rtnh_len);
    }
    return result;
}

static int keep_route(void *context, const struct nlmsghdr *message)
{
    struct route_list *list = context;
    struct kernel_route route;
    const struct nlattr *attribute, *hops = NULL;
    if (!get_route(message, &route, NULL) || route.table != list->table ||
        route.prefix.address.family != list->family)
        return 0;
    mnl_attr_for_each(attribute, message, sizeof(struct rtmsg))
    {
        if (mnl_attr_get_type(attribute) == RTA_MULTIPATH)
            hops = attribute;
    }
    return hops ? add_hops(list, route, hops) : add_route(list, &route);
}

int kernel_route_list(struct netlink *netlink, uint32_t table, struct kernel_route **routes,
                      size_t *count, struct text *why)
{
    static const enum family families[] = {FAMILY_IPV4, FAMILY_IPV6};
    uint8_t bytes[NETLINK_REQUEST_BYTES] __attribute__((aligned(8)));
    struct route_list list = {.table = table};
    for (unsigned i = 0; i < 2; i++) {
        list.family = families[i];
        struct nlmsghdr *request = netlink_request(bytes, RTM_GETROUTE, NLM_F_DUMP);
        struct rtmsg *body = mnl_nlmsg_put_extra_header(request, sizeof(*body));
        body->rtm_family = netlink_family(list.family);
        mnl_attr_put_u32(request, RTA_TABLE, table);
        int result = netlink_list(netlink, request, keep_route, &list, &list.count);
        if (result == -ENOENT || result == -EAFNOSUPPORT || result == -EOPNOTSUPP)
            continue;
        if (result < 0) {
            char name[TABLE_NAMES_TEXT_BYTES];
            text_append(why, "cannot list the routes of table %s: %s",
                        table_names_show(table, name), netlink->reason);
            free(list.routes);
            return result;
        }
    }
    *routes = list.routes;
    *count = list.count;
    return 0;
}

static int compare_numbers(uint32_t a, uint32_t b)
{
    return a < b ? -1 : a > b;
}

int kernel_route_compare(const void *a, const void *b)
{
    const struct kernel_route *left = a, *right = b;
    int order = compare_numbers(left->table, right->table);
    if (order == 0)
        order = memcmp(&left->prefix.address, &right->prefix.address, sizeof(struct address));
    if (order == 0)
        order = compare_numbers(left->prefix.len_bits, right->prefix.len_bits);
    return order ? order : compare_numbers(metric_of(left), metric_of(right));
}

struct way_answer {
    struct kernel_route route;
    struct address gateway;
    bool is_local;
    bool is_route;
};

static int keep_way(void *context, const struct nlmsghdr *message)
{
    struct way_answer *answer = context;
    answer->is_route = get_route(message, &answer->route, &answer->gateway);
    if (!answer->is_route)
        return -EBADMSG;
    const struct rtmsg *body = mnl_nlmsg_get_payload(message);
    answer->is_local = body->rtm_type == RTN_LOCAL;
    return 0;
}

/* `from`: NULL: what the kernel would choose. */
static int ask_way(struct netlink *netlink, const struct address *from, const struct address *to,
                   uint32_t mark, uint32_t flags, struct way_answer *answer)
{
    uint8_t bytes[NETLINK_REQUEST_BYTES] __attribute__((aligned(8)));
    struct nlmsghdr *request = netlink_request(bytes, RTM_GETROUTE, 0);
    struct rtmsg *body = mnl_nlmsg_put_extra_header(request, sizeof(*body));
    body->rtm_family = netlink_family(to->family);
    body->rtm_dst_len = (uint8_t)family_bits(to->family);
    body->rtm_flags = flags;
    netlink_put_address(request, RTA_DST, to);
    if (from) {
        body->rtm_src_len = body->rtm_dst_len;
        netlink_put_address(request, RTA_SRC, from);
    }
    mnl_attr_put_u32(request, RTA_MARK, mark);
    *answer = (struct way_answer){0};
    int result = netlink_ask(netlink, request, keep_way, answer);
    if (result == 0 && !answer->is_route)
        result = -EBADMSG;
    /* IPv6 answers a query for what has no way with a route that rejects. */
    if (result == 0 && answer->route.type == KERNEL_ROUTE_UNREACHABLE)
        result = -ENETUNREACH;
    if (result == -ENETUNREACH || result == -EBADMSG)
        snprintf(netlink->reason, sizeof(netlink->reason), "%s", strerror(-result));
    return result;
}

int kernel_route_towards(struct netlink *netlink, const struct address *to, uint32_t mark,
                         struct kernel_route_way *way, struct text *why)
{
    /* The plain query knows the source and the next hop; but its MTU may be one that a forged
     * too-big made the kernel learn, so that is taken from the route itself. */
    struct way_answer plain, matched;
    char text[ADDRESS_TEXT_BYTES];
    int result = ask_way(netlink, NULL, to, mark, 0, &plain);
    if (result == 0)
        result = ask_way(netlink, NULL, to, mark, RTM_F_FIB_MATCH, &matched);
    if (result < 0) {
        text_append(why, "the host has no route to %s: %s", address_format(to, text),
                    netlink->reason);
        return result;
    }
    struct link link;
    result = link_by_index(netlink, plain.route.interface_index, &link, why);
    if (result < 0)
        return result;
    struct kernel_route_way found = {
        .interface_index = link.index,
        .mtu_bytes = matched.route.mtu_bytes ? matched.route.mtu_bytes : link.mtu_bytes,
        .source = plain.route.source,
        .gateway = plain.gateway,
        .is_local = plain.is_local,
    };
    memcpy(found.interface_name, link.name, sizeof(found.interface_name));
    uint32_t ipv6_mtu_bytes = 0;
    if (to->family == FAMILY_IPV6)
        ipv6_mtu_bytes = sysctl_ipv6_mtu_bytes(link.name);
    if (ipv6_mtu_bytes && ipv6_mtu_bytes < found.mtu_bytes)
        found.mtu_bytes = ipv6_mtu_bytes;
    *way = found;
    return 0;
}

bool kernel_route_leads(struct netlink *netlink, const struct address *from,
                        const struct address *to, uint32_t mark, uint32_t interface_index)
{
    struct way_answer answer;
    return ask_way(netlink, from, to, mark, 0, &answer) == 0 &&
           (answer.is_local || answer.route.interface_index == (int)interface_index);
}

int kernel_route_default(struct netlink *netlink, enum family family, uint32_t mark,
                         struct kernel_route_way *way, struct text *why)
{
    /* Somewhere that nobody routes in particular: the retired 6to4 anycast address (RFC 7526) and
     * the first address of the global unicast space. Nothing is sent. */
    static const struct address somewhere[] = {
        {.family = FAMILY_IPV4, .bytes = {192, 88, 99, 1}},
        {.family = FAMILY_IPV6, .bytes = {0x20, [15] = 1}},
    };
    return kernel_route_towards(netlink, &somewhere[family == FAMILY_IPV6], mark, way, why);
}
