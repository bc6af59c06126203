/* SPDX-License-Identifier: MIT */
/* Random configurations A and B: what A becomes by difference(A, B), applied by a naive twin of the
 * engine that holds each change to its promises, is B (RULES I2). */
#include "config/difference.h"

#include <string.h>

#include "tap.h"

#define NAMES 6
#define KEYS 6
#define PREFIXES 8
#define VALUES 3 /* that a field may have */
#define ROUNDS 3000
#define NONE (-1)

/* What a network is, as small numbers: a value's number, or NONE. */
struct model_peer {
    bool is_there;
    int preshared_key, endpoint, keepalive;
};

struct model_tunnel {
    bool is_there;
    int carrier; /* its name's number */
    int private_key, port, mark, addresses, dns, mtu, nat, routes;
    struct model_peer peers[KEYS];
    int owner[PREFIXES]; /* the peer that the prefix is allowed to */
};

struct model {
    struct model_tunnel tunnels[NAMES];
    int order[2 * NAMES]; /* of the names */
    size_t count;
    int nat_ipv4;
};

static int below(int count)
{
    return (int)tap_random_below((uint64_t)count);
}

/* ---- a random configuration ---- */

static struct address address_of(int number)
{
    return (struct address){.family = FAMILY_IPV4, .bytes = {192, 0, 2, (uint8_t)(number + 1)}};
}

static struct prefix prefix_of(int number)
{
    return (struct prefix){{.family = FAMILY_IPV4, .bytes = {10, (uint8_t)number}}, 16};
}

static struct address *some_addresses(struct arena *arena, size_t *count)
{
    struct address *addresses = arena_take(arena, sizeof(*addresses));
    int value = below(VALUES);
    *count = value > 0;
    addresses[0] = address_of(value);
    return addresses;
}

static void make_peer(struct arena *arena, struct peer_description *peer, int key)
{
    static char names[][10] = {"a.example", "b.example"};
    int endpoint = below(5);
    memset(peer->public_key, key + 1, 32);
    memset(peer->preshared_key, below(VALUES), 32);
    peer->persistent_keepalive_s = (uint16_t)below(VALUES);
    peer->allowed_ips = arena_take(arena, PREFIXES * sizeof(*peer->allowed_ips));
    for (int i = 0; i < PREFIXES; i++)
        if (below(4) == 0)
            peer->allowed_ips[peer->allowed_ips_count++] = prefix_of(i);
    if (endpoint == 0)
        return;
    peer->endpoint.port = (uint16_t)endpoint;
    peer->has_endpoint = endpoint < 3;
    if (peer->has_endpoint)
        peer->endpoint.address = address_of(endpoint);
    else
        peer->endpoint_name = names[endpoint - 3];
}

static void make_tunnel(struct arena *arena, struct tunnel_description *tunnel,
                        struct config_tunnel *notes, int name)
{
    snprintf(tunnel->name, sizeof(tunnel->name), "t%d", name);
    memset(tunnel->private_key, below(VALUES) + 1, 32);
    tunnel->listen_port = (uint16_t)below(VALUES);
    tunnel->fwmark = (uint32_t)below(VALUES);
    tunnel->addresses = some_addresses(arena, &tunnel->address_count);
    tunnel->dns = some_addresses(arena, &tunnel->dns_count);
    tunnel->mtu_bytes = (uint32_t)below(VALUES);
    tunnel->mtu_is_upper_bound = below(2);
    tunnel->nat_is_off = below(2);
    tunnel->routes_are_default = below(2);
    tunnel->routes = arena_take(arena, sizeof(*tunnel->routes));
    tunnel->routes[0] = prefix_of(below(VALUES));
    tunnel->route_count = (size_t)below(2);
    tunnel->route_exceptions = arena_take(arena, sizeof(*tunnel->route_exceptions));
    tunnel->route_exceptions[0] = prefix_of(below(VALUES));
    tunnel->route_exception_count = (size_t)below(2);
    tunnel->peers = arena_take(arena, KEYS * sizeof(*tunnel->peers));
    notes->peers = arena_take(arena, KEYS * sizeof(*notes->peers));
    notes->place = (struct config_place){.file = "x.conf", .line = 1};
    for (int start = below(KEYS), i = 0; i < KEYS; i++) /* in different orders */
        if (below(2))
            make_peer(arena, &tunnel->peers[tunnel->peer_count++], (start + i) % KEYS);
}

static struct config *make(struct arena *arena)
{
    struct config *config = arena_take(arena, sizeof(*config));
    struct network_description *network = &config->network;
    network->tunnels = arena_take(arena, NAMES * sizeof(*network->tunnels));
    config->tunnels = arena_take(arena, NAMES * sizeof(*config->tunnels));
    snprintf(config->interface_name, sizeof(config->interface_name), "hop0");
    network->nat_ipv4 = address_of(below(VALUES));
    config->has_kill_switch = below(2);
    int start = below(NAMES);
    for (int i = 0; i < NAMES; i++) {
        if (below(3) == 0 && (network->tunnel_count || i < NAMES - 1))
            continue;
        size_t at = network->tunnel_count++;
        make_tunnel(arena, &network->tunnels[at], &config->tunnels[at], (start + i) % NAMES);
    }
    /* Each inside one of a random order before it, so that carriers stand in front and behind. */
    size_t order[NAMES] = {0};
    for (size_t i = 0; i < network->tunnel_count; i++) {
        size_t other = (size_t)below((int)i + 1);
        order[i] = order[other];
        order[other] = i;
    }
    for (size_t i = 0; i < network->tunnel_count; i++)
        network->tunnels[order[i]].carrier =
            i == 0 || below(3) == 0 ? TUNNEL_NO_CARRIER : (int)order[below((int)i)];
    return config;
}

/* ---- what it means ---- */

static int name_of(const char *name)
{
    return name ? name[1] - '0' : NONE;
}

static int key_of(const struct peer_description *peer)
{
    return peer->public_key[0] - 1;
}

static int number_of(const struct prefix *prefix)
{
    return prefix->address.bytes[1];
}

static int list_value(const struct address *addresses, size_t count)
{
    return count ? addresses[0].bytes[3] : 0;
}

static int routes_value(const struct tunnel_description *tunnel)
{
    int routes = tunnel->route_count ? number_of(&tunnel->routes[0]) + 1 : 0;
    int exceptions = tunnel->route_exception_count ? number_of(tunnel->route_exceptions) + 1 : 0;
    return (routes * 4 + exceptions) * 2 + tunnel->routes_are_default;
}

static void set_tunnel(struct model_tunnel *tunnel, unsigned fields, int carrier,
                       const struct tunnel_description *from)
{
    if (fields & CHANGE_PRIVATE_KEY)
        tunnel->private_key = from->private_key[0];
    if (fields & CHANGE_LISTEN_PORT)
        tunnel->port = from->listen_port;
    if (fields & CHANGE_FWMARK)
        tunnel->mark = (int)from->fwmark;
    if (fields & CHANGE_CARRIER)
        tunnel->carrier = carrier;
    if (fields & CHANGE_ADDRESSES)
        tunnel->addresses = list_value(from->addresses, from->address_count);
    if (fields & CHANGE_DNS)
        tunnel->dns = list_value(from->dns, from->dns_count);
    if (fields & CHANGE_MTU)
        tunnel->mtu = (int)from->mtu_bytes * 2 + from->mtu_is_upper_bound;
    if (fields & CHANGE_NAT)
        tunnel->nat = !from->nat_is_off;
    if (fields & CHANGE_ROUTES)
        tunnel->routes = routes_value(from);
}

static void set_peer(struct model_tunnel *tunnel, unsigned fields,
                     const struct peer_description *from)
{
    struct model_peer *peer = &tunnel->peers[key_of(from)];
    if (!peer->is_there)
        *peer = (struct model_peer){.is_there = true};
    if (fields & CHANGE_PRESHARED_KEY)
        peer->preshared_key = from->preshared_key[0];
    if (fields & CHANGE_ENDPOINT)
        peer->endpoint = from->has_endpoint || from->endpoint_name
                             ? from->endpoint.port + (from->has_endpoint ? 0 : 10)
                             : 0;
    if (fields & CHANGE_KEEPALIVE)
        peer->keepalive = from->persistent_keepalive_s;
}

/* As the engine makes it from the whole. */
static void add_tunnel(struct model *model, int name, int carrier,
                       const struct tunnel_description *from)
{
    struct model_tunnel *tunnel = &model->tunnels[name];
    *tunnel = (struct model_tunnel){.is_there = true};
    for (int i = 0; i < PREFIXES; i++)
        tunnel->owner[i] = NONE;
    set_tunnel(tunnel, ~0u, carrier, from);
    for (size_t i = 0; i < from->peer_count; i++) {
        const struct peer_description *peer = &from->peers[i];
        set_peer(tunnel, ~0u, peer);
        for (size_t p = 0; p < peer->allowed_ips_count; p++)
            tunnel->owner[number_of(&peer->allowed_ips[p])] = key_of(peer);
    }
    model->order[model->count++] = name;
}

static struct model model_of(const struct network_description *network)
{
    struct model model = {.nat_ipv4 = network->nat_ipv4.bytes[3]};
    for (size_t i = 0; i < network->tunnel_count; i++) {
        int carrier = network->tunnels[i].carrier;
        add_tunnel(&model, name_of(network->tunnels[i].name),
                   carrier == TUNNEL_NO_CARRIER ? NONE : name_of(network->tunnels[carrier].name),
                   &network->tunnels[i]);
    }
    return model;
}

/* ---- the naive engine ---- */

static void remove_peer(struct model_tunnel *tunnel, int key)
{
    tunnel->peers[key] = (struct model_peer){0};
    for (int i = 0; i < PREFIXES; i++)
        if (tunnel->owner[i] == key)
            tunnel->owner[i] = NONE;
}

static void remove_tunnel(struct model *model, int name)
{
    size_t kept = 0;
    for (int i = 0; i < NAMES; i++)
        CHECK(!model->tunnels[i].is_there || model->tunnels[i].carrier != name);
    model->tunnels[name] = (struct model_tunnel){0};
    for (size_t i = 0; i < model->count; i++)
        if (model->order[i] != name)
            model->order[kept++] = model->order[i];
    model->count = kept;
}

static void allow(struct model_tunnel *tunnel, const struct change *change)
{
    int key = key_of(change->peer);
    for (size_t i = 0; i < change->allowed_ips_count; i++) {
        int *owner = &tunnel->owner[number_of(&change->allowed_ips[i].prefix)];
        if (!change->allowed_ips[i].is_removed)
            *owner = key;
        else if (*owner == key)
            *owner = NONE;
    }
}

static void check_carrier(const struct model *model, int name)
{
    int at = model->tunnels[name].carrier, depth = 1;
    for (; at != NONE && depth <= NAMES && model->tunnels[at].is_there; depth++)
        at = model->tunnels[at].carrier;
    CHECK(at == NONE); /* its way ends */
}

static void apply(struct model *model, const struct change *change)
{
    int name = name_of(change->tunnel), carrier = name_of(change->carrier);
    struct model_tunnel *tunnel = &model->tunnels[name];
    CHECK_EQUAL(tunnel->is_there, change->kind != CHANGE_TUNNEL_ADD);
    switch (change->kind) {
    case CHANGE_TUNNEL_ADD:
        add_tunnel(model, name, carrier, change->description);
        check_carrier(model, name);
        break;
    case CHANGE_TUNNEL_REMOVE:
        remove_tunnel(model, name);
        break;
    case CHANGE_TUNNEL_SET:
        CHECK(change->fields != 0);
        set_tunnel(tunnel, change->fields, carrier, change->description);
        check_carrier(model, name);
        break;
    case CHANGE_PEER_SET:
        CHECK(change->fields != 0 || change->allowed_ips_count > 0 ||
              !tunnel->peers[key_of(change->peer)].is_there);
        set_peer(tunnel, change->fields, change->peer);
        allow(tunnel, change);
        break;
    case CHANGE_PEER_REMOVE:
        CHECK(tunnel->peers[key_of(change->peer)].is_there);
        remove_peer(tunnel, key_of(change->peer));
        break;
    case CHANGE_PEERS_REMOVE:
        CHECK(false);
    }
}

static void set_order(struct model *model, const struct changes *changes)
{
    if (changes->order_count == 0)
        return;
    CHECK_EQUAL(changes->order_count, model->count);
    for (size_t i = 0; i < changes->order_count; i++)
        model->order[i] = name_of(changes->order[i]);
}

/* True: it was applied. */
static bool try_pair(struct arena *arena)
{
    struct config_messages messages;
    struct difference difference, nothing;
    struct config *before = make(arena), *after = make(arena);
    struct model model = model_of(&before->network), wanted = model_of(&after->network);
    config_messages_init(&messages, tap_memory());
    CHECK(difference_find(&nothing, arena, after, after, &after->network, "x.conf", &messages));
    CHECK(!changes_are_any(&nothing.changes) && !nothing.has_hooks &&
          nothing.line_count == 0);
    bool is_possible = difference_find(&difference, arena, before, after, &before->network,
                                       "x.conf", &messages);
    CHECK_EQUAL(is_possible, messages.errors == 0);
    for (size_t i = 0; is_possible && i < difference.changes.count; i++)
        apply(&model, &difference.changes.list[i]);
    if (is_possible) {
        if (difference.changes.has_nat)
            model.nat_ipv4 = difference.changes.nat_ipv4.bytes[3];
        CHECK(memcmp(model.tunnels, wanted.tunnels, sizeof(model.tunnels)) == 0);
        CHECK_EQUAL(model.nat_ipv4, wanted.nat_ipv4);
        set_order(&model, &difference.changes);
        CHECK_EQUAL(model.count, wanted.count);
        CHECK(memcmp(model.order, wanted.order, wanted.count * sizeof(int)) == 0);
        CHECK(difference.line_count >= difference.changes.count);
    }
    config_messages_wipe(&messages);
    return is_possible;
}

static void test_i2_the_difference_of_two_leads_from_one_to_the_other(void)
{
    int applied = 0;
    for (int i = 0; i < ROUNDS; i++) {
        struct arena arena;
        arena_init(&arena, tap_memory());
        applied += try_pair(&arena);
        arena_wipe(&arena);
    }
    CHECK(applied > ROUNDS / 4);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_i2_the_difference_of_two_leads_from_one_to_the_other);
    return tap_done();
}
