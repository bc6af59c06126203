/* SPDX-License-Identifier: MIT */
/* The kernel's routes: change many at once, list a table, ask for the way to an address.
 * All: 0, or -errno and a sentence. */
#ifndef HOST_KERNEL_ROUTE_H
#define HOST_KERNEL_ROUTE_H

#include "base/prefix.h"
#include "host/netlink.h"

#define KERNEL_ROUTE_PROTOCOL 0xca /* marks our routes: "proto 202" */
#define KERNEL_ROUTE_TABLE_MAIN 254u
#define KERNEL_ROUTE_METRIC_LAST UINT32_MAX

enum kernel_route_type {
    KERNEL_ROUTE_UNICAST,
    KERNEL_ROUTE_UNREACHABLE,
    KERNEL_ROUTE_THROW,
    KERNEL_ROUTE_LOCAL, /* read only, as is the next: of this host, or for all on a link */
    KERNEL_ROUTE_OTHER,
};

struct kernel_route {
    struct prefix prefix;
    enum kernel_route_type type;
    uint32_t table;
    int interface_index;   /* unicast only, else 0 */
    uint32_t metric;       /* IPv6 reads 0 as 1024 */
    uint32_t mtu_bytes;    /* 0: the interface's */
    struct address source; /* family FAMILY_NONE: the kernel's choice */
    uint8_t protocol;
    bool has_gateway; /* read only; false: the prefix is on the link */
    bool is_far;      /* of one to add, IPv4 unicast: no gateway is looked for by it */
};

enum kernel_route_change {
    KERNEL_ROUTE_ADD,     /* refused when one of this prefix and metric stands */
    KERNEL_ROUTE_REPLACE, /* the one of this prefix and metric, or adds */
    KERNEL_ROUTE_DELETE,  /* one that does not stand is fine */
};

/* Does the same with each route, hundreds a system call. All are tried; the first refusal counts.
 */
int kernel_route_change(struct netlink *netlink, enum kernel_route_change change,
                        const struct kernel_route *routes, size_t count, struct text *why);
/* Both families; a route of several next hops counts as one by each. A table that does not exist is
 * empty. *routes is malloc's, the caller frees it. */
int kernel_route_list(struct netlink *netlink, uint32_t table, struct kernel_route **routes,
                      size_t *count, struct text *why);
/* Order by table, prefix, metric: for qsort and bsearch. 0: the same place in the kernel. */
int kernel_route_compare(const void *a, const void *b);

struct kernel_route_way {
    int interface_index;
    char interface_name[16];
    uint32_t mtu_bytes;     /* the route's, else the link's: never a learnt path MTU (RULES E1) */
    struct address source;  /* what the kernel would send from; FAMILY_NONE: unknown */
    struct address gateway; /* FAMILY_NONE: on the link */
    bool is_local;          /* an address of this host */
};

/* The way of a packet with `mark` (ours passes all Hopwire tables) to the address. -ENETUNREACH or
 * -EHOSTUNREACH: none. */
int kernel_route_towards(struct netlink *netlink, const struct address *to, uint32_t mark,
                         struct kernel_route_way *way, struct text *why);
/* Whether what is sent from one address of the host to another one leaves by the interface, or
 * stays on the host. */
bool kernel_route_leads(struct netlink *netlink, const struct address *from,
                        const struct address *to, uint32_t mark, uint32_t interface_index);
/* The same as kernel_route_towards for the family's default route. */
int kernel_route_default(struct netlink *netlink, enum family family, uint32_t mark,
                         struct kernel_route_way *way, struct text *why);

#endif
