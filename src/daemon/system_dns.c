/* SPDX-License-Identifier: MIT */
#include "daemon/system_dns.h"

#include "host/dns.h"

/* /0, or both of its halves (RULES A1). */
static bool covers_everything(const struct prefix *prefixes, size_t count)
{
    unsigned halves = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned family = prefixes[i].address.family == FAMILY_IPV4 ? 0 : 2;
        if (prefixes[i].len_bits == 0)
            return true;
        if (prefixes[i].len_bits == 1)
            halves |= (prefixes[i].address.bytes[0] & 0x80 ? 2u : 1u) << family;
    }
    return (halves & 3) == 3 || (halves & 12) == 12;
}

static bool has_default_route(const struct tunnel_description *tunnel)
{
    bool has = covers_everything(tunnel->routes, tunnel->route_count);
    for (size_t p = 0; tunnel->routes_are_default && p < tunnel->peer_count && !has; p++)
        has = covers_everything(tunnel->peers[p].allowed_ips, tunnel->peers[p].allowed_ips_count);
    return has;
}

/* The tunnel's index, or the number of tunnels: none. */
static size_t choose_tunnel(const struct network_description *network)
{
    size_t chosen = network->tunnel_count, deepest = 0;
    for (size_t i = 0; i < network->tunnel_count; i++) {
        const struct tunnel_description *tunnel = &network->tunnels[i];
        size_t depth = network_depth_of(network, i);
        if (tunnel->dns_count && depth > deepest && has_default_route(tunnel)) {
            chosen = i;
            deepest = depth;
        }
    }
    return chosen;
}

int system_dns_start(const struct config *config, const char *interface,
                     void (*log)(void *context, const char *line), void *context, bool *is_set,
                     struct text *why)
{
    const struct network_description *network = &config->network;
    size_t chosen = config->dns_count ? network->tunnel_count : choose_tunnel(network);
    struct dns_wish wish = {.network = config->name, .interface = interface,
                            .servers = config->dns, .server_count = config->dns_count,
                            .domains = config->domains, .domain_count = config->domain_count};
    if (chosen < network->tunnel_count) {
        wish.servers = network->tunnels[chosen].dns;
        wish.server_count = network->tunnels[chosen].dns_count;
        wish.domains = config->tunnels[chosen].domains;
        wish.domain_count = config->tunnels[chosen].domain_count;
    }
    for (size_t i = 0; i < network->tunnel_count; i++) {
        char line[TUNNEL_NAME_BYTES + 128];
        if (i == chosen || network->tunnels[i].dns_count == 0)
            continue;
        snprintf(line, sizeof(line), "the system does not use the DNS of %s: %s",
                 network->tunnels[i].name,
                 wish.server_count ? "another's goes before" : "it has no default route");
        log(context, line);
    }
    if (wish.server_count == 0)
        return dns_undo(config->name, why); /* what a crashed run with other settings left */
    int result = dns_set(&wish, why);
    *is_set = result == 0;
    return result;
}
