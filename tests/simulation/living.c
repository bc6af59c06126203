/* SPDX-License-Identifier: MIT */
#include "simulation/living.h"

#include "engine/tree_description.h"

struct prefix living_prefix(const char *text)
{
    struct prefix parsed;
    CHECK(prefix_parse(text, &parsed));
    return parsed;
}

int living_apply(struct sim_host *host, const struct change *list, size_t count, struct text *why)
{
    const struct changes changes = {.list = list, .count = count};
    int error = engine_apply(host->engine, &changes, host->sim->now, why);
    host->is_dirty = true;
    return error;
}

int living_try_and_apply(struct engine *engine, const struct changes *changes, instant_ns now)
{
    struct text why = TEXT_ROOM(512), foreseen = TEXT_ROOM(512);
    struct network_description before, after;
    CHECK(engine_describe(engine, tap_memory(), &before));
    int would_be = engine_try(engine, changes, &foreseen);
    CHECK(engine_describe(engine, tap_memory(), &after));
    CHECK(living_are_equal(&before, &after));
    tree_description_forget(tap_memory(), &after);
    int error = engine_apply(engine, changes, now, &why);
    CHECK_EQUAL(error, would_be);
    if (error != 0) {
        CHECK(engine_describe(engine, tap_memory(), &after));
        CHECK(living_are_equal(&before, &after));
        CHECK_TEXT(why.bytes, foreseen.bytes);
        CHECK(why.len > 0);
        tree_description_forget(tap_memory(), &after);
    }
    tree_description_forget(tap_memory(), &before);
    return error;
}

void living_apply_one(struct sim_host *host, const struct change *change)
{
    struct text why = TEXT_ROOM(512);
    CHECK_EQUAL(living_apply(host, change, 1, &why), 0);
    CHECK_TEXT(why.bytes, "");
}

void living_refuse(struct sim_host *host, const struct change *change, int error,
                   const char *expected)
{
    struct text why = TEXT_ROOM(512);
    CHECK_EQUAL(living_apply(host, change, 1, &why), error);
    CHECK_TEXT(why.bytes, expected);
}

/* ---- descriptions ---- */

static bool are_equal_lists(const void *a, size_t a_count, const void *b, size_t b_count,
                            size_t bytes)
{
    return a_count == b_count && (a_count == 0 || memcmp(a, b, a_count * bytes) == 0);
}

static bool are_equal_peers(const struct peer_description *a, const struct peer_description *b)
{
    return memcmp(a->public_key, b->public_key, 32) == 0 &&
           memcmp(a->preshared_key, b->preshared_key, 32) == 0 &&
           a->has_endpoint == b->has_endpoint &&
           (!a->has_endpoint || endpoint_is_equal(&a->endpoint, &b->endpoint)) &&
           !a->endpoint_name == !b->endpoint_name &&
           (!a->endpoint_name || (strcmp(a->endpoint_name, b->endpoint_name) == 0 &&
                                  a->endpoint.port == b->endpoint.port)) &&
           a->persistent_keepalive_s == b->persistent_keepalive_s &&
           are_equal_lists(a->allowed_ips, a->allowed_ips_count, b->allowed_ips,
                           b->allowed_ips_count, sizeof(*a->allowed_ips));
}

static bool are_equal_tunnels(const struct tunnel_description *a,
                              const struct tunnel_description *b)
{
    bool are_equal =
        strcmp(a->name, b->name) == 0 && a->carrier == b->carrier &&
        memcmp(a->private_key + 1, b->private_key + 1, 30) == 0 && /* the ends are clamped */
        are_equal_lists(a->addresses, a->address_count, b->addresses, b->address_count,
                        sizeof(*a->addresses)) &&
        are_equal_lists(a->dns, a->dns_count, b->dns, b->dns_count, sizeof(*a->dns)) &&
        a->listen_port == b->listen_port && a->fwmark == b->fwmark &&
        a->mtu_bytes == b->mtu_bytes && a->mtu_is_upper_bound == b->mtu_is_upper_bound &&
        a->nat_is_off == b->nat_is_off && a->routes_are_default == b->routes_are_default &&
        are_equal_lists(a->routes, a->route_count, b->routes, b->route_count,
                        sizeof(*a->routes)) &&
        are_equal_lists(a->route_exceptions, a->route_exception_count, b->route_exceptions,
                        b->route_exception_count, sizeof(*a->routes)) &&
        a->peer_count == b->peer_count;
    for (size_t i = 0; are_equal && i < a->peer_count; i++)
        are_equal = are_equal_peers(&a->peers[i], &b->peers[i]);
    return are_equal;
}

bool living_are_equal(const struct network_description *a,
                               const struct network_description *b)
{
    bool are_equal = a->tunnel_count == b->tunnel_count && a->link_mtu_bytes == b->link_mtu_bytes &&
                     address_is_equal(&a->nat_ipv4, &b->nat_ipv4) &&
                     address_is_equal(&a->nat_ipv6, &b->nat_ipv6);
    for (size_t i = 0; are_equal && i < a->tunnel_count; i++)
        are_equal = are_equal_tunnels(&a->tunnels[i], &b->tunnels[i]);
    return are_equal;
}

struct network_description living_describe(const struct sim_host *host)
{
    struct network_description description;
    CHECK(engine_describe(host->engine, tap_memory(), &description));
    return description;
}

/* ---- traffic ---- */

void living_talk(struct office *office, const char *destination, struct sim_host *host,
                 const char *source, uint32_t serial)
{
    const struct sample sample = office_sample(destination, 200, serial);
    sim_send(office->client, &sample);
    sim_run(office->sim, SIM_S);
    office_expect(host, &sample, source);
}

struct peer_description living_peer(unsigned key)
{
    struct peer_description peer = {.persistent_keepalive_s = 0};
    sim_public_key(key, peer.public_key);
    return peer;
}
