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
    struct config *system;             /* all servers, for the system; NULL: this decides another */
    struct tunnel_description *tunnel; /* those that are asked inside; NULL: no tunnel's line */
    char ***domains;
    size_t *domain_count;
    bool is_of_part; /* of a file that is included or chained, which nobody wrote for this */
};

/* Also "~corp.example" and "~.", which route names with systemd-resolved. */
static bool is_domain(const char *text)
{
    text += text[0] == '~';
    if (strcmp(text, ".") == 0)
        return true;
    size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-");
    return len > 0 && len <= DOMAIN_CHARACTERS && !text[len] && text[0] != '.' && text[0] != '-' &&
           text[strcspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")];
}

static bool is_local(const struct address *server)
{
    return address_is_loopback(server) || address_is_link_local(server);
}

static bool is_same_zone(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool add_to_system(struct loader *loader, const struct address *server, char *zone)
{
    struct config *config = loader->config;
    size_t count = config->dns_count;
    for (size_t i = 0; i < count; i++) {
        if (address_is_equal(&config->dns[i], server) && is_same_zone(config->dns_zones[i], zone))
            return true;
    }
    if (count == SERVERS_MOST)
        return false;
    struct address *more = arena_extend(&config->arena, config->dns, count, sizeof(*more));
    char **zones = arena_extend(&config->arena, config->dns_zones, count, sizeof(*zones));
    if (more && zones) {
        more[count] = *server;
        zones[count] = zone;
        config->dns = more;
        config->dns_zones = zones;
        config->dns_count++;
    }
    return true;
}

static bool add_to_tunnel(struct loader *loader, const struct address *server,
                          struct tunnel_description *tunnel)
{
    for (size_t i = 0; i < tunnel->dns_count; i++) {
        if (address_is_equal(&tunnel->dns[i], server))
            return true;
    }
    if (tunnel->dns_count == SERVERS_MOST)
        return false;
    struct address *more =
        arena_extend(&loader->config->arena, tunnel->dns, tunnel->dns_count, sizeof(*more));
    if (more) {
        more[tunnel->dns_count++] = *server;
        tunnel->dns = more;
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

/* Names that leave the tunnels are not passed over in silence. */
static void tell_local(struct loader *loader, const struct config_place *place,
                       const struct address *server, const char *zone)
{
    char text[ADDRESS_TEXT_BYTES];
    address_format(server, text);
    if (address_is_loopback(server))
        config_messages_add(
            loader->messages, CONFIG_NOTICE, place,
            "%s is this host: names go to what answers there, and what that asks in "
            "turn is its own affair; nothing here keeps it inside the tunnels",
            text);
    else if (zone || server->family == FAMILY_IPV4)
        config_messages_add(
            loader->messages, CONFIG_WARNING, place,
            "%s is on a link of this host: names go there in clear, past the tunnels", text);
    else
        config_messages_add(loader->messages, CONFIG_WARNING, place,
                            "%s is on some link, and which one is not said, so that nobody can ask "
                            "there; write it behind a %%, as in fe80::1%%eth0",
                            text);
}

/* False: there are too many. */
static bool take_server(struct loader *loader, const struct config_place *place,
                        const struct address *server, char *zone, const struct lists *lists)
{
    char text[ADDRESS_TEXT_BYTES];
    if (!value_is_host_address(server)) {
        config_messages_add(loader->messages, CONFIG_ERROR, place,
                            "no name server can be asked at %s; write a host's address",
                            address_format(server, text));
        return true;
    }
    if (is_local(server) && !lists->system) {
        config_messages_add(
            loader->messages, lists->is_of_part ? CONFIG_WARNING : CONFIG_ERROR, place,
            "%s is not inside the tunnel%s; for the system's names write DNS = "
            "%s%s%s into [Network], and not here",
            address_format(server, text), lists->is_of_part ? ", and is passed over" : "", text,
            zone ? "%" : "", zone ? zone : "");
        return true;
    }
    if (is_local(server))
        tell_local(loader, place, server, zone);
    return (!lists->system || add_to_system(loader, server, zone)) &&
           (!lists->tunnel || is_local(server) || add_to_tunnel(loader, server, lists->tunnel));
}

/* ADDRESS or ADDRESS%ZONE; the zone counts on a link alone, as with the C library. */
static bool parse_server(char *item, struct address *server, char **zone)
{
    char *percent = strchr(item, '%');
    *zone = NULL;
    if (!percent)
        return address_parse(item, server);
    *percent = '\0';
    bool is_server = address_parse(item, server) && server->family == FAMILY_IPV6 &&
                     value_is_name(percent + 1, INTERFACE_NAME_BYTES - 1);
    *percent = '%';
    if (is_server && address_is_link_local(server))
        *zone = percent + 1;
    return is_server;
}

static void read_items(struct loader *loader, const struct config_place *place, char *rest,
                       const struct lists *lists)
{
    for (char *item; (item = syntax_item(&rest));) {
        struct address server;
        char *zone;
        bool fits = true;
        if (parse_server(item, &server, &zone))
            fits = take_server(loader, place, &server, zone, lists);
        else if (is_domain(item))
            fits = add_domain(loader, lists, item);
        else
            config_messages_add(loader->messages, CONFIG_ERROR, place,
                                "neither a name server's address nor a search domain: \"%.60s\"",
                                item);
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
    const struct lists lists = {config, NULL, &config->domains, &config->domain_count, false};
    read_items(loader, place, rest, &lists);
}

void name_servers_tunnel(struct loader *loader, const struct config_place *place, char *rest,
                         enum source_role role, struct draft *draft)
{
    struct config *config = loader->config;
    bool is_single = role == ROLE_SINGLE;
    const struct lists lists = {
        is_single ? config : NULL, &draft->tunnel,
        is_single ? &config->domains : &draft->notes.domains,
        is_single ? &config->domain_count : &draft->notes.domain_count, role == ROLE_PART};
    read_items(loader, place, rest, &lists);
}

/* The tunnel can ask it: its peers take the address, and it has one of the family. Else that is
 * told. */
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
        config_messages_add(
            loader->messages, CONFIG_WARNING, place,
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
    warn_of_domains(loader, config->is_plain ? &config->tunnels[0].given[KEYWORD_DNS]
                                             : &config->given[KEYWORD_DNS],
                    config->dns_count, config->domain_count);
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
