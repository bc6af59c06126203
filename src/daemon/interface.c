/* SPDX-License-Identifier: MIT */
#include "daemon/interface.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/described.h"
#include "engine/mtu.h"
#include "io/loop.h"
#include "route/routes.h"

static bool has_ipv6(const struct config *config)
{
    return config->network.nat_ipv6.family != FAMILY_NONE;
}

uint32_t interface_mtu(const struct config *config, const struct engine *engine)
{
    uint32_t mtu = config->mtu_bytes ? config->mtu_bytes : engine_widest_mtu(engine);
    /* Linux removes every IPv6 address from an interface with less than IPv6's (RULES E4). Narrower
     * paths have their own `mtu` on their routes, and the engine refuses what is too big. */
    return !mtu || (has_ipv6(config) && mtu < IPV6_LEAST_MTU_BYTES) ? IPV6_LEAST_MTU_BYTES : mtu;
}

/* The NAT addresses, and all addresses of tunnels without NAT. */
static int add_addresses(struct netlink *netlink, int index, const struct config *config,
                         enum sysctl_ipv6 ipv6, struct text *why)
{
    const struct network_description *network = &config->network;
    const struct address nat[2] = {network->nat_ipv4, network->nat_ipv6};
    int result = 0;
    for (size_t i = 0; i < 2 && result == 0; i++) {
        if (nat[i].family && (nat[i].family == FAMILY_IPV4 || ipv6 == SYSCTL_IPV6_USABLE))
            result = link_add_address(netlink, index, &nat[i], why);
    }
    for (size_t i = 0; i < network->tunnel_count && result == 0; i++) {
        const struct tunnel_description *tunnel = &network->tunnels[i];
        if (description_nat_is_on(&config->network, i))
            continue;
        for (size_t a = 0; a < tunnel->address_count && result == 0; a++) {
            const struct address *address = &tunnel->addresses[a];
            if (address->family == FAMILY_IPV4 || ipv6 == SYSCTL_IPV6_USABLE)
                result = link_add_address(netlink, index, address, why);
        }
    }
    return result;
}

int interface_configure(struct netlink *netlink, int index, const struct config *config,
                        const struct engine *engine, enum sysctl_ipv6 ipv6, struct text *why)
{
    int result = link_make_quiet(netlink, index, why);
    if (result == 0)
        result = link_set_group(netlink, index, FIREWALL_LINK_GROUP, why);
    if (result == 0)
        result = link_set_mtu(netlink, index, interface_mtu(config, engine), why);
    if (result == 0)
        result = add_addresses(netlink, index, config, ipv6, why);
    if (result == 0)
        result = link_set_up(netlink, index, true, why);
    return result;
}

int interface_update(struct netlink *netlink, int index, const struct config *config,
                     const struct engine *engine, enum sysctl_ipv6 ipv6, struct text *why)
{
    int result = link_set_mtu(netlink, index, interface_mtu(config, engine), why);
    return result ? result : add_addresses(netlink, index, config, ipv6, why);
}

/* On the interface: those of NAT, and of tunnels without it. */
static bool has_address(const struct config *config, const struct address *address)
{
    const struct network_description *network = &config->network;
    bool has = address_is_equal(&network->nat_ipv4, address) ||
               address_is_equal(&network->nat_ipv6, address);
    for (size_t i = 0; i < network->tunnel_count && !has; i++)
        for (size_t a = 0; a < network->tunnels[i].address_count; a++)
            has |= !description_nat_is_on(network, i) &&
                   address_is_equal(&network->tunnels[i].addresses[a], address);
    return has;
}

bool interface_note_leaving(struct interface_leaving *leaving, const struct config *config)
{
    const struct network_description *network = &config->network;
    const struct address nat[] = {network->nat_ipv4, network->nat_ipv6};
    size_t most = leaving->count + 2;
    for (size_t i = 0; i < network->tunnel_count; i++)
        most += network->tunnels[i].address_count;
    struct address *addresses = realloc(leaving->addresses, most * sizeof(*addresses));
    if (!addresses)
        return false;
    leaving->addresses = addresses;
    for (size_t i = 0; i < 2; i++)
        if (nat[i].family)
            addresses[leaving->count++] = nat[i];
    for (size_t i = 0; i < network->tunnel_count; i++)
        for (size_t a = 0; a < network->tunnels[i].address_count; a++)
            if (has_address(config, &network->tunnels[i].addresses[a]))
                addresses[leaving->count++] = network->tunnels[i].addresses[a];
    return true;
}

int interface_leave(struct netlink *netlink, int index, const struct config *config,
                    struct interface_leaving *leaving, struct text *why)
{
    const size_t count = leaving->count;
    int result = 0, error; /* the first one; what follows goes all the same */
    leaving->count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct address address = leaving->addresses[i];
        if (has_address(config, &address))
            continue;
        error = link_remove_address(netlink, index, &address, result ? TEXT_UNHEARD : why);
        if (error != 0)
            leaving->addresses[leaving->count++] = address;
        result = result ? result : error;
    }
    return result;
}

struct collection {
    const struct config *config;
    const struct engine *engine;
    uint32_t mtu_most_bytes; /* the interface's */
    int tunnel;              /* the last one's number, as `like` is for it */
    struct routing_entry like;
    struct routing_entry *entries; /* in the order of routes_walk */
    size_t count;
    size_t capacity;
    bool is_full;
};

static struct address source_for(const struct config *config, int tunnel, enum family family)
{
    const struct network_description *network = &config->network;
    const struct tunnel_description *from = &network->tunnels[tunnel];
    if (description_nat_is_on(&config->network, (size_t)tunnel))
        return family == FAMILY_IPV4 ? network->nat_ipv4 : network->nat_ipv6;
    for (size_t i = 0; i < from->address_count; i++) {
        if (from->addresses[i].family == family)
            return from->addresses[i];
    }
    return (struct address){0};
}

/* Without an address of its own in the family nothing can be sent through it, and a program shall
 * hear of that at once, not by the engine's ICMP, which reaches no unconnected socket (RULES
 * F2). */
static bool can_send(const struct config *config, int tunnel, enum family family)
{
    const struct tunnel_description *from = &config->network.tunnels[tunnel];
    bool has_family = false;
    for (size_t i = 0; i < from->address_count; i++)
        has_family |= from->addresses[i].family == family;
    return has_family && source_for(config, tunnel, family).family != FAMILY_NONE;
}

static bool reserve(struct collection *collection)
{
    if (collection->count < collection->capacity)
        return true;
    size_t larger = collection->capacity ? collection->capacity * 2 : 64;
    struct routing_entry *entries =
        realloc(collection->entries, larger * sizeof(*collection->entries));
    collection->is_full |= !entries;
    if (!entries)
        return false;
    collection->entries = entries;
    collection->capacity = larger;
    return true;
}

/* All of a tunnel's prefixes of a family, but for the prefix. */
static struct routing_entry make_like(const struct collection *collection, int tunnel,
                                      enum family family)
{
    const struct config *config = collection->config;
    struct routing_entry like = {.kind = ROUTING_THROW};
    like.prefix.address.family = (uint8_t)family;
    if (tunnel == ROUTES_THROW)
        return like;
    int place = (int)described_place(collection->engine, (uint32_t)tunnel);
    like.kind = can_send(config, place, family) ? ROUTING_TUNNEL : ROUTING_UNREACHABLE;
    like.mtu_bytes = engine_mtu(collection->engine, (uint32_t)tunnel);
    if (family == FAMILY_IPV6 && like.mtu_bytes < IPV6_LEAST_MTU_BYTES)
        like.mtu_bytes = IPV6_LEAST_MTU_BYTES; /* the engine answers: no route (E4) */
    if (like.mtu_bytes > collection->mtu_most_bytes)
        like.mtu_bytes = collection->mtu_most_bytes;
    like.source = source_for(config, place, family);
    return like;
}

static void collect(void *context, const struct prefix *prefix, int tunnel)
{
    struct collection *collection = context;
    uint8_t family = prefix->address.family;
    if (!reserve(collection))
        return;
    /* Neighbours are often of one tunnel. */
    if (collection->tunnel != tunnel || collection->like.prefix.address.family != family)
        collection->like = make_like(collection, tunnel, (enum family)family);
    collection->tunnel = tunnel;
    struct routing_entry *entry = &collection->entries[collection->count++];
    *entry = collection->like;
    entry->prefix = *prefix;
}

static void collect_exception(struct collection *collection, const struct prefix *prefix,
                              enum routing_kind kind, bool goes_before_tunnels)
{
    size_t at = routing_entries_find(collection->entries, collection->count, prefix);
    struct routing_entry *entry = at < collection->count ? &collection->entries[at] : NULL;
    if (entry && prefix_is_equal(&entry->prefix, prefix)) {
        if (goes_before_tunnels && entry->kind != ROUTING_THROW)
            *entry = (struct routing_entry){.prefix = *prefix, .kind = kind, .is_tunnels = true};
        return;
    }
    if (!reserve(collection))
        return;
    entry = &collection->entries[at];
    memmove(entry + 1, entry, (collection->count++ - at) * sizeof(*entry));
    *entry = (struct routing_entry){.prefix = *prefix, .kind = kind};
}

static int give(struct collection *collection, struct routing_entry **entries, size_t *count)
{
    if (collection->is_full) {
        free(collection->entries);
        return -ENOMEM;
    }
    *entries = collection->entries;
    *count = collection->count;
    return 0;
}

struct routing_choice interface_choice(const struct config *config, const char *name, int index,
                                       const struct state_numbers *taken)
{
    return (struct routing_choice){.mode = config->table_is_off ? ROUTING_OFF
                                           : config->table      ? ROUTING_TABLE
                                                                : ROUTING_AUTO,
                                   .table = config->table,
                                   .interface_name = name,
                                   .interface_index = index,
                                   .mark = config->mark,
                                   .mask = config->mark_mask,
                                   .priority = config->priority,
                                   .taken = taken->numbers,
                                   .taken_count = taken->count};
}

int interface_routes(const struct config *config, const struct engine *engine,
                     const struct interface_exceptions *exceptions,
                     struct routing_entry **entries, size_t *count)
{
    struct collection collection = {.config = config,
                                    .engine = engine,
                                    .mtu_most_bytes = interface_mtu(config, engine),
                                    .tunnel = ROUTES_NONE};
    engine_walk_routes(engine, collect, &collection);
    bool has_own_tables = !config->table_is_off && !config->table;
    for (size_t i = 0; i < exceptions->lan_count && has_own_tables; i++)
        collect_exception(&collection, &exceptions->lan[i], ROUTING_THROW, true);
    for (size_t i = 0; i < exceptions->on_link_count && has_own_tables; i++)
        collect_exception(&collection, &exceptions->on_link[i].prefix, ROUTING_LAN, true);
    for (size_t i = 0; i < exceptions->guest_count && has_own_tables; i++)
        collect_exception(&collection, &exceptions->guests[i], ROUTING_LAN, false);
    for (size_t i = 0; i < exceptions->held_count; i++)
        collect_exception(&collection, &exceptions->held[i], ROUTING_UNREACHABLE, false);
    return give(&collection, entries, count);
}

int interface_routes_ahead(const struct config *config, struct routing_entry **entries,
                           size_t *count)
{
    struct engine *engine =
        engine_foresee(config->arena.memory, loop_random(), &config->network, TEXT_UNHEARD);
    if (!engine)
        return -EINVAL;
    const struct interface_exceptions none = {0};
    int result = interface_routes(config, engine, &none, entries, count);
    engine_free(engine);
    return result;
}
