/* SPDX-License-Identifier: MIT */
#include "daemon/system_dns.h"

#include "engine/tree.h"
#include "host/dns.h"

/* /0, or both of its halves (RULES A1). */
static bool has_default_route(const struct tunnel_description *tunnel, enum family family)
{
    struct prefix all = {.address.family = (uint8_t)family}, low = all, high = all;
    low.len_bits = high.len_bits = 1;
    high.address.bytes[0] = 0x80;
    return tree_description_routes(tunnel, &all) ||
           (tree_description_routes(tunnel, &low) && tree_description_routes(tunnel, &high));
}

size_t system_dns_choose(const struct network_description *network)
{
    size_t chosen = network->tunnel_count, deepest = 0;
    for (size_t i = 0; i < network->tunnel_count; i++) {
        const struct tunnel_description *tunnel = &network->tunnels[i];
        size_t depth = network_depth_of(network, i);
        if (tunnel->dns_count && depth > deepest &&
            (has_default_route(tunnel, FAMILY_IPV4) || has_default_route(tunnel, FAMILY_IPV6))) {
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
    size_t chosen = config->dns_count ? network->tunnel_count : system_dns_choose(network);
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
