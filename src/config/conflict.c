/* SPDX-License-Identifier: MIT */
/* Theory of operation. Every claim on a prefix (a route, an exception, an AllowedIP) becomes an
 * element of one array; sorted by prefix, those that could conflict are neighbours. So 100 000
 * prefixes cost a sort, not a comparison of each with each. */
#include "config/conflict.h"

#include <stdlib.h>
#include <string.h>

#include "config/ranges.h"

#define MAIN_TABLE 254

struct claim {
    struct prefix prefix;
    bool is_exception;
    unsigned tunnel;
    unsigned peer;
    struct config_place place;
};

struct claims {
    struct claim *items;
    size_t count;
};

static int compare(const void *left, const void *right)
{
    const struct claim *a = left, *b = right;
    int order = memcmp(&a->prefix.address, &b->prefix.address, sizeof(a->prefix.address));
    if (!order)
        order = (int)a->prefix.len_bits - b->prefix.len_bits;
    if (!order)
        order = a->tunnel < b->tunnel ? -1 : a->tunnel > b->tunnel;
    if (!order) /* the exception first: it is known when the route comes */
        order = (int)b->is_exception - a->is_exception;
    if (!order)
        order = a->peer < b->peer ? -1 : a->peer > b->peer;
    return order ? order : a->place.line < b->place.line ? -1 : a->place.line > b->place.line;
}

static void add(struct claims *claims, const struct claim *like, const struct prefix *prefixes,
                const unsigned *lines, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct claim *claim = &claims->items[claims->count++];
        *claim = *like;
        claim->prefix = prefixes[i];
        claim->place.line = lines[i];
    }
}

static void add_allowed_ips(struct claims *claims, const struct config *config, size_t index)
{
    const struct tunnel_description *tunnel = &config->network.tunnels[index];
    for (size_t p = 0; p < tunnel->peer_count; p++) {
        const struct config_peer *notes = &config->tunnels[index].peers[p];
        struct claim like = {.tunnel = (unsigned)index,
                             .peer = (unsigned)p,
                             .place = notes->given[KEYWORD_ALLOWED_IPS]};
        add(claims, &like, tunnel->peers[p].allowed_ips, notes->allowed_ip_lines,
            tunnel->peers[p].allowed_ips_count);
    }
}

static void add_routes(struct claims *claims, const struct config *config, size_t index)
{
    const struct tunnel_description *tunnel = &config->network.tunnels[index];
    const struct config_tunnel *notes = &config->tunnels[index];
    struct claim like = {.tunnel = (unsigned)index, .place = notes->given[KEYWORD_ROUTES]};
    if (tunnel->routes_are_default)
        add_allowed_ips(claims, config, index);
    else
        add(claims, &like, tunnel->routes, notes->route_lines, tunnel->route_count);
    like.is_exception = true;
    add(claims, &like, tunnel->route_exceptions, notes->exception_lines,
        tunnel->route_exception_count);
}

/* Sorted claims of all tunnels; false: no memory. */
static bool collect(struct loader *loader, struct claims *claims,
                    void (*add_tunnel)(struct claims *, const struct config *, size_t))
{
    const struct network_description *network = &loader->config->network;
    size_t most = 0;
    for (size_t i = 0; i < network->tunnel_count; i++) {
        const struct tunnel_description *tunnel = &network->tunnels[i];
        most += tunnel->route_count + tunnel->route_exception_count;
        for (size_t p = 0; p < tunnel->peer_count; p++)
            most += tunnel->peers[p].allowed_ips_count;
    }
    *claims = (struct claims){0};
    claims->items = arena_take(&loader->config->arena, most * sizeof(struct claim));
    if (!claims->items)
        return false;
    for (size_t i = 0; i < network->tunnel_count; i++)
        add_tunnel(claims, loader->config, i);
    if (claims->count)
        qsort(claims->items, claims->count, sizeof(struct claim), compare);
    return true;
}

/* The claims on one prefix, `count` of them, sorted by tunnel. */
static void check_group(struct loader *loader, const struct claim *group, size_t count)
{
    const struct network_description *network = &loader->config->network;
    const struct claim *exception = NULL, *taken[CONFIG_TUNNELS_MOST];
    size_t taken_count = 0;
    char text[PREFIX_TEXT_BYTES], where[CONFIG_PLACE_BYTES];
    prefix_format(&group->prefix, text);
    for (size_t i = 0; i < count; i++) {
        const struct claim *claim = &group[i];
        const struct tunnel_description *tunnel = &network->tunnels[claim->tunnel];
        if (claim->is_exception)
            exception = claim;
        bool is_excepted = exception && exception->tunnel == claim->tunnel;
        bool is_again = taken_count && taken[taken_count - 1]->tunnel == claim->tunnel;
        if (claim->is_exception || is_again)
            continue;
        if (is_excepted) {
            if (!tunnel->routes_are_default)
                config_messages_add(loader->messages, CONFIG_ERROR, &claim->place,
                                    "%s is both taken and excepted; remove one of them", text);
            continue;
        }
        for (size_t j = 0; j < taken_count; j++) {
            if (description_rides(network, claim->tunnel, taken[j]->tunnel) ||
                description_rides(network, taken[j]->tunnel, claim->tunnel))
                continue;
            config_messages_add(loader->messages, CONFIG_ERROR, &claim->place,
                                "%s of \"%s\" belongs to \"%s\" already (%s), and neither tunnel "
                                "carries the other; give one of them Routes without it",
                                text, tunnel->name, network->tunnels[taken[j]->tunnel].name,
                                config_messages_place(&taken[j]->place, where));
            break;
        }
        taken[taken_count++] = claim;
    }
}

static void warn_of_stolen_prefixes(struct loader *loader, const struct claims *claims)
{
    for (size_t i = 1; i < claims->count; i++) {
        const struct claim *first = &claims->items[i - 1], *second = &claims->items[i];
        char text[PREFIX_TEXT_BYTES], where[CONFIG_PLACE_BYTES];
        if (prefix_is_equal(&first->prefix, &second->prefix) && first->tunnel == second->tunnel &&
            first->peer != second->peer)
            config_messages_add(loader->messages, CONFIG_WARNING, &second->place,
                                "%s is allowed to the peer of %s already; this later peer takes it",
                                prefix_format(&second->prefix, text),
                                config_messages_place(&first->place, where));
    }
}

void conflict_check_prefixes(struct loader *loader)
{
    struct claims claims;
    if (!collect(loader, &claims, add_routes))
        return;
    for (size_t from = 0, to; from < claims.count; from = to) {
        to = from + 1;
        while (to < claims.count &&
               prefix_is_equal(&claims.items[from].prefix, &claims.items[to].prefix))
            to++;
        check_group(loader, &claims.items[from], to - from);
    }
    if (collect(loader, &claims, add_allowed_ips))
        warn_of_stolen_prefixes(loader, &claims);
}

static void warn_of_routes(struct loader *loader, size_t index, const struct ranges *allowed)
{
    const struct tunnel_description *tunnel = &loader->config->network.tunnels[index];
    const struct config_tunnel *notes = &loader->config->tunnels[index];
    struct arena *arena = &loader->config->arena;
    struct ranges excepted, served;
    if (!ranges_of_exceptions(&excepted, arena, tunnel) ||
        !ranges_unite(&served, arena, allowed, &excepted))
        return;
    for (size_t i = 0; i < tunnel->route_count; i++) {
        char text[PREFIX_TEXT_BYTES];
        struct config_place place = notes->given[KEYWORD_ROUTES];
        place.line = notes->route_lines[i];
        /* An exception that is shorter than the route takes nothing of it (A1). */
        bool is_served = ranges_cover(allowed, &tunnel->routes[i]) ||
                         (ranges_cover(&served, &tunnel->routes[i]) &&
                          !ranges_cover(&excepted, &tunnel->routes[i]));
        if (!is_served)
            config_messages_add(loader->messages, CONFIG_WARNING, &place,
                                "%s is not wholly in the peers' AllowedIPs; what lies outside is "
                                "refused",
                                prefix_format(&tunnel->routes[i], text));
    }
}

static bool has_family(const struct tunnel_description *tunnel, enum family family)
{
    for (size_t i = 0; i < tunnel->address_count; i++)
        if (tunnel->addresses[i].family == family)
            return true;
    return false;
}

/* One that is not wholly in `others`. */
static const struct prefix *find_sent(const struct prefix *prefixes, size_t count,
                                      enum family family, const struct ranges *others)
{
    for (size_t i = 0; i < count; i++)
        if (prefixes[i].address.family == family && !ranges_cover(others, &prefixes[i]))
            return &prefixes[i];
    return NULL;
}

static const struct prefix *find_sent_route(const struct tunnel_description *tunnel,
                                            enum family family, const struct ranges *others)
{
    const struct prefix *found = NULL;
    if (!tunnel->routes_are_default)
        return find_sent(tunnel->routes, tunnel->route_count, family, others);
    for (size_t p = 0; p < tunnel->peer_count && !found; p++)
        found = find_sent(tunnel->peers[p].allowed_ips, tunnel->peers[p].allowed_ips_count, family,
                          others);
    return found;
}

/* What never leaves by this tunnel: its exceptions, and what those that it carries take (A2). */
static bool find_others(struct loader *loader, size_t index, struct ranges *others)
{
    const struct network_description *network = &loader->config->network;
    struct arena *arena = &loader->config->arena;
    struct ranges routes, united;
    if (!ranges_of_exceptions(others, arena, &network->tunnels[index]))
        return false;
    for (size_t i = 0; i < network->tunnel_count; i++) {
        if (i == index || !description_rides(network, i, index))
            continue;
        if (!ranges_of_routes(&routes, arena, &network->tunnels[i]) ||
            !ranges_unite(&united, arena, others, &routes))
            return false;
        *others = united;
    }
    return true;
}

/* Without an address of the family every packet is refused: `no_address`, or, where another
 * tunnel's address is the interface's, `nat_source`. With NAT off, LANs behind this host have their
 * own. */
static void warn_of_families(struct loader *loader, size_t index)
{
    static const enum family families[] = {FAMILY_IPV4, FAMILY_IPV6};
    const struct config *config = loader->config;
    const struct tunnel_description *tunnel = &config->network.tunnels[index];
    const struct config_tunnel *notes = &config->tunnels[index];
    const struct config_place *place = &notes->given[KEYWORD_ADDRESS];
    bool has_given = config->given[KEYWORD_ADDRESS].file && tunnel->carrier == TUNNEL_NO_CARRIER;
    if (tunnel->address_count == 0 || tunnel->nat_is_off || has_given)
        return;
    for (unsigned f = 0; f < 2; f++) {
        struct ranges others;
        char text[PREFIX_TEXT_BYTES];
        if (has_family(tunnel, families[f]) || !find_others(loader, index, &others))
            continue;
        const struct prefix *sent = find_sent_route(tunnel, families[f], &others);
        if (!sent)
            continue;
        prefix_format(sent, text);
        /* Without it the family would go past the tunnels: the remedy of one is the other's
         * fault. */
        bool is_default = sent->len_bits <= 1;
        const char *without =
            notes->is_plain ? "remove it from AllowedIPs" : "write Routes without it";
        config_messages_add(loader->messages, CONFIG_WARNING, place,
                            "no IPv%d address, but %s is routed into \"%s\": every packet to it is "
                            "refused; %s, or add the IPv%d address to Address that the other end "
                            "gives you",
                            families[f], text, tunnel->name,
                            is_default ? "that keeps the family from going past the tunnels: leave "
                                         "it so"
                                       : without,
                            families[f]);
    }
}

static bool is_inside_fellow(const struct tunnel_description *tunnel,
                             const struct peer_description *peer)
{
    return description_fellow_of(tunnel, (size_t)(peer - tunnel->peers),
                                  &peer->endpoint.address) != NETWORK_FELLOW_NONE;
}

static void check_endpoint(struct loader *loader, const struct tunnel_description *tunnel,
                           const struct peer_description *peer, const struct config_place *place,
                           const struct tunnel_description *carrier, const struct ranges *allowed)
{
    /* A name's addresses are looked at when they are known; inside a fellow: see hops.c. */
    if (!peer->has_endpoint || is_inside_fellow(tunnel, peer))
        return;
    const struct address *address = &peer->endpoint.address;
    struct prefix host = prefix_host(address);
    char text[ADDRESS_TEXT_BYTES];
    address_format(address, text);
    if (!has_family(carrier, address->family))
        config_messages_add(loader->messages, CONFIG_ERROR, place,
                            "%s is IPv%d, and the carrier \"%s\" has no IPv%d address; write an "
                            "endpoint of the other family or give the carrier an address",
                            text, address->family, carrier->name, address->family);
    else if (address_is_link_local(address) || address_is_loopback(address))
        config_messages_add(loader->messages, CONFIG_ERROR, place,
                            "%s is an address on one host or link, where no carrier leads; write "
                            "one behind \"%s\"",
                            text, carrier->name);
    else if (!ranges_cover(allowed, &host))
        config_messages_add(loader->messages, CONFIG_ERROR, place,
                            "%s is not in the AllowedIPs of the carrier \"%s\"; add it there or "
                            "choose another carrier",
                            text, carrier->name);
}

/* TRAPS 18: the main table also routes a root's own datagrams. */
static void warn_of_loops(struct loader *loader, size_t index, const struct ranges *routed)
{
    const struct config *config = loader->config;
    const struct tunnel_description *root = &config->network.tunnels[index];
    for (size_t p = 0; p < root->peer_count; p++) {
        const struct endpoint *endpoint = &root->peers[p].endpoint;
        struct prefix host = prefix_host(&endpoint->address);
        char text[ADDRESS_TEXT_BYTES];
        if (root->peers[p].has_endpoint && ranges_cover(routed, &host) &&
            !is_inside_fellow(root, &root->peers[p]))
            config_messages_add(
                loader->messages, CONFIG_WARNING,
                &config->tunnels[index].peers[p].given[KEYWORD_ENDPOINT],
                "%s lies in what is routed into the interface, and Table = main has no rule that "
                "keeps the tunnel's own datagrams out; give it a route of its own past the "
                "interface, or remove Table",
                address_format(&endpoint->address, text));
    }
}

/* What all tunnels route, for the roots' endpoints. */
static void check_main_table(struct loader *loader)
{
    struct config *config = loader->config;
    const struct network_description *network = &config->network;
    struct ranges all = {0}, routes, united;
    for (size_t i = 0; i < network->tunnel_count; i++) {
        if (!ranges_of_routes(&routes, &config->arena, &network->tunnels[i]) ||
            !ranges_unite(&united, &config->arena, &all, &routes))
            return;
        all = united;
    }
    for (size_t i = 0; i < network->tunnel_count; i++) {
        if (network->tunnels[i].carrier == TUNNEL_NO_CARRIER)
            warn_of_loops(loader, i, &all);
    }
}

void conflict_check_reach(struct loader *loader)
{
    struct config *config = loader->config;
    const struct network_description *network = &config->network;
    struct ranges *allowed = arena_take(&config->arena, network->tunnel_count * sizeof(*allowed));
    if (!allowed)
        return;
    for (size_t i = 0; i < network->tunnel_count; i++) {
        if (!ranges_of_peers(&allowed[i], &config->arena, &network->tunnels[i]))
            return;
        warn_of_routes(loader, i, &allowed[i]);
        warn_of_families(loader, i);
    }
    for (size_t i = 0; i < network->tunnel_count; i++) {
        const struct tunnel_description *tunnel = &network->tunnels[i];
        for (size_t p = 0; p < tunnel->peer_count && tunnel->carrier != TUNNEL_NO_CARRIER; p++)
            check_endpoint(loader, tunnel, &tunnel->peers[p],
                           &config->tunnels[i].peers[p].given[KEYWORD_ENDPOINT],
                           &network->tunnels[tunnel->carrier], &allowed[tunnel->carrier]);
    }
    if (config->table == MAIN_TABLE)
        check_main_table(loader);
}
