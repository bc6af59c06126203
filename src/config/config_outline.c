/* SPDX-License-Identifier: MIT */
/* The tree as `check` shows it. */
#include "config/config.h"

#define PREFIXES_SHOWN 4

static void list_prefixes(struct text *text, const char *before, const struct prefix *prefixes,
                          size_t count)
{
    for (size_t i = 0; i < count && i < PREFIXES_SHOWN; i++) {
        char prefix[PREFIX_TEXT_BYTES];
        text_append(text, "%s%s", before, prefix_format(&prefixes[i], prefix));
    }
    if (count > PREFIXES_SHOWN)
        text_append(text, " and %zu more", count - PREFIXES_SHOWN);
}

static void list_routes(struct text *text, const struct tunnel_description *tunnel)
{
    text_append(text, ", routes");
    for (size_t p = 0; p < tunnel->peer_count && tunnel->routes_are_default; p++)
        list_prefixes(text, " ", tunnel->peers[p].allowed_ips, tunnel->peers[p].allowed_ips_count);
    if (!tunnel->routes_are_default && tunnel->route_count == 0)
        text_append(text, " none");
    list_prefixes(text, " ", tunnel->routes, tunnel->route_count);
    list_prefixes(text, " !", tunnel->route_exceptions, tunnel->route_exception_count);
}

static void outline_below(const struct config *config, struct text *text, int carrier,
                          unsigned depth)
{
    for (size_t i = 0; i < config->network.tunnel_count; i++) {
        const struct tunnel_description *tunnel = &config->network.tunnels[i];
        if (tunnel->carrier != carrier)
            continue;
        text_append(text, "%*s%s:", (int)(2 * depth), "", tunnel->name);
        for (size_t a = 0; a < tunnel->address_count; a++) {
            char address[ADDRESS_TEXT_BYTES];
            text_append(text, " %s", address_format(&tunnel->addresses[a], address));
        }
        text_append(text, "%s", network_nat_is_on(&config->network, i) ? " (NAT)" : "");
        list_routes(text, tunnel);
        if (tunnel->mtu_bytes)
            text_append(text, ", MTU %s%u", tunnel->mtu_is_upper_bound ? "at most " : "",
                        tunnel->mtu_bytes);
        text_append(text, "\n");
        outline_below(config, text, (int)i, depth + 1);
    }
}

void config_outline(const struct config *config, struct text *text)
{
    char address[ADDRESS_TEXT_BYTES];
    text_append(text, "%s: interface %s", config->name, config->interface_name);
    if (config->network.nat_ipv4.family)
        text_append(text, " %s", address_format(&config->network.nat_ipv4, address));
    if (config->network.nat_ipv6.family)
        text_append(text, " %s", address_format(&config->network.nat_ipv6, address));
    text_append(text, "\n");
    outline_below(config, text, TUNNEL_NO_CARRIER, 1);
}
