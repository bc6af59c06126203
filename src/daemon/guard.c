/* SPDX-License-Identifier: MIT */
#include "daemon/guard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lan.h"
#include "daemon/system_dns.h"
#include "host/dhcp.h"
#include "host/kernel_route.h"
#include "host/link.h"

#define LINKS_MOST 16

struct links {
    int indices[LINKS_MOST];
    size_t count;
};

static void add_link(struct links *links, int index)
{
    for (size_t i = 0; i < links->count; i++)
        if (links->indices[i] == index)
            return;
    if (index > 0 && links->count < LINKS_MOST)
        links->indices[links->count++] = index;
}

/* The best default route is what the host's rules say; main has the worse ones beside it,
 * and with `Table = main` ours. */
static struct links find_uplinks(struct guard *guard, const struct kernel_route *routes,
                                 size_t route_count, const struct root_way *ways, size_t way_count)
{
    static const enum family families[] = {FAMILY_IPV4, FAMILY_IPV6};
    struct links links = {.count = 0};
    for (size_t i = 0; i < 2; i++) {
        struct kernel_route_way way;
        if (kernel_route_default(guard->netlink, families[i], guard->mark, &way, TEXT_UNHEARD) ==
                0 &&
            !way.is_local)
            add_link(&links, way.interface_index);
    }
    for (size_t i = 0; i < way_count; i++)
        add_link(&links, ways[i].interface_index);
    for (size_t i = 0; i < route_count; i++)
        if (routes[i].type == KERNEL_ROUTE_UNICAST && routes[i].prefix.len_bits == 0 &&
            routes[i].protocol != KERNEL_ROUTE_PROTOCOL)
            add_link(&links, routes[i].interface_index);
    return links;
}

static void add_prefix(struct guard *guard, const struct prefix *prefix)
{
    for (size_t i = 0; i < guard->lan_count; i++)
        if (prefix_is_equal(&guard->lan[i], prefix))
            return;
    struct prefix *more = realloc(guard->lan, (guard->lan_count + 1) * sizeof(*more));
    if (!more)
        return; /* less passes, never more */
    more[guard->lan_count++] = *prefix;
    guard->lan = more;
}

struct on_link {
    struct guard *guard;
    int link_index;
};

static void add_on_link(void *context, const struct prefix *prefix)
{
    const struct on_link *to = context;
    struct guard *guard = to->guard;
    struct firewall_lan *more =
        realloc(guard->on_link, (guard->on_link_count + 1) * sizeof(*more));
    if (!more)
        return;
    more[guard->on_link_count++] =
        (struct firewall_lan){.prefix = *prefix, .link_index = to->link_index};
    guard->on_link = more;
}

static void find_on_link(struct guard *guard, const struct kernel_route *routes, size_t count,
                         const struct links *links)
{
    for (size_t i = 0; i < links->count; i++) {
        struct on_link to = {.guard = guard, .link_index = links->indices[i]};
        lan_walk_link(guard->netlink, to.link_index, routes, count, add_on_link, &to);
    }
}

/* Without a kill switch main's routes reach the server, and one that claimed an address inside a
 * tunnel's prefix would get its traffic; with one, the firewall lets nothing but DHCP to it. */
static void add_dhcp_servers(struct guard *guard, const struct links *links)
{
    for (size_t i = 0; i < links->count; i++) {
        struct link link;
        struct prefix server = {.len_bits = 32};
        if (link_by_index(guard->netlink, links->indices[i], &link, TEXT_UNHEARD) == 0 &&
            dhcp_server(link.index, link.name, &server.address))
            add_prefix(guard, &server);
    }
}

void guard_find_lan(struct guard *guard, const struct root_way *ways, size_t way_count)
{
    const struct config *config = guard->config;
    struct kernel_route *routes = NULL;
    size_t count = 0;
    if (kernel_route_list(guard->netlink, KERNEL_ROUTE_TABLE_MAIN, &routes, &count, TEXT_UNHEARD) <
        0)
        count = 0; /* less passes, never more */
    struct links links = find_uplinks(guard, routes, count, ways, way_count);
    guard->lan_count = guard->on_link_count = 0;
    for (size_t i = 0; i < config->lan_count; i++)
        add_prefix(guard, &config->lan[i]);
    guard->allowed_count = guard->lan_count;
    if (config->allows_lan)
        find_on_link(guard, routes, count, &links);
    if (guard->has_kill_switch)
        add_dhcp_servers(guard, &links);
    guests_find(&guard->guests, guard->netlink, links.indices, links.count);
    free(routes);
}

/* Each once: the NAT addresses and those of tunnels without NAT. */
static size_t list_addresses(const struct config *config, struct address **addresses)
{
    const struct network_description *network = &config->network;
    size_t most = 2, count = 0;
    for (size_t i = 0; i < network->tunnel_count; i++)
        most += network->tunnels[i].address_count;
    *addresses = calloc(most, sizeof(**addresses));
    if (!*addresses)
        return 0;
    (*addresses)[count++] = network->nat_ipv4;
    (*addresses)[count++] = network->nat_ipv6;
    for (size_t i = 0; i < network->tunnel_count; i++)
        for (size_t a = 0; a < network->tunnels[i].address_count; a++)
            if (!description_nat_is_on(&config->network, i))
                (*addresses)[count++] = network->tunnels[i].addresses[a];
    return count;
}

static size_t list_marks(const struct guard *guard, uint32_t **marks)
{
    const struct network_description *network = &guard->config->network;
    size_t count = 0;
    *marks = calloc(network->tunnel_count + 1, sizeof(**marks));
    if (!*marks)
        return 0;
    (*marks)[count++] = guard->mark;
    for (size_t i = 0; i < network->tunnel_count; i++)
        if (network->tunnels[i].fwmark)
            (*marks)[count++] = network->tunnels[i].fwmark;
    return count;
}

static bool has_root_names(const struct network_description *network)
{
    for (size_t i = 0; i < network->tunnel_count; i++)
        for (size_t p = 0; p < network->tunnels[i].peer_count; p++)
            if (network->tunnels[i].carrier == TUNNEL_NO_CARRIER &&
                network->tunnels[i].peers[p].endpoint_name)
                return true;
    return false;
}

bool guard_wants_dns_guard(const struct guard *guard, const struct config *config)
{
    return system_dns_wants_guard(config, system_dns_engine_has, guard->engine);
}

static int lay(struct guard *guard, const struct endpoint *endpoints, size_t endpoint_count,
               struct text *why)
{
    struct address *addresses;
    uint32_t *marks;
    size_t address_count = list_addresses(guard->config, &addresses);
    size_t mark_count = list_marks(guard, &marks);
    const struct firewall firewall = {
        .network = guard->config->name,
        .interface_index = guard->interface_index,
        .addresses = addresses,
        .address_count = address_count,
        .marks = marks,
        .mark_count = mark_count,
        .endpoints = endpoints,
        .endpoint_count = endpoint_count,
        .lan = guard->lan,
        .lan_count = guard->allowed_count,
        .on_link = guard->on_link,
        .on_link_count = guard->on_link_count,
        .bridges = guard->guests.bridges,
        .bridge_count = guard->guests.bridge_count,
        .guests = guard->guests.prefixes,
        .guest_count = guard->guests.prefix_count,
        .allows_lan_multicast = guard->config->allows_lan,
        .allows_dns =
            has_root_names(&guard->config->network) || guard->is_translation_wanted,
        .has_kill_switch = guard->has_kill_switch,
        .has_dns_guard =
            guard->hold.has_dns_guard || guard_wants_dns_guard(guard, guard->config),
    };
    int result = addresses && marks ? firewall_lay(&firewall, &guard->laid, why) : -ENOMEM;
    free(addresses);
    free(marks);
    return result;
}

int guard_lay(struct guard *guard, struct text *why)
{
    struct endpoint *endpoints;
    size_t count = root_ways_endpoints(guard->engine, -1, &endpoints);
    if (!endpoints)
        return -ENOMEM;
    int result = lay(guard, endpoints, count, why);
    if (result != 0) {
        free(endpoints);
        return result;
    }
    free(guard->endpoints);
    guard->endpoints = endpoints;
    guard->endpoint_count = count;
    guard->is_laid = true;
    return 0;
}

int guard_follow_endpoints(struct guard *guard, struct text *why)
{
    struct endpoint *endpoints;
    if (!guard->is_laid)
        return 0;
    size_t count = root_ways_endpoints(guard->engine, -1, &endpoints);
    if (!endpoints)
        return 0;
    bool is_same = count == guard->endpoint_count;
    for (size_t i = 0; is_same && i < count; i++)
        is_same = endpoint_is_equal(&endpoints[i], &guard->endpoints[i]);
    free(endpoints);
    return is_same ? 0 : guard_lay(guard, why);
}

int guard_restore(struct guard *guard, enum firewall_state *found, struct text *why)
{
    *found = FIREWALL_STANDS;
    if (!guard->is_laid)
        return 0;
    int state = firewall_look(guard->config->name, &guard->laid, why);
    if (state < 0)
        return state;
    *found = (enum firewall_state)state;
    return state == FIREWALL_STANDS ? 0 : guard_lay(guard, why);
}

void guard_wipe(struct guard *guard)
{
    free(guard->lan);
    free(guard->on_link);
    guests_wipe(&guard->guests);
    free(guard->endpoints);
    *guard = (struct guard){0};
}

/* Bits of IPv4's halves that go into a tunnel by a route for all of each. */
static void note_halves(void *context, const struct prefix *prefix, int winner)
{
    unsigned *halves = context;
    if (winner < 0 || prefix->address.family != FAMILY_IPV4 || prefix->len_bits > 1)
        return;
    *halves |= prefix->len_bits == 0 ? 3 : prefix->address.bytes[0] & 0x80 ? 2 : 1;
}

static bool takes_a_relay(const struct engine *engine)
{
    struct endpoint *endpoints;
    bool is_taken = false;
    size_t count = root_ways_endpoints(engine, -1, &endpoints);
    for (size_t i = 0; endpoints && i < count && !is_taken; i++) {
        struct engine_route route;
        if (endpoints[i].address.family != FAMILY_IPV4)
            continue;
        engine_route(engine, &endpoints[i].address, &route);
        is_taken = route.tunnel >= 0;
    }
    free(endpoints);
    return is_taken;
}

/* rp_filter is IPv4's alone, and looks into no table that a user's own rules name. */
static bool needs_marks(const struct config *config, const struct engine *engine)
{
    unsigned halves = 0;
    engine_walk_routes(engine, note_halves, &halves);
    return !config->table_is_off && !config->table &&
           (halves == 3 || takes_a_relay(engine));
}

void guard_note_switch(const struct config *config, const struct engine *engine,
                       struct state *state)
{
    state->restores_src_valid_mark |=
        needs_marks(config, engine) &&
        (sysctl_lacks_src_valid_mark() ||
         (sysctl_has_src_valid_mark() && state_others_need_src_valid_mark(config->name)));
}

bool guard_switch_on(struct state *state, struct text *why)
{
    if (!state->restores_src_valid_mark || sysctl_has_src_valid_mark() ||
        sysctl_set_src_valid_mark(true, why))
        return true;
    state->restores_src_valid_mark = false;
    return false;
}

int guard_undo(const char *network, const struct state *state, struct text *why)
{
    int result = state->has_firewall ? firewall_remove(network, why) : 0;
    if (state->restores_src_valid_mark && !state_others_need_src_valid_mark(network) &&
        sysctl_has_src_valid_mark() && !sysctl_set_src_valid_mark(false, why) && result == 0)
        result = -EIO;
    return result;
}
