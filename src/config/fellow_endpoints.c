/* SPDX-License-Identifier: MIT */
#include "config/fellow_endpoints.h"

/* A peer with a literal endpoint, and where its line is. */
struct spot {
    struct loader *loader;
    const struct tunnel_description *tunnel;
    size_t index; /* of the tunnel */
    size_t peer;
    const struct config_place *place;
    char text[ADDRESS_TEXT_BYTES]; /* of the endpoint's address */
};

static const struct address *address_of(const struct tunnel_description *tunnel, size_t peer)
{
    return &tunnel->peers[peer].endpoint.address;
}

/* The fellow of a peer with a literal endpoint; what a name becomes is not known yet. */
static int fellow_of(const struct tunnel_description *tunnel, size_t peer)
{
    return tunnel->peers[peer].has_endpoint
               ? description_fellow_of(tunnel, peer, address_of(tunnel, peer))
               : NETWORK_FELLOW_NONE;
}

/* Following the fellows from this peer comes back to it, and it is the first of those it passes. */
static bool opens_circle(const struct tunnel_description *tunnel, size_t peer)
{
    int at = fellow_of(tunnel, peer);
    for (size_t steps = 0; at >= 0 && steps < tunnel->peer_count; steps++) {
        if (at == (int)peer)
            return true;
        if (at < (int)peer)
            return false;
        at = fellow_of(tunnel, (size_t)at);
    }
    return false;
}

static size_t count_hops(const struct tunnel_description *tunnel, size_t peer)
{
    size_t hops = 1;
    for (int at = fellow_of(tunnel, peer); at >= 0 && hops <= NETWORK_LEVELS_MOST; hops++)
        at = fellow_of(tunnel, (size_t)at);
    return hops;
}

static bool has_family(const struct tunnel_description *tunnel, enum family family)
{
    for (size_t i = 0; i < tunnel->address_count; i++)
        if (tunnel->addresses[i].family == family)
            return true;
    return false;
}

static void check_fellow(const struct spot *spot, int fellow)
{
    const struct tunnel_description *tunnel = spot->tunnel;
    struct config_messages *messages = spot->loader->messages;
    enum family family = (enum family)address_of(tunnel, spot->peer)->family;
    char where[CONFIG_PLACE_BYTES];
    const struct config_place *other =
        &spot->loader->config->tunnels[spot->index].peers[fellow].given[KEYWORD_ALLOWED_IPS];
    config_messages_place(other, where);
    if (opens_circle(tunnel, spot->peer))
        config_messages_add(messages, CONFIG_ERROR, spot->place,
                            "%s is in the AllowedIPs of %s, so that peer would carry this one, "
                            "which carries it in turn: a circle; take one of the endpoints out of "
                            "the other peer's AllowedIPs (0.0.0.0/0 and ::/0 carry none)",
                            spot->text, where);
    else if (count_hops(tunnel, spot->peer) > NETWORK_LEVELS_MOST)
        config_messages_add(messages, CONFIG_ERROR, spot->place,
                            "%s is behind more than %d peers, each in the AllowedIPs of the next; "
                            "shorten the path",
                            spot->text, NETWORK_LEVELS_MOST - 1);
    else if (!has_family(tunnel, family))
        config_messages_add(messages, CONFIG_ERROR, spot->place,
                            "%s is in the AllowedIPs of %s, so that peer carries this one, and "
                            "\"%s\" has no IPv%d address to send from; add one to Address, or "
                            "write an endpoint of the other family",
                            spot->text, where, tunnel->name, family);
}

/* wg-quick's routes would nest tunnels, too: with marks these go straight. */
static void tell_of_tunnel(const struct spot *spot, size_t other)
{
    const struct network_description *network = &spot->loader->config->network;
    const struct tunnel_description *owner = &network->tunnels[other];
    if (other == spot->index || description_rides(network, other, spot->index) ||
        description_fellow_of(owner, owner->peer_count, address_of(spot->tunnel, spot->peer)) < 0)
        return;
    config_messages_add(spot->loader->messages, CONFIG_NOTICE, spot->place,
                        "%s is in the AllowedIPs of \"%s\" as well, and is reached past it all the "
                        "same: write Via = %s in \"%s\" to reach it inside",
                        spot->text, owner->name, owner->name, spot->tunnel->name);
}

void fellow_endpoints_check(struct loader *loader)
{
    const struct config *config = loader->config;
    const struct network_description *network = &config->network;
    for (size_t i = 0; i < network->tunnel_count; i++) {
        const struct tunnel_description *tunnel = &network->tunnels[i];
        for (size_t p = 0; p < tunnel->peer_count; p++) {
            struct spot spot = {.loader = loader,
                                .tunnel = tunnel,
                                .index = i,
                                .peer = p,
                                .place = &config->tunnels[i].peers[p].given[KEYWORD_ENDPOINT]};
            if (!tunnel->peers[p].has_endpoint)
                continue;
            address_format(address_of(tunnel, p), spot.text);
            int fellow = fellow_of(tunnel, p);
            if (fellow == NETWORK_FELLOW_ITSELF)
                config_messages_add(loader->messages, CONFIG_ERROR, spot.place,
                                    "%s is in the AllowedIPs of another peer, which would carry "
                                    "this one, but this one's own have it too, and go before; take "
                                    "it out of one of them",
                                    spot.text);
            else if (fellow >= 0)
                check_fellow(&spot, fellow);
            for (size_t other = 0; fellow == NETWORK_FELLOW_NONE && other < network->tunnel_count &&
                                   tunnel->carrier == TUNNEL_NO_CARRIER;
                 other++)
                tell_of_tunnel(&spot, other);
        }
    }
}
