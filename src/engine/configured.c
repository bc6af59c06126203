/* SPDX-License-Identifier: MIT */
#include "engine/configured.h"

#include <string.h>

/* Copies a list to `*place`, which moves behind it. */
static void *copy(uint8_t **place, const void *from, size_t bytes)
{
    uint8_t *to = *place;
    if (bytes)
        memcpy(to, from, bytes);
    *place += bytes;
    return to;
}

struct configured *configured_new(const struct memory *memory,
                                  const struct tunnel_description *from, struct node *carrier)
{
    size_t addresses = from->address_count * sizeof(*from->addresses);
    size_t dns = from->dns_count * sizeof(*from->dns);
    size_t routes = from->route_count * sizeof(*from->routes);
    size_t exceptions = from->route_exception_count * sizeof(*from->route_exceptions);
    size_t bytes = sizeof(struct configured) + addresses + dns + routes + exceptions;
    struct configured *configured = memory_take(memory, bytes);
    if (!configured)
        return NULL;
    *configured = (struct configured){.bytes = bytes, .carrier = carrier, .tunnel = *from};
    struct tunnel_description *tunnel = &configured->tunnel;
    uint8_t *place = (uint8_t *)(configured + 1); /* of bytes: nothing needs an alignment */
    tunnel->addresses = copy(&place, from->addresses, addresses);
    tunnel->dns = copy(&place, from->dns, dns);
    tunnel->routes = copy(&place, from->routes, routes);
    tunnel->route_exceptions = copy(&place, from->route_exceptions, exceptions);
    tunnel->carrier = TUNNEL_NO_CARRIER;
    memset(tunnel->private_key, 0, sizeof(tunnel->private_key));
    tunnel->peers = NULL;
    tunnel->peer_count = 0;
    return configured;
}

struct configured *configured_with(const struct memory *memory, const struct configured *before,
                                   unsigned fields, const struct tunnel_description *from,
                                   struct node *carrier)
{
    struct tunnel_description tunnel = before->tunnel;
    if (fields & CHANGE_CARRIER && carrier)
        tunnel.fwmark = 0; /* its sockets', which it gives up */
    if (fields & CHANGE_LISTEN_PORT)
        tunnel.listen_port = from->listen_port;
    if (fields & CHANGE_FWMARK)
        tunnel.fwmark = from->fwmark;
    if (fields & CHANGE_ADDRESSES) {
        tunnel.addresses = from->addresses;
        tunnel.address_count = from->address_count;
    }
    if (fields & CHANGE_DNS) {
        tunnel.dns = from->dns;
        tunnel.dns_count = from->dns_count;
    }
    if (fields & CHANGE_MTU) {
        tunnel.mtu_bytes = from->mtu_bytes;
        tunnel.mtu_is_upper_bound = from->mtu_is_upper_bound;
    }
    if (fields & CHANGE_NAT)
        tunnel.nat_is_off = from->nat_is_off;
    if (fields & CHANGE_ROUTES) {
        tunnel.routes_are_default = from->routes_are_default;
        tunnel.routes = from->routes;
        tunnel.route_count = from->route_count;
        tunnel.route_exceptions = from->route_exceptions;
        tunnel.route_exception_count = from->route_exception_count;
    }
    return configured_new(memory, &tunnel, fields & CHANGE_CARRIER ? carrier : before->carrier);
}

/* Two lists of members of so many bytes. */
static bool are_same(const void *a, size_t a_count, const void *b, size_t b_count, size_t bytes)
{
    return a_count == b_count && (a_count == 0 || memcmp(a, b, a_count * bytes) == 0);
}

static bool are_same_routes(const struct tunnel_description *a, const struct tunnel_description *b)
{
    return a->routes_are_default == b->routes_are_default &&
           are_same(a->routes, a->route_count, b->routes, b->route_count, sizeof(*a->routes)) &&
           are_same(a->route_exceptions, a->route_exception_count, b->route_exceptions,
                    b->route_exception_count, sizeof(*a->route_exceptions));
}

bool configured_is_so(const struct configured *configured, unsigned fields,
                      const struct tunnel_description *from, const struct node *carrier)
{
    const struct tunnel_description *now = &configured->tunnel;
    bool is_so = !(fields & CHANGE_CARRIER) || configured->carrier == carrier;
    if (fields & CHANGE_LISTEN_PORT)
        is_so &= now->listen_port == from->listen_port;
    if (fields & CHANGE_FWMARK)
        is_so &= now->fwmark == from->fwmark;
    if (fields & CHANGE_ADDRESSES)
        is_so &= are_same(now->addresses, now->address_count, from->addresses,
                          from->address_count, sizeof(*now->addresses));
    if (fields & CHANGE_DNS)
        is_so &= are_same(now->dns, now->dns_count, from->dns, from->dns_count, sizeof(*now->dns));
    if (fields & CHANGE_MTU)
        is_so &= now->mtu_bytes == from->mtu_bytes &&
                 now->mtu_is_upper_bound == from->mtu_is_upper_bound;
    if (fields & CHANGE_NAT)
        is_so &= now->nat_is_off == from->nat_is_off;
    if (fields & CHANGE_ROUTES)
        is_so &= are_same_routes(now, from);
    return is_so;
}

void configured_free(const struct memory *memory, struct configured *configured)
{
    if (configured)
        memory_give(memory, configured, configured->bytes);
}
