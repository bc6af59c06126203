/* SPDX-License-Identifier: MIT */
#include "daemon/system_dns.h"

#include <string.h>

#include "daemon/coverage.h"
#include "engine/engine.h"

static bool takes_most(const struct tunnel_description *tunnel)
{
    return coverage_is_most(tunnel, FAMILY_IPV4) || coverage_is_most(tunnel, FAMILY_IPV6);
}

static size_t deepest_of_most(const struct network_description *network)
{
    size_t chosen = network->tunnel_count, deepest = 0;
    for (size_t i = 0; i < network->tunnel_count; i++) {
        size_t depth = description_depth_of(network, i);
        if (network->tunnels[i].dns_count && depth > deepest && takes_most(&network->tunnels[i])) {
            chosen = i;
            deepest = depth;
        }
    }
    return chosen;
}

static size_t only_one(const struct network_description *network)
{
    size_t chosen = network->tunnel_count, count = 0;
    for (size_t i = 0; i < network->tunnel_count; i++) {
        if (network->tunnels[i].dns_count) {
            chosen = i;
            count++;
        }
    }
    return count == 1 ? chosen : network->tunnel_count;
}

struct system_dns system_dns_choose(const struct config *config)
{
    const struct network_description *network = &config->network;
    size_t none = network->tunnel_count;
    struct system_dns dns = {.servers = config->dns, .zones = config->dns_zones,
                             .server_count = config->dns_count, .domains = config->domains,
                             .domain_count = config->domain_count, .tunnel = none};
    if (config->is_plain && network->tunnels[0].dns_count)
        dns.tunnel = 0;
    if (config->dns_count || config->is_plain)
        return dns;
    size_t chosen = deepest_of_most(network);
    if (chosen == none)
        chosen = only_one(network);
    if (chosen == none)
        return dns;
    return (struct system_dns){.servers = network->tunnels[chosen].dns,
                               .server_count = network->tunnels[chosen].dns_count,
                               .domains = config->tunnels[chosen].domains,
                               .domain_count = config->tunnels[chosen].domain_count,
                               .tunnel = chosen};
}

bool system_dns_is_local(const struct address *server)
{
    return address_is_loopback(server) || address_is_link_local(server);
}

bool system_dns_wants_guard(const struct config *config,
                            bool (*is_inside)(void *context, const struct address *server),
                            void *context)
{
    const struct network_description *network = &config->network;
    struct system_dns dns = system_dns_choose(config);
    bool take_most = false, is_meant_inside = dns.tunnel < network->tunnel_count;
    if (config->dns_guard_is_off || config->table_is_off || config->table)
        return false;
    for (size_t i = 0; i < network->tunnel_count && !take_most; i++)
        take_most = takes_most(&network->tunnels[i]);
    for (size_t i = 0; take_most && i < dns.server_count && !is_meant_inside; i++)
        is_meant_inside =
            !system_dns_is_local(&dns.servers[i]) && is_inside(context, &dns.servers[i]);
    return take_most && is_meant_inside;
}

static void tell_unused(const struct config *config, struct log_sink log)
{
    const struct network_description *network = &config->network;
    struct system_dns dns = system_dns_choose(config);
    const char *whose = dns.tunnel < network->tunnel_count ? network->tunnels[dns.tunnel].name
                                                           : "[Network]";
    for (size_t i = 0; i < network->tunnel_count; i++) {
        char line[2 * TUNNEL_NAME_BYTES + 256];
        if (i == dns.tunnel || network->tunnels[i].dns_count == 0)
            continue;
        if (dns.server_count)
            snprintf(line, sizeof(line), "the system does not use the DNS of %s: that of %s goes "
                                         "before",
                     network->tunnels[i].name, whose);
        else
            snprintf(
                line, sizeof(line),
                "the system does not use the DNS of %s: several tunnels name servers, and none "
                "of them takes most of the addresses; write the system's into [Network] with "
                "DNS = ADDRESS",
                network->tunnels[i].name);
        log_sink_say(&log, LOG_LEVEL_WARNING, line);
    }
}

bool system_dns_engine_has(void *engine, const struct address *server)
{
    struct engine_route route;
    engine_route(engine, server, &route);
    return route.tunnel >= 0;
}

/* AllowLAN may let it through. */
static bool may_be_on_lan(const struct config *config, const struct address *server)
{
    bool is_let = config->allows_lan;
    for (size_t i = 0; i < config->lan_count && !is_let; i++)
        is_let = prefix_contains(&config->lan[i], server);
    return is_let;
}

void system_dns_tell(const struct config *config, bool is_resolved,
                     bool (*is_inside)(void *context, const struct address *server), void *context,
                     struct log_sink log)
{
    struct system_dns dns = system_dns_choose(config);
    bool has_guard = system_dns_wants_guard(config, is_inside, context);
    tell_unused(config, log);
    for (size_t i = 0; i < dns.server_count; i++) {
        const struct address *server = &dns.servers[i];
        struct prefix host = prefix_host(server);
        char line[512], address[ADDRESS_TEXT_BYTES], prefix[PREFIX_TEXT_BYTES], remedy[256];
        const char *why = NULL, *otherwise = "or remove it from DNS";
        bool is_on_link = address_is_link_local(server);
        if (address_is_loopback(server) || (!is_on_link && is_inside(context, server)))
            continue;
        if (config->has_kill_switch && !may_be_on_lan(config, server)) {
            why = "and KillSwitch lets no query out to it";
        } else if (has_guard) {
            why = "and DNSGuard lets no query out to it";
            otherwise = "or write DNSGuard = off in [Network] to ask it in clear";
        } else if (is_resolved) {
            why =
                "but systemd-resolved sends queries to it into the interface, where none is taken";
        }
        if (!why)
            continue;
        snprintf(remedy, sizeof(remedy), "add %s to the AllowedIPs of a tunnel, %s",
                 prefix_format(&host, prefix), otherwise);
        snprintf(line, sizeof(line),
                 "the system's name server %s is outside of the tunnels, %s: no "
                 "name is answered by it; %s",
                 address_format(server, address), why,
                 is_on_link ? otherwise + strlen("or ") : remedy);
        log_sink_say(&log, LOG_LEVEL_WARNING, line);
    }
}
