/* SPDX-License-Identifier: MIT */
#include "engine/tree_routes.h"

#include <stdio.h>

/* The tunnels' route lists in the shape that route/ takes: default routes are the peers' AllowedIPs,
 * and each name server is a host route. Gathered into one array for all tunnels. */
struct route_lists {
    struct routes_tunnel *tunnels;
    size_t count;
    struct prefix *includes;
    size_t capacity;
};

static bool has_prefix(const struct prefix *prefixes, size_t count, const struct prefix *prefix)
{
    for (size_t i = 0; i < count; i++) {
        if (prefix_is_equal(&prefixes[i], prefix))
            return true;
    }
    return false;
}

/* Exactly this prefix is one of its Routes, or of the AllowedIPs that stand for them. */
static bool routes_prefix(const struct tunnel_description *tunnel, const struct prefix *prefix)
{
    bool is_routed = has_prefix(tunnel->routes, tunnel->route_count, prefix);
    for (size_t p = 0; tunnel->routes_are_default && p < tunnel->peer_count && !is_routed; p++)
        is_routed = has_prefix(tunnel->peers[p].allowed_ips, tunnel->peers[p].allowed_ips_count,
                               prefix);
    return is_routed;
}

/* It names the server, and a peer of its would take a query: a route to one that nobody takes would
 * end every name there. */
static bool can_ask(const struct tunnel_description *tunnel, const struct address *server)
{
    bool is_named = false, is_allowed = false;
    for (size_t d = 0; d < tunnel->dns_count; d++)
        is_named |= address_is_equal(&tunnel->dns[d], server);
    for (size_t p = 0; p < tunnel->peer_count && is_named && !is_allowed; p++)
        for (size_t a = 0; a < tunnel->peers[p].allowed_ips_count && !is_allowed; a++)
            is_allowed = prefix_contains(&tunnel->peers[p].allowed_ips[a], server);
    return is_allowed;
}

/* RULES G3: of those that can ask a server that they name the deepest has its host route, then the
 * first in file order; and a route that somebody wrote goes before one that follows from DNS. So no
 * two ever tie (A2). */
static bool has_name_server_route(const struct network_description *network, size_t tunnel,
                                  const struct address *server)
{
    struct prefix host = prefix_host(server);
    if (!can_ask(&network->tunnels[tunnel], server))
        return false;
    for (size_t i = 0; i < network->tunnel_count; i++) {
        const struct tunnel_description *other = &network->tunnels[i];
        size_t depth = description_depth_of(network, tunnel);
        size_t other_depth = description_depth_of(network, i);
        if (i != tunnel && can_ask(other, server) &&
            (other_depth > depth || (other_depth == depth && i < tunnel)))
            return false;
        bool are_related =
            description_rides(network, i, tunnel) || description_rides(network, tunnel, i);
        if (!are_related && routes_prefix(other, &host))
            return false;
    }
    return true;
}

static bool gather_lists(const struct memory *memory, const struct network_description *network,
                         struct route_lists *lists)
{
    *lists = (struct route_lists){.count = network->tunnel_count, .capacity = 1};
    for (size_t i = 0; i < lists->count; i++) {
        lists->capacity += network->tunnels[i].route_count + network->tunnels[i].dns_count;
        for (size_t p = 0; p < network->tunnels[i].peer_count; p++)
            lists->capacity += network->tunnels[i].peers[p].allowed_ips_count;
    }
    lists->tunnels = memory_take(memory, lists->count * sizeof(*lists->tunnels));
    lists->includes = memory_take(memory, lists->capacity * sizeof(*lists->includes));
    if (!lists->tunnels || !lists->includes)
        return false;
    struct prefix *next = lists->includes;
    for (size_t i = 0; i < lists->count; i++) {
        const struct tunnel_description *from = &network->tunnels[i];
        struct routes_tunnel *list = &lists->tunnels[i];
        *list = (struct routes_tunnel){.carrier = from->carrier,
                                       .includes = next,
                                       .exceptions = from->route_exceptions,
                                       .exception_count = from->route_exception_count};
        for (size_t r = 0; !from->routes_are_default && r < from->route_count; r++)
            *next++ = from->routes[r];
        for (size_t p = 0; from->routes_are_default && p < from->peer_count; p++) {
            for (size_t a = 0; a < from->peers[p].allowed_ips_count; a++)
                *next++ = from->peers[p].allowed_ips[a];
        }
        for (size_t d = 0; d < from->dns_count; d++) {
            if (has_name_server_route(network, i, &from->dns[d]))
                *next++ = prefix_host(&from->dns[d]);
        }
        list->include_count = (size_t)(next - list->includes);
    }
    return true;
}

static void give_lists(const struct memory *memory, struct route_lists *lists)
{
    memory_give(memory, lists->tunnels, lists->count * sizeof(*lists->tunnels));
    memory_give(memory, lists->includes, lists->capacity * sizeof(*lists->includes));
}

bool tree_routes_walk_losses(const struct memory *memory,
                                const struct network_description *network,
                                void (*visit)(void *context, const struct routes_loss *loss),
                                void *context)
{
    struct route_lists lists;
    bool done = gather_lists(memory, network, &lists) &&
                routes_walk_losses(memory, lists.tunnels, lists.count, visit, context);
    give_lists(memory, &lists);
    return done;
}

bool tree_routes_init(struct routes *routes, const struct memory *memory,
                         const struct network_description *network, char *why, size_t why_bytes)
{
    struct route_lists lists;
    struct routes_conflict conflict = {.tunnel = -1};
    char prefix[PREFIX_TEXT_BYTES];
    bool fits = gather_lists(memory, network, &lists) &&
                routes_init(routes, memory, lists.tunnels, lists.count, &conflict);
    give_lists(memory, &lists);
    if (!fits && conflict.tunnel < 0)
        snprintf(why, why_bytes, "no memory for the routes");
    else if (!fits)
        snprintf(why, why_bytes, "tunnels %s and %s both route %s and neither carries the other",
                 network->tunnels[conflict.tunnel].name, network->tunnels[conflict.other].name,
                 prefix_format(&conflict.prefix, prefix));
    return fits;
}
