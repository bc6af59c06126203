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

void configured_free(const struct memory *memory, struct configured *configured)
{
    if (configured)
        memory_give(memory, configured, configured->bytes);
}
