/* SPDX-License-Identifier: MIT */
#include "simulation/alike.h"

#include <stdio.h>

#include "engine/lanes.h"
#include "engine/scope.h"
#include "simulation/changing.h"

#define ROOT_MTU_BYTES 1420

void alike_set_root_mtus(struct engine *engine)
{
    for (int i = -1; (i = engine_next_tunnel(engine, i)) >= 0;) {
        struct status_tunnel tunnel;
        status_read_tunnel(engine, (uint32_t)i, &tunnel);
        if (tunnel.carrier < 0)
            engine_set_root_mtu(engine, (uint32_t)i, ROOT_MTU_BYTES);
    }
}

static const char *name_of(const struct engine *engine, int tunnel)
{
    struct status_tunnel status = {.name = ""};
    if (tunnel >= 0)
        status_read_tunnel(engine, (uint32_t)tunnel, &status);
    return status.name;
}

struct walked {
    const struct engine *engine;
    size_t count;
    struct prefix prefixes[200];
    const char *winners[200];
};

static void walk(void *context, const struct prefix *prefix, int tunnel)
{
    struct walked *walked = context;
    if (!CHECK(walked->count < 200))
        return;
    walked->prefixes[walked->count] = *prefix;
    walked->winners[walked->count++] =
        tunnel == ROUTES_THROW ? "throw" : name_of(walked->engine, tunnel);
}

static bool have_equal_routes(const struct engine *a, const struct engine *b)
{
    static struct walked of_a, of_b;
    of_a = (struct walked){.engine = a};
    of_b = (struct walked){.engine = b};
    engine_walk_routes(a, walk, &of_a);
    engine_walk_routes(b, walk, &of_b);
    bool are_equal = of_a.count == of_b.count;
    for (size_t i = 0; are_equal && i < of_a.count; i++)
        are_equal = prefix_is_equal(&of_a.prefixes[i], &of_b.prefixes[i]) &&
                    strcmp(of_a.winners[i], of_b.winners[i]) == 0;
    return are_equal;
}

static bool are_same_peers(const struct peer *a, const struct peer *b)
{
    return a && b ? memcmp(a->noise.public_key, b->noise.public_key, 32) == 0 : !a && !b;
}

static bool have_equal_hops(const struct node *a, const struct node *b)
{
    const struct peer *at_a = node_next_peer(a, NULL), *at_b = node_next_peer(b, NULL);
    for (; at_a && at_b; at_a = node_next_peer(a, at_a), at_b = node_next_peer(b, at_b)) {
        const struct hop *of_a = hop_of(at_a), *of_b = hop_of(at_b);
        if (!are_same_peers(at_a, at_b) ||
            !are_same_peers(of_a->carrier_peer, of_b->carrier_peer) ||
            !endpoint_is_equal(&at_a->endpoint, &at_b->endpoint) ||
            !of_a->carrier != !of_b->carrier || of_a->mtu_bytes != of_b->mtu_bytes ||
            of_a->is_awaiting_name != of_b->is_awaiting_name ||
            of_a->is_listed != of_b->is_listed ||
            (of_a->carrier && (strcmp(of_a->carrier->name, of_b->carrier->name) != 0 ||
                               !address_is_equal(&of_a->source, &of_b->source))))
            return false;
    }
    return !at_a && !at_b;
}

static bool are_equal_nodes(const struct node *a, const struct node *b)
{
    return strcmp(a->name, b->name) == 0 && a->depth == b->depth && a->levels == b->levels &&
           a->nat_is_on == b->nat_is_on && a->mtu_bytes == b->mtu_bytes &&
           !a->carrier == !b->carrier &&
           (!a->carrier || strcmp(a->carrier->name, b->carrier->name) == 0) &&
           address_is_equal(&a->ipv4, &b->ipv4) && address_is_equal(&a->ipv6, &b->ipv6) &&
           !a->inner_port == !b->inner_port &&
           (a->reassembly || !(a->first_child || a->inner_port));
}

static bool answer_alike(const struct engine *a, const struct engine *b,
                         const struct random_source *random)
{
    struct address address = changing_address(random);
    struct engine_route of_a, of_b;
    engine_route(a, &address, &of_a);
    engine_route(b, &address, &of_b);
    return of_a.verdict == of_b.verdict && of_a.mtu_bytes == of_b.mtu_bytes &&
           address_is_equal(&of_a.source, &of_b.source) &&
           strcmp(name_of(a, of_a.tunnel), name_of(b, of_b.tunnel)) == 0 &&
           scope_is_of_this_host(&a->core.tree, &address) ==
               scope_is_of_this_host(&b->core.tree, &address);
}

/* Told, where it is not so. */
static bool is_so(bool holds, const char *what, const struct node *node)
{
    if (!holds)
        printf("# not alike: %s%s%s\n", what, node ? " of " : "", node ? node->name : "");
    return holds;
}

bool alike_engines(const struct engine *a, const struct engine *b,
                   const struct random_source *random)
{
    const struct node *at_a = NULL, *at_b = NULL;
    do {
        at_a = tree_next(&a->core.tree, at_a);
        at_b = tree_next(&b->core.tree, at_b);
        if (!is_so(!at_a == !at_b, "the number of tunnels", NULL) ||
            (at_a && !(is_so(are_equal_nodes(at_a, at_b), "what is", at_a) &&
                       is_so(have_equal_hops(at_a, at_b), "the peers' ways", at_a))))
            return false;
    } while (at_a);
    bool are_alike = is_so(have_equal_routes(a, b), "the routes", NULL);
    for (unsigned i = 0; are_alike && i < 20; i++)
        are_alike = is_so(answer_alike(a, b, random), "an address's way", NULL);
    return are_alike;
}
