/* SPDX-License-Identifier: MIT */
#include "simulation/changing.h"

#include <stdio.h>

#define ADDRESSES 8

static const char *const names[CHANGING_NAMES] = {"one", "two", "three", "four", "five"};

unsigned changing_below(const struct random_source *random, unsigned below)
{
    uint8_t drawn;
    random->fill(random->context, &drawn, 1);
    return drawn % below;
}

struct address changing_address(const struct random_source *random)
{
    struct address address = {.family = FAMILY_IPV4};
    if (changing_below(random, 4) == 0)
        address.family = FAMILY_IPV6;
    address.bytes[0] = changing_below(random, 4) ? 10 : 130;
    address.bytes[family_bytes((enum family)address.family) - 1] =
        (uint8_t)(1 + changing_below(random, ADDRESSES));
    return address;
}

/* Hardly a default route: where one changes hands everything is found anew. */
static struct prefix draw_prefix(const struct random_source *random)
{
    static const uint8_t lengths[] = {8, 8, 27, 28, 29, 30, 31, 32, 32};
    struct prefix prefix = {.address = changing_address(random)};
    prefix.len_bits = lengths[changing_below(random, sizeof(lengths))];
    if (changing_below(random, 20) == 0)
        prefix.len_bits = (uint8_t)changing_below(random, 2);
    if (prefix.address.family == FAMILY_IPV6 && prefix.len_bits > 8)
        prefix.len_bits = (uint8_t)(prefix.len_bits + 96);
    prefix_mask(&prefix);
    return prefix;
}

static size_t draw_prefixes(const struct random_source *random, struct prefix *prefixes,
                            unsigned most)
{
    size_t count = changing_below(random, most + 1);
    for (size_t i = 0; i < count; i++)
        prefixes[i] = draw_prefix(random);
    return count;
}

static void draw_peer(const struct random_source *random, struct changing_pieces *pieces,
                      unsigned number)
{
    struct peer_description *peer = &pieces->peers[number];
    *peer = (struct peer_description){.has_endpoint = changing_below(random, 3) > 0};
    sim_public_key(CHANGING_PEER_KEY + changing_below(random, CHANGING_PEER_KEYS),
                   peer->public_key);
    if (peer->has_endpoint)
        peer->endpoint = (struct endpoint){.address = changing_address(random), .port = 7};
    else if (changing_below(random, 2))
        peer->endpoint_name = (char *)"relay.example";
    peer->preshared_key[3] = (uint8_t)changing_below(random, 3);
    peer->persistent_keepalive_s = (uint16_t)changing_below(random, 3);
    peer->allowed_ips = pieces->prefixes[number];
    peer->allowed_ips_count = draw_prefixes(random, peer->allowed_ips, 4);
}

static void draw_tunnel(const struct random_source *random, struct changing_pieces *pieces,
                        unsigned name, bool keys_are_apart)
{
    static const uint32_t mtus[] = {0, 0, 0, 1280, 1400, 2000};
    struct tunnel_description *tunnel = &pieces->tunnel;
    *tunnel = (struct tunnel_description){.addresses = pieces->addresses, .dns = pieces->dns,
                                          .routes = pieces->prefixes[2],
                                          .route_exceptions = pieces->prefixes[2] + 2,
                                          .peers = pieces->peers};
    snprintf(tunnel->name, sizeof(tunnel->name), "%s", names[name]);
    unsigned own = CHANGING_OWN_KEY + name * CHANGING_VARIANTS +
                   changing_below(random, CHANGING_VARIANTS);
    unsigned anyones = CHANGING_PEER_KEY + changing_below(random, CHANGING_PEER_KEYS);
    sim_private_key(keys_are_apart ? own : anyones, tunnel->private_key);
    tunnel->address_count = changing_below(random, 3);
    for (size_t i = 0; i < 2; i++)
        pieces->addresses[i] = changing_address(random);
    tunnel->dns_count = changing_below(random, 2);
    pieces->dns[0] = changing_address(random);
    tunnel->listen_port =
        changing_below(random, 3) ? 0 : (uint16_t)(61000 + changing_below(random, 3));
    tunnel->mtu_bytes = mtus[changing_below(random, 6)];
    tunnel->nat_is_off = changing_below(random, 3) == 0;
    tunnel->routes_are_default = changing_below(random, 3) > 0;
    tunnel->route_exception_count = draw_prefixes(random, tunnel->route_exceptions, 2);
    tunnel->route_count =
        tunnel->routes_are_default ? 0 : draw_prefixes(random, tunnel->routes, 2);
    tunnel->peer_count = changing_below(random, 3);
    for (unsigned i = 0; i < 2; i++)
        draw_peer(random, pieces, i);
}

static void draw_change(const struct random_source *random, struct change *change,
                        struct changing_pieces *pieces, bool keys_are_apart)
{
    static const enum change_kind kinds[] = {
        CHANGE_TUNNEL_ADD, CHANGE_TUNNEL_ADD, CHANGE_TUNNEL_REMOVE, CHANGE_TUNNEL_SET,
        CHANGE_TUNNEL_SET, CHANGE_PEER_SET,   CHANGE_PEER_SET,      CHANGE_PEER_SET,
        CHANGE_PEER_SET,   CHANGE_PEER_SET,   CHANGE_PEER_REMOVE,   CHANGE_PEERS_REMOVE};
    unsigned name = changing_below(random, CHANGING_NAMES);
    *pieces = (struct changing_pieces){.tunnel = {.mtu_bytes = 0}};
    draw_tunnel(random, pieces, name, keys_are_apart);
    *change = (struct change){.tunnel = names[name],
                              .description = &pieces->tunnel,
                              .peer = &pieces->peers[0],
                              .allowed_ips = pieces->allowed_ips};
    /* One by one: within an initializer each compiler has an order of its own. */
    change->kind = kinds[changing_below(random, 12)];
    change->fields = changing_below(random, 256);
    change->fields |= changing_below(random, 2) ? (unsigned)CHANGE_ROUTES : 0;
    if (changing_below(random, 2))
        change->carrier = names[changing_below(random, CHANGING_NAMES)];
    change->allowed_ips_count = changing_below(random, 5);
    for (unsigned i = 0; i < 4; i++) {
        pieces->allowed_ips[i].prefix = draw_prefix(random);
        pieces->allowed_ips[i].is_removed = changing_below(random, 4) == 0;
    }
    if (change->kind == CHANGE_TUNNEL_SET && changing_below(random, 2))
        change->fields &= ~(unsigned)CHANGE_CARRIER;
}

/* Of all names, those of no tunnel, too. */
static void draw_order(const struct random_source *random, const char *order[CHANGING_NAMES])
{
    for (unsigned i = 0; i < CHANGING_NAMES; i++) {
        unsigned other = changing_below(random, i + 1);
        order[i] = order[other];
        order[other] = names[i];
    }
}

void changing_draw(struct changing *changing, const struct random_source *random,
                   bool keys_are_apart)
{
    size_t count = 1 + changing_below(random, CHANGING_AT_ONCE);
    for (size_t i = 0; i < count; i++)
        draw_change(random, &changing->list[i], &changing->pieces[i], keys_are_apart);
    changing->changes = (struct changes){
        .list = changing->list, .count = count, .nat_ipv4 = sample_address("10.0.0.3")};
    changing->changes.has_nat = changing_below(random, 8) == 0;
    if (changing_below(random, 4))
        return;
    draw_order(random, changing->order);
    changing->changes.order = changing->order;
    changing->changes.order_count = CHANGING_NAMES;
}

static int add_tunnel(struct sim_network *network, unsigned name, int carrier,
                      const char *addresses)
{
    return sim_add_tunnel(network, names[name], carrier,
                          CHANGING_OWN_KEY + name * CHANGING_VARIANTS, addresses);
}

void changing_init_network(struct sim_network *network)
{
    sim_network_init(network);
    int one = add_tunnel(network, 0, TUNNEL_NO_CARRIER, "10.0.0.1 a00::1");
    int two = add_tunnel(network, 1, one, "10.0.0.2 a00::2");
    int three = add_tunnel(network, 2, two, "10.0.0.3");
    int four = add_tunnel(network, 3, TUNNEL_NO_CARRIER, "130.0.0.4 8200::4");
    int five = add_tunnel(network, 4, four, "10.0.0.6");
    sim_add_peer(network, one, CHANGING_PEER_KEY, "10.0.0.0/8 130.0.0.0/8 a00::/8 8200::/8",
                 "130.0.0.1:7");
    sim_add_peer(network, two, CHANGING_PEER_KEY + 1, "10.0.0.0/28 130.0.0.0/28 a00::/120",
                 "130.0.0.2:7");
    sim_add_peer(network, three, CHANGING_PEER_KEY + 2, "10.0.0.0/29 8200::/125", "10.0.0.4:7");
    sim_add_peer(network, three, CHANGING_PEER_KEY + 3, "130.0.0.4/30", "10.0.0.5:7");
    sim_add_peer(network, four, CHANGING_PEER_KEY + 4, "130.0.0.0/27", "10.0.0.7:7");
    sim_add_peer(network, four, CHANGING_PEER_KEY + 5, "10.0.0.0/27", "130.0.0.6:7");
    sim_add_peer(network, five, CHANGING_PEER_KEY, "10.0.0.4/31", "130.0.0.7:7");
}
