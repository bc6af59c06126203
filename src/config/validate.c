/* SPDX-License-Identifier: MIT */
#include "config/validate.h"

#include <string.h>

#include "base/text.h"
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

/* E4, as far as the file tells the interface's MTU: the largest of the routed tunnels'. */
static void check_interface_mtu(struct loader *loader)
{
    const struct config *config = loader->config;
    const struct network_description *network = &config->network;
    const struct config_place *place = &config->given[KEYWORD_MTU];
    uint32_t mtu_bytes = config->mtu_bytes;
    bool has_ipv6 = network->nat_ipv6.family != FAMILY_NONE;
    for (size_t i = 0; i < network->tunnel_count && !config->mtu_bytes; i++) {
        const struct tunnel_description *tunnel = &network->tunnels[i];
        if (!tunnel->routes_are_default && tunnel->route_count == 0)
            continue;
        if (tunnel->mtu_bytes == 0)
            return;
        if (tunnel->mtu_bytes > mtu_bytes) {
            mtu_bytes = tunnel->mtu_bytes;
            place = place_of(&config->tunnels[i], KEYWORD_MTU);
        }
    }
    if (has_ipv6 && mtu_bytes && mtu_bytes < IPV6_LEAST_MTU_BYTES)
        config_messages_add(loader->messages, CONFIG_ERROR, place,
                            "%u is too small for IPv6, and the interface has an IPv6 address; "
                            "write at least %d or remove the IPv6 addresses",
                            mtu_bytes, IPV6_LEAST_MTU_BYTES);
}

/* Its own datagrams would be routed into the tunnel again (TRAPS 18). */
static void check_mark(struct loader *loader, const struct tunnel_description *tunnel,
                       const struct config_tunnel *notes)
{
    const struct config *config = loader->config;
    uint32_t mask = config->mark ? config->mark_mask : NETWORK_MARK_MASK;
    uint32_t mark = config->mark ? config->mark & mask : NETWORK_MARK;
    if ((tunnel->fwmark & mask) != mark)
        config_messages_add(loader->messages, CONFIG_ERROR, place_of(notes, KEYWORD_FWMARK),
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
