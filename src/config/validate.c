/* SPDX-License-Identifier: MIT */
#include "config/validate.h"

#include <string.h>

#include "base/text.h"
#include "config/ranges.h"
#include "engine/mtu.h"

#define LOOP_BYTES 240 /* of its members' names */

static const struct config_place *place_of(const struct config_tunnel *notes, enum keyword keyword)
{
    return notes->given[keyword].file ? &notes->given[keyword] : &notes->place;
}

static void find_carrier(struct loader *loader, size_t index)
{
    struct config *config = loader->config;
    struct tunnel_description *tunnels = config->network.tunnels;
    const char *via = config->tunnels[index].via, *nearest = NULL;
    size_t nearest_distance = 0;
    if (!via)
        return;
    for (size_t i = 0; i < config->network.tunnel_count; i++) {
        if (strcmp(tunnels[i].name, via) == 0) {
            tunnels[index].carrier = (int)i;
            return;
        }
        size_t distance = keyword_distance(tunnels[i].name, via);
        if (i != index && (!nearest || distance < nearest_distance)) {
            nearest = tunnels[i].name;
            nearest_distance = distance;
        }
    }
    config_messages_add(loader->messages, CONFIG_ERROR, &config->tunnels[index].given[KEYWORD_VIA],
                        "no tunnel is called \"%.64s\"%s%s; write the name of the tunnel that "
                        "carries this one",
                        via, nearest ? "; the nearest one is " : "", nearest ? nearest : "");
}

/* The way from this tunnel comes back to it, and it is the first of those it passes. */
static bool opens_loop(const struct network_description *network, size_t index)
{
    int at = network->tunnels[index].carrier;
    for (size_t i = 0; i < network->tunnel_count; i++) {
        if (at == (int)index)
            return true;
        if (at == TUNNEL_NO_CARRIER || at < (int)index)
            return false;
        at = network->tunnels[at].carrier;
    }
    return false;
}

/* "entry → office → entry". */
static void tell_loop(struct loader *loader, const struct config_place *place, size_t index)
{
    const struct network_description *network = &loader->config->network;
    char members[LOOP_BYTES];
    struct text text;
    text_init(&text, members, sizeof(members));
    text_append(&text, "%s", network->tunnels[index].name);
    int at = (int)index;
    do {
        at = network->tunnels[at].carrier;
        bool has_room = sizeof(members) - text.len > TUNNEL_NAME_BYTES + 2 * sizeof(" → ");
        text_append(&text, " → %s", has_room || at == (int)index ? network->tunnels[at].name : "…");
        if (!has_room)
            break;
    } while (at != (int)index);
    config_messages_add(loader->messages, CONFIG_ERROR, place,
                        "a loop: each would ride inside the next: %s; one tunnel of the loop must "
                        "have no Via",
                        members);
}

bool validate_tree(struct loader *loader)
{
    struct config *config = loader->config;
    struct network_description *network = &config->network;
    char where[CONFIG_PLACE_BYTES];
    bool can_be_walked = true;
    for (size_t i = 0; i < network->tunnel_count; i++) {
        find_carrier(loader, i);
        for (size_t earlier = 0; earlier < i; earlier++) {
            if (strcmp(network->tunnels[earlier].name, network->tunnels[i].name) != 0)
                continue;
            config_messages_add(loader->messages, CONFIG_ERROR, &config->tunnels[i].place,
                                "a second tunnel called \"%s\"; the first is in %s: rename one",
                                network->tunnels[i].name,
                                config_messages_place(&config->tunnels[earlier].place, where));
            break;
        }
    }
    for (size_t i = 0; i < network->tunnel_count; i++) {
        size_t depth = description_depth_of(network, i);
        const struct config_place *place = place_of(&config->tunnels[i], KEYWORD_VIA);
        can_be_walked &= depth > 0;
        if (opens_loop(network, i))
            tell_loop(loader, place, i);
        else if (depth == NETWORK_DEPTH_MOST + 1)
            config_messages_add(loader->messages, CONFIG_ERROR, place,
                                "\"%s\" is deeper than %d tunnels; shorten the path",
                                network->tunnels[i].name, NETWORK_DEPTH_MOST);
    }
    return can_be_walked;
}

static void check_peers(struct loader *loader, const struct tunnel_description *tunnel,
                        const struct config_tunnel *notes)
{
    for (size_t i = 0; i < tunnel->peer_count; i++)
        if (!notes->peers[i].given[KEYWORD_PUBLIC_KEY].file)
            config_messages_add(loader->messages, CONFIG_ERROR, &notes->peers[i].place,
                                "a [Peer] without PublicKey; add PublicKey = KEY");
}

static void check_port(struct loader *loader, size_t index)
{
    const struct config *config = loader->config;
    const struct tunnel_description *tunnels = config->network.tunnels;
    for (size_t i = 0; i < index && tunnels[index].listen_port; i++) {
        bool are_siblings = tunnels[i].carrier == tunnels[index].carrier;
        if (!are_siblings || tunnels[i].listen_port != tunnels[index].listen_port)
            continue;
        config_messages_add(loader->messages, CONFIG_ERROR,
                            place_of(&config->tunnels[index], KEYWORD_LISTEN_PORT),
                            "port %u is \"%s\"'s already, beside which this tunnel stands; write "
                            "another one or remove the line",
                            tunnels[index].listen_port, tunnels[i].name);
        return;
    }
}

/* What each datagram of the tunnel costs its carrier, at least. */
static uint32_t overhead_bytes(const struct tunnel_description *tunnel)
{
    for (size_t i = 0; i < tunnel->peer_count; i++)
        if (tunnel->peers[i].has_endpoint &&
            tunnel->peers[i].endpoint.address.family == FAMILY_IPV6)
            return mtu_cost_bytes(FAMILY_IPV6);
    return mtu_cost_bytes(FAMILY_IPV4);
}

static void check_mtu(struct loader *loader, size_t index)
{
    const struct config *config = loader->config;
    const struct tunnel_description *tunnel = &config->network.tunnels[index];
    if (tunnel->carrier == TUNNEL_NO_CARRIER || tunnel->mtu_is_upper_bound)
        return;
    const struct tunnel_description *carrier = &config->network.tunnels[tunnel->carrier];
    uint32_t cost = overhead_bytes(tunnel);
    if (!carrier->mtu_bytes || tunnel->mtu_bytes + cost <= carrier->mtu_bytes || !tunnel->mtu_bytes)
        return;
    const struct config_place *place = place_of(&config->tunnels[index], KEYWORD_MTU);
    if (carrier->mtu_bytes < CONFIG_MTU_LEAST_BYTES + cost)
        config_messages_add(loader->messages, CONFIG_ERROR, place,
                            "%u does not fit into \"%s\", whose MTU is %u and which needs %u of it "
                            "for itself; write at least %u there, or remove both lines: they are "
                            "computed",
                            tunnel->mtu_bytes, carrier->name, carrier->mtu_bytes, cost,
                            tunnel->mtu_bytes + cost);
    else
        config_messages_add(loader->messages, CONFIG_ERROR, place,
                            "%u does not fit into \"%s\", whose MTU is %u and which needs %u of it "
                            "for itself; write at most %u or remove the line: it is computed",
                            tunnel->mtu_bytes, carrier->name, carrier->mtu_bytes, cost,
                            carrier->mtu_bytes - cost);
}

/* What the file lets the tunnel's MTU be at most, by its own line or a carrier's, in `decider`; 0:
 * it does not say. */
static uint32_t widest_bytes(const struct network_description *network, size_t index,
                             size_t *decider)
{
    uint32_t widest = 0, cost = 0;
    for (int at = (int)index; at != TUNNEL_NO_CARRIER; at = network->tunnels[at].carrier) {
        const struct tunnel_description *tunnel = &network->tunnels[at];
        if (tunnel->mtu_bytes && (!widest || tunnel->mtu_bytes - cost < widest)) {
            widest = tunnel->mtu_bytes - cost; /* the least MTU is more than a whole path costs */
            *decider = (size_t)at;
        }
        cost += overhead_bytes(tunnel);
    }
    return widest;
}

static bool covers_all(const struct ranges *ranges, const struct prefix *prefixes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!ranges_cover(ranges, &prefixes[i]))
            return false;
    return true;
}

/* False: what it carries takes all that it routes (RULES A2). */
static bool may_have_route(struct loader *loader, size_t index)
{
    const struct network_description *network = &loader->config->network;
    struct arena *arena = &loader->config->arena;
    const struct tunnel_description *tunnel = &network->tunnels[index];
    struct ranges inside = {0}, routes, united;
    for (size_t i = 0; i < network->tunnel_count; i++) {
        if (i == index || network->tunnels[i].route_exception_count ||
            !description_rides(network, i, index))
            continue;
        if (!ranges_of_routes(&routes, arena, &network->tunnels[i]) ||
            !ranges_unite(&united, arena, &inside, &routes))
            return true;
        inside = united;
    }
    if (inside.count == 0)
        return tunnel->routes_are_default || tunnel->route_count || tunnel->dns_count;
    bool is_taken = covers_all(&inside, tunnel->routes, tunnel->route_count);
    for (size_t p = 0; tunnel->routes_are_default && is_taken && p < tunnel->peer_count; p++)
        is_taken = covers_all(&inside, tunnel->peers[p].allowed_ips,
                              tunnel->peers[p].allowed_ips_count);
    for (size_t i = 0; i < tunnel->dns_count && is_taken; i++) {
        struct prefix host = prefix_host(&tunnel->dns[i]);
        is_taken = ranges_cover(&inside, &host);
    }
    return !is_taken;
}

/* The tunnel that gives the interface its MTU, the largest of those that have a route (E2), as far
 * as the file tells; its number in `decider`, or that of the carrier whose line decides. 0: it does
 * not. */
static uint32_t interface_bytes(struct loader *loader, size_t *decider)
{
    const struct network_description *network = &loader->config->network;
    uint32_t largest = 0;
    bool is_any_narrow = false;
    size_t at = 0;
    for (size_t i = 0; i < network->tunnel_count; i++) {
        uint32_t widest = widest_bytes(network, i, &at);
        is_any_narrow |= widest && widest < IPV6_LEAST_MTU_BYTES;
    }
    for (size_t i = 0; i < network->tunnel_count && is_any_narrow; i++) {
        uint32_t widest = widest_bytes(network, i, &at);
        bool is_narrow = widest && widest < IPV6_LEAST_MTU_BYTES;
        if ((is_narrow && widest <= largest) || !may_have_route(loader, i))
            continue;
        if (!is_narrow)
            return 0;
        largest = widest;
        *decider = at;
    }
    return largest;
}

/* RULES E4. */
static void check_interface_mtu(struct loader *loader)
{
    const struct config *config = loader->config;
    const struct network_description *network = &config->network;
    const struct config_place *place = &config->given[KEYWORD_MTU];
    uint32_t mtu_bytes = config->mtu_bytes, written_bytes = mtu_bytes;
    size_t decider = 0;
    if (network->nat_ipv6.family == FAMILY_NONE)
        return;
    if (!mtu_bytes && (mtu_bytes = interface_bytes(loader, &decider))) {
        place = place_of(&config->tunnels[decider], KEYWORD_MTU);
        written_bytes = network->tunnels[decider].mtu_bytes;
    }
    if (mtu_bytes && mtu_bytes < IPV6_LEAST_MTU_BYTES)
        config_messages_add(loader->messages, CONFIG_ERROR, place,
                            "%u is too small for IPv6, and the interface has an IPv6 address; "
                            "write at least %u or remove the IPv6 addresses",
                            written_bytes, IPV6_LEAST_MTU_BYTES + written_bytes - mtu_bytes);
}

/* Its own datagrams would be routed into the tunnel again (TRAPS 18). */
static void check_mark(struct loader *loader, const struct tunnel_description *tunnel,
                       const struct config_tunnel *notes)
{
    const struct config *config = loader->config;
    uint32_t mask = config->mark ? config->mark_mask : NETWORK_MARK_MASK;
    uint32_t mark = config->mark ? config->mark & mask : NETWORK_MARK;
    if ((tunnel->fwmark & mask) != mark)
        config_messages_add(
            loader->messages, CONFIG_ERROR, place_of(notes, KEYWORD_FWMARK),
            "%#x under the mask %#x is not %#x, which the rules let pass; choose one "
            "that is, or remove the line, or choose the network's: [Network] FwMark "
            "= VALUE/MASK",
            tunnel->fwmark, mask, mark);
}

void validate_tunnels(struct loader *loader)
{
    struct config *config = loader->config;
    for (size_t i = 0; i < config->network.tunnel_count; i++) {
        const struct tunnel_description *tunnel = &config->network.tunnels[i];
        const struct config_tunnel *notes = &config->tunnels[i];
        if (!notes->given[KEYWORD_PRIVATE_KEY].file && !notes->given[KEYWORD_PRIVATE_KEY_FILE].file)
            config_messages_add(loader->messages, CONFIG_ERROR, &notes->place,
                                "tunnel \"%s\" has no private key; add PrivateKey = KEY or "
                                "PrivateKeyFile = PATH",
                                tunnel->name);
        if (tunnel->fwmark && tunnel->carrier != TUNNEL_NO_CARRIER)
            config_messages_add(loader->messages, CONFIG_ERROR, place_of(notes, KEYWORD_FWMARK),
                                "a carried tunnel has no socket to mark; remove the line");
        else if (tunnel->fwmark && !config->table_is_off && config->table == 0)
            check_mark(loader, tunnel, notes);
        if (tunnel->peer_count == 0)
            config_messages_add(loader->messages, CONFIG_WARNING, &notes->place,
                                "tunnel \"%s\" has no [Peer]: nobody can be reached through it",
                                tunnel->name);
        if (tunnel->address_count == 0)
            config_messages_add(loader->messages, CONFIG_WARNING, &notes->place,
                                "tunnel \"%s\" has no Address: nothing can be sent through it",
                                tunnel->name);
        check_peers(loader, tunnel, notes);
        check_port(loader, i);
        check_mtu(loader, i);
    }
    check_interface_mtu(loader);
}
