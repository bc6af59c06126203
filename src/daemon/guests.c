/* SPDX-License-Identifier: MIT */
#include "daemon/guests.h"

#include <stdlib.h>

#include "daemon/lan.h"
#include "host/kernel_route.h"

/* Whoever is asked for half of all addresses or more is a way to the world. */
#define WORLD_BITS 1

static bool is_one_of(const int *indices, size_t count, int index)
{
    for (size_t i = 0; i < count; i++)
        if (indices[i] == index)
            return true;
    return false;
}

static bool is_way_to_world(const struct kernel_route *routes, size_t count, int index)
{
    for (size_t i = 0; i < count; i++)
        if (routes[i].type == KERNEL_ROUTE_UNICAST && routes[i].interface_index == index &&
            routes[i].prefix.len_bits <= WORLD_BITS)
            return true;
    return false;
}

static void add_prefix(void *context, const struct prefix *prefix)
{
    struct guests *guests = context;
    size_t count = guests->prefix_count + 1;
    struct prefix *prefixes = realloc(guests->prefixes, count * sizeof(*prefixes));
    if (prefixes)
        guests->prefixes = prefixes;
    int *owners = realloc(guests->owners, count * sizeof(*owners));
    if (owners)
        guests->owners = owners;
    if (!prefixes || !owners)
        return; /* less passes, never more */
    prefixes[count - 1] = *prefix;
    owners[count - 1] = (int)guests->bridge_count;
    guests->prefix_count = count;
}

/* Of the bridges found, those that are guests' come to the front. */
static void keep_guests(struct guests *guests, struct netlink *netlink, size_t found,
                        const int *uplinks, size_t uplink_count)
{
    struct kernel_route *routes;
    size_t route_count;
    if (kernel_route_list(netlink, KERNEL_ROUTE_TABLE_MAIN, &routes, &route_count, TEXT_UNHEARD) <
        0)
        return;
    for (size_t i = 0; i < found; i++) {
        int index = guests->bridges[i].index;
        if (is_one_of(uplinks, uplink_count, index) ||
            is_way_to_world(routes, route_count, index))
            continue;
        lan_walk_link(netlink, index, routes, route_count, add_prefix, guests);
        guests->bridges[guests->bridge_count++] = guests->bridges[i];
    }
    free(routes);
}

void guests_find(struct guests *guests, struct netlink *netlink, const int *uplinks,
                 size_t uplink_count)
{
    size_t found;
    guests_wipe(guests);
    if (bridge_list_guests(netlink, &guests->bridges, &found, TEXT_UNHEARD) == 0 && found > 0)
        keep_guests(guests, netlink, found, uplinks, uplink_count);
}

bool guests_have_bridge(const struct guests *guests, int index)
{
    for (size_t i = 0; i < guests->bridge_count; i++)
        if (guests->bridges[i].index == index)
            return true;
    return false;
}

void guests_describe(const struct guests *guests, struct text *text)
{
    size_t start = text->len;
    for (size_t i = 0; i < guests->prefix_count; i++) {
        char prefix[PREFIX_TEXT_BYTES];
        if (!address_is_link_local(&guests->prefixes[i].address)) /* every link has that one */
            text_append(text, "%s%s %s", text->len > start ? ", " : "",
                        guests->bridges[guests->owners[i]].name,
                        prefix_format(&guests->prefixes[i], prefix));
    }
}

void guests_wipe(struct guests *guests)
{
    free(guests->bridges);
    free(guests->prefixes);
    free(guests->owners);
    *guests = (struct guests){0};
}
