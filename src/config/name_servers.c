/* SPDX-License-Identifier: MIT */
#include "config/name_servers.h"

#include <string.h>

#include "config/ranges.h"
#include "config/syntax.h"

#define SERVERS_MOST 16
#define DOMAINS_MOST 16
#define DOMAIN_CHARACTERS 253

/* Where the items of a line go. */
struct lists {
    struct address **servers;
    size_t *server_count;
    char ***domains;
    size_t *domain_count;
};

static bool is_domain(const char *text)
{
    size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-");
    return len > 0 && len <= DOMAIN_CHARACTERS && !text[len] && text[0] != '.' && text[0] != '-' &&
           text[strcspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")];
}

static void refuse(struct loader *loader, const struct config_place *place, const char *item)
{
    config_messages_add(loader->messages, CONFIG_ERROR, place,
                        "neither a name server's address nor a search domain: \"%.60s\"", item);
}

static bool add_server(struct loader *loader, const struct lists *lists,
                       const struct address *server)
{
    for (size_t i = 0; i < *lists->server_count; i++) {
        if (address_is_equal(&(*lists->servers)[i], server))
            return true;
    }
    if (*lists->server_count == SERVERS_MOST)
        return false;
    struct address *more = arena_extend(&loader->config->arena, *lists->servers,
                                        *lists->server_count, sizeof(*more));
    if (more) {
        more[(*lists->server_count)++] = *server;
        *lists->servers = more;
    }
    return true;
}

static bool add_domain(struct loader *loader, const struct lists *lists, char *domain)
{
    if (*lists->domain_count == DOMAINS_MOST)
        return false;
    char **more = arena_extend(&loader->config->arena, *lists->domains, *lists->domain_count,
                               sizeof(*more));
    if (more) {
        more[(*lists->domain_count)++] = domain;
        *lists->domains = more;
    }
    return true;
}

static void read_items(struct loader *loader, const struct config_place *place, char *rest,
                       bool may_be_local, const struct lists *lists)
{
    for (char *item; (item = syntax_item(&rest));) {
        struct address server;
        bool fits = true;
        if (address_parse(item, &server)) {
            bool is_local = address_is_loopback(&server) || address_is_link_local(&server);
            if (value_is_host_address(&server) && (may_be_local || !is_local))
                fits = add_server(loader, lists, &server);
            else
                config_messages_add(loader->messages, CONFIG_ERROR, place,
                                    "no name server can be asked at %.60s through a tunnel; write "
                                    "an address behind it",
                                    item);
        } else if (is_domain(item)) {
            fits = add_domain(loader, lists, item);
        } else {
            refuse(loader, place, item);
        }
        if (!fits) {
            config_messages_add(loader->messages, CONFIG_ERROR, place,
                                "more than %d name servers or search domains; remove some",
                                SERVERS_MOST);
            return;
        }
    }
}

void name_servers_network(struct loader *loader, const struct config_place *place, char *rest)
{
    struct config *config = loader->config;
    const struct lists lists = {&config->dns, &config->dns_count, &config->domains,
                                &config->domain_count};
    read_items(loader, place, rest, true, &lists);
}

void name_servers_tunnel(struct loader *loader, const struct config_place *place, char *rest,
                         struct draft *draft)
{
    const struct lists lists = {&draft->tunnel.dns, &draft->tunnel.dns_count,
                                &draft->notes.domains, &draft->notes.domain_count};
    read_items(loader, place, rest, false, &lists);
}

/* The tunnel can ask it: its peers take the address, and it has one of the family. Else that is told. */
static bool is_within_reach(struct loader *loader, size_t index, const struct ranges *allowed,
                            const struct address *server)
{
    const struct tunnel_description *tunnel = &loader->config->network.tunnels[index];
    const struct config_place *place = &loader->config->tunnels[index].given[KEYWORD_DNS];
    struct prefix host = prefix_host(server);
    char address[ADDRESS_TEXT_BYTES], prefix[PREFIX_TEXT_BYTES];
    bool has_family = false, is_allowed = ranges_cover(allowed, &host);
    for (size_t i = 0; i < tunnel->address_count; i++)
        has_family |= tunnel->addresses[i].family == server->family;
    address_format(server, address);
    if (!has_family)
        config_messages_add(loader->messages, CONFIG_WARNING, place,
                            "\"%s\" cannot ask %s: it has no IPv%d address; add its Address, or "
                            "remove the server",
                            tunnel->name, address, (int)server->family);
    else if (!is_allowed)
        config_messages_add(loader->messages, CONFIG_WARNING, place,
                            "\"%s\" cannot ask %s: no peer has it in AllowedIPs, so that queries to "
                            "it do not enter the tunnel; to ask inside, add %s to AllowedIPs",
                            tunnel->name, address, prefix_format(&host, prefix));
    return has_family && is_allowed;
}

/* The number of servers that can be asked inside the tunnel; the others are told. */
static size_t check_servers(struct loader *loader, size_t index)
{
    const struct tunnel_description *tunnel = &loader->config->network.tunnels[index];
    struct ranges allowed;
    size_t count = 0;
    if (tunnel->dns_count == 0 || !ranges_of_peers(&allowed, &loader->config->arena, tunnel))
        return 0;
    for (size_t i = 0; i < tunnel->dns_count; i++) {
        count += is_within_reach(loader, index, &allowed, &tunnel->dns[i]);
    }
    return count;
}

static void warn_of_domains(struct loader *loader, const struct config_place *place,
                            size_t server_count, size_t domain_count)
{
    if (domain_count && !server_count)
        config_messages_add(loader->messages, CONFIG_WARNING, place,
                            "search domains without a name server have no effect; add the "
                            "server's address or remove them");
}

void name_servers_check(struct loader *loader)
{
    const struct config *config = loader->config;
    const struct network_description *network = &config->network;
    bool can_ask[CONFIG_TUNNELS_MOST];
    warn_of_domains(loader, &config->given[KEYWORD_DNS], config->dns_count, config->domain_count);
    for (size_t i = 0; i < network->tunnel_count; i++) {
        can_ask[i] = check_servers(loader, i) > 0;
        warn_of_domains(loader, &config->tunnels[i].given[KEYWORD_DNS],
                        network->tunnels[i].dns_count, config->tunnels[i].domain_count);
    }
    for (size_t i = 0; i < network->tunnel_count; i++) {
        const struct tunnel_description *tunnel = &network->tunnels[i];
        if (tunnel->carrier == TUNNEL_NO_CARRIER || can_ask[tunnel->carrier])
            continue;
        const struct tunnel_description *carrier = &network->tunnels[tunnel->carrier];
        for (size_t p = 0; p < tunnel->peer_count; p++) {
            if (!tunnel->peers[p].endpoint_name)
                continue;
            config_messages_add(loader->messages, CONFIG_ERROR,
                                &config->tunnels[i].peers[p].given[KEYWORD_ENDPOINT],
                                "%.100s can only be asked for inside \"%s\", which %s; write DNS "
                                "= ADDRESS there, of one that it reaches, or the endpoint's "
                                "address here",
                                tunnel->peers[p].endpoint_name, carrier->name,
                                carrier->dns_count ? "cannot ask the name servers of its DNS"
                                                   : "has no name server");
        }
    }
}
