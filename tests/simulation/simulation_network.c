/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "crypto/x25519.h"
#include "simulation/simulation.h"

void sim_private_key(unsigned number, uint8_t key[32])
{
    memset(key, (int)number + 1, 32);
    x25519_clamp(key);
    key[8] = (uint8_t)(number >> 8);
}

void sim_public_key(unsigned number, uint8_t key[32])
{
    uint8_t private_key[32];
    sim_private_key(number, private_key);
    x25519_public(key, private_key);
}

void sim_network_init(struct sim_network *network)
{
    memset(network, 0, sizeof(*network));
    network->description.tunnels = network->tunnels;
}

/* The next word of a list, or false. */
static bool next_word(const char **list, char word[64])
{
    size_t len = 0;
    while (**list == ' ')
        (*list)++;
    while (**list && **list != ' ' && len < 63)
        word[len++] = *(*list)++;
    word[len] = '\0';
    return len > 0;
}

int sim_add_tunnel(struct sim_network *network, const char *name, int carrier, unsigned key,
                   const char *addresses)
{
    int index = (int)network->description.tunnel_count++;
    struct tunnel_description *tunnel = &network->tunnels[index];
    char word[64];
    snprintf(tunnel->name, sizeof(tunnel->name), "%s", name);
    tunnel->carrier = carrier;
    sim_private_key(key, tunnel->private_key);
    tunnel->addresses = &network->addresses[network->address_count];
    tunnel->peers = network->peers[index];
    tunnel->routes_are_default = true;
    while (next_word(&addresses, word)) {
        struct address address = sample_address(word);
        struct address *nat = address.family == FAMILY_IPV4 ? &network->description.nat_ipv4
                                                            : &network->description.nat_ipv6;
        network->addresses[network->address_count++] = address;
        tunnel->address_count++;
        if (!nat->family)
            *nat = address;
    }
    return index;
}

static struct prefix add_prefix(struct sim_network *network, const char *text)
{
    struct prefix prefix = {0};
    CHECK(prefix_parse(text, &prefix) && !prefix_mask(&prefix));
    network->prefixes[network->prefix_count++] = prefix;
    return prefix;
}

struct peer_description *sim_add_peer(struct sim_network *network, int tunnel, unsigned key,
                                      const char *allowed_ips, const char *endpoint)
{
    struct tunnel_description *owner = &network->tunnels[tunnel];
    struct peer_description *peer = &owner->peers[owner->peer_count++];
    char word[64];
    sim_public_key(key, peer->public_key);
    peer->allowed_ips = &network->prefixes[network->prefix_count];
    while (next_word(&allowed_ips, word)) {
        add_prefix(network, word);
        peer->allowed_ips_count++;
    }
    if (endpoint) {
        peer->has_endpoint = true;
        peer->endpoint = sample_endpoint(endpoint);
    }
    return peer;
}

void sim_set_routes(struct sim_network *network, int index, const char *routes)
{
    struct tunnel_description *tunnel = &network->tunnels[index];
    const char *again = routes;
    char word[64];
    tunnel->routes_are_default = false;
    tunnel->routes = &network->prefixes[network->prefix_count];
    while (next_word(&routes, word)) {
        if (word[0] == '!')
            continue;
        add_prefix(network, word);
        tunnel->route_count++;
    }
    tunnel->route_exceptions = &network->prefixes[network->prefix_count];
    while (next_word(&again, word)) {
        if (word[0] != '!')
            continue;
        add_prefix(network, word + 1);
        tunnel->route_exception_count++;
    }
}

void sim_set_nat_off(struct sim_network *network, int tunnel)
{
    network->tunnels[tunnel].nat_is_off = true;
}
