/* SPDX-License-Identifier: MIT */
#include "daemon/interface.h"

#include <errno.h>
#include <stdlib.h>

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
    bool has_place;
    int tunnel, place; /* the last one's number in the engine, and where it is described */
    struct routing_entry *entries;
    size_t count;
    size_t capacity;
    bool is_full;
};

/* Neighbours are often of one tunnel. */
static int place_of(struct collection *collection, int tunnel)
{
    if (!collection->has_place || collection->tunnel != tunnel)
        collection->place = (int)described_place(collection->engine, (uint32_t)tunnel);
    collection->has_place = true;
    collection->tunnel = tunnel;
    return collection->place;
}

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

static void collect(void *context, const struct prefix *prefix, int tunnel)
{
    struct collection *collection = context;
    const struct config *config = collection->config;
    enum family family = (enum family)prefix->address.family;
    if (collection->count == collection->capacity) {
        size_t larger = collection->capacity ? collection->capacity * 2 : 64;
        struct routing_entry *entries =
            realloc(collection->entries, larger * sizeof(*collection->entries));
        if (!entries) {
            collection->is_full = true;
            return;
        }
        collection->entries = entries;
        collection->capacity = larger;
    }
    struct routing_entry *entry = &collection->entries[collection->count++];
    *entry = (struct routing_entry){.prefix = *prefix, .kind = ROUTING_THROW};
    if (tunnel == ROUTES_THROW)
        return;
    int place = place_of(collection, tunnel);
    entry->kind = can_send(config, place, family) ? ROUTING_TUNNEL : ROUTING_UNREACHABLE;
    entry->mtu_bytes = engine_mtu(collection->engine, (uint32_t)tunnel);
    if (family == FAMILY_IPV6 && entry->mtu_bytes < IPV6_LEAST_MTU_BYTES)
        entry->mtu_bytes = IPV6_LEAST_MTU_BYTES; /* the engine answers: no route (E4) */
    if (entry->mtu_bytes > collection->mtu_most_bytes)
        entry->mtu_bytes = collection->mtu_most_bytes;
    entry->source = source_for(config, place, family);
}

static void collect_exception(struct collection *collection, const struct prefix *prefix,
                              enum routing_kind kind, bool goes_before_tunnels)
{
    size_t before = collection->count;
    for (size_t i = 0; i < before; i++) {
        struct routing_entry *entry = &collection->entries[i];
        if (!prefix_is_equal(&entry->prefix, prefix))
            continue;
        if (goes_before_tunnels && entry->kind != ROUTING_THROW)
            *entry = (struct routing_entry){.prefix = *prefix, .kind = kind, .is_tunnels = true};
        return;
    }
    collect(collection, prefix, ROUTES_THROW);
    if (collection->count > before)
        collection->entries[before].kind = kind;
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
    struct collection collection = {
        .config = config, .engine = engine, .mtu_most_bytes = interface_mtu(config, engine)};
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
