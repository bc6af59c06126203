/* SPDX-License-Identifier: MIT */
#include "engine/tree_routes.h"

/* The nodes' route lists in the shape that route/ takes, by slot: default routes are the
 * AllowedIPs, and each name server is a host route. Gathered into one array for all nodes. */
struct route_lists {
    const struct memory *memory;
    struct routes_tunnel *tunnels;
    size_t count;
    struct prefix *includes;
    size_t include_count;
    size_t capacity;
};

/* Exactly this prefix is one of its Routes, or of the AllowedIPs that stand for them. */
static bool routes_prefix(const struct node *node, const struct prefix *prefix)
{
    const struct tunnel_description *tunnel = &node_wanted(node)->tunnel;
    bool is_routed =
        tunnel->routes_are_default && trie_get(&node->tunnel.allowed_ips, prefix) != NULL;
    for (size_t i = 0; !is_routed && !tunnel->routes_are_default && i < tunnel->route_count; i++)
        is_routed = prefix_is_equal(&tunnel->routes[i], prefix);
    return is_routed;
}

/* It names the server, and a peer of its would take a query: a route to one that nobody takes would
 * end every name there. */
static bool can_ask(const struct node *node, const struct address *server)
{
    const struct tunnel_description *tunnel = &node_wanted(node)->tunnel;
    bool is_named = false;
    for (size_t i = 0; i < tunnel->dns_count; i++)
        is_named |= address_is_equal(&tunnel->dns[i], server);
    return is_named && trie_lookup(&node->tunnel.allowed_ips, server);
}

/* `node` is `carrier`, or carried by it, directly or further in. */
static bool rides(const struct node *node, const struct node *carrier)
{
    while (node && node != carrier)
        node = node_wanted(node)->carrier;
    return node;
}

/* RULES G3: of those that can ask a server that they name the deepest has its host route, then the
 * first in file order; and a route that somebody wrote goes before one that follows from DNS. So no
 * two ever tie (A2). */
static bool has_name_server_route(const struct tree *tree, const struct node *node,
                                  const struct address *server)
{
    struct prefix host = prefix_host(server);
    uint32_t depth = node_wanted_depth(node);
    bool is_before = true; /* in file order */
    if (!can_ask(node, server))
        return false;
    for (struct node *other = NULL; (other = tree_next(tree, other));) {
        uint32_t other_depth = node_wanted_depth(other);
        if (other == node)
            is_before = false;
        else if (can_ask(other, server) &&
                 (other_depth > depth || (other_depth == depth && is_before)))
            return false;
        if (!rides(node, other) && !rides(other, node) && routes_prefix(other, &host))
            return false;
    }
    return true;
}

static void add_include(struct route_lists *lists, struct routes_tunnel *list,
                        const struct prefix *prefix)
{
    lists->includes[lists->include_count++] = *prefix;
    list->include_count++;
}

struct gathering {
    struct route_lists *lists; /* NULL: only counted */
    struct routes_tunnel *list;
    size_t count;
};

static void gather_allowed_ip(void *context, const struct prefix *prefix, void *value)
{
    struct gathering *gathering = context;
    (void)value;
    gathering->count++;
    if (gathering->lists)
        add_include(gathering->lists, gathering->list, prefix);
}

static void gather_node(const struct tree *tree, const struct node *node,
                        struct route_lists *lists)
{
    const struct configured *wanted = node_wanted(node);
    const struct tunnel_description *tunnel = &wanted->tunnel;
    struct routes_tunnel *list = &lists->tunnels[node->index];
    struct gathering gathering = {.lists = lists, .list = list};
    *list = (struct routes_tunnel){.carrier = wanted->carrier ? (int)wanted->carrier->index : -1,
                                   .includes = lists->includes + lists->include_count,
                                   .exceptions = tunnel->route_exceptions,
                                   .exception_count = tunnel->route_exception_count};
    if (tunnel->routes_are_default)
        trie_walk(&node->tunnel.allowed_ips, gather_allowed_ip, &gathering);
    for (size_t i = 0; !tunnel->routes_are_default && i < tunnel->route_count; i++)
        add_include(lists, list, &tunnel->routes[i]);
    for (size_t i = 0; i < tunnel->dns_count; i++) {
        struct prefix host = prefix_host(&tunnel->dns[i]);
        if (has_name_server_route(tree, node, &tunnel->dns[i]))
            add_include(lists, list, &host);
    }
}

static void lists_wipe(struct route_lists *lists)
{
    memory_give(lists->memory, lists->tunnels, lists->count * sizeof(*lists->tunnels));
    memory_give(lists->memory, lists->includes, lists->capacity * sizeof(*lists->includes));
}

/* False: no memory, and nothing to wipe. */
static bool lists_init(struct route_lists *lists, const struct tree *tree)
{
    const struct node *node = NULL;
    *lists = (struct route_lists){.memory = tree->memory, .count = tree->slots, .capacity = 1};
    while ((node = tree_next(tree, node))) {
        const struct tunnel_description *tunnel = &node_wanted(node)->tunnel;
        lists->capacity += tunnel->dns_count + (tunnel->routes_are_default
                                                    ? node->tunnel.allowed_ips.prefixes
                                                    : tunnel->route_count);
    }
    lists->tunnels = memory_take(tree->memory, lists->count * sizeof(*lists->tunnels));
    lists->includes = memory_take(tree->memory, lists->capacity * sizeof(*lists->includes));
    if (!lists->tunnels || !lists->includes) {
        lists_wipe(lists);
        return false;
    }
    for (size_t i = 0; i < lists->count; i++)
        lists->tunnels[i] = (struct routes_tunnel){.carrier = -1}; /* a free slot routes nothing */
    while ((node = tree_next(tree, node)))
        gather_node(tree, node, lists);
    return true;
}

bool tree_routes_walk_losses(const struct tree *tree,
                             void (*visit)(void *context, const struct routes_loss *loss),
                             void *context)
{
    struct route_lists lists;
    if (!lists_init(&lists, tree))
        return false;
    bool done = routes_walk_losses(tree->memory, lists.tunnels, lists.count, visit, context);
    lists_wipe(&lists);
    return done;
}

bool tree_routes_init(struct routes *routes, const struct tree *tree,
                      struct routes_conflict *conflict)
{
    struct route_lists lists;
    *conflict = (struct routes_conflict){.tunnel = -1};
    if (!lists_init(&lists, tree))
        return false;
    bool fits = routes_init(routes, tree->memory, lists.tunnels, lists.count, conflict);
    lists_wipe(&lists);
    return fits;
}

/* ---- one region ---- */

bool tree_routes_can_be_patched(const struct tree *tree, const struct prefix *region)
{
    bool can_be = true;
    for (struct node *node = NULL; can_be && (node = tree_next(tree, node));) {
        const struct tunnel_description *tunnel = &node_wanted(node)->tunnel;
        for (size_t i = 0; i < tunnel->dns_count; i++)
            can_be &= !prefix_contains(region, &tunnel->dns[i]);
    }
    return can_be;
}

static bool concerns(const struct prefix *region, const struct prefix *prefix)
{
    return prefix_covers(prefix, region) || prefix_covers(region, prefix);
}

/* Counts, or adds to the list, those that concern the region. */
static size_t gather_listed(const struct prefix *region, const struct prefix *prefixes,
                            size_t count, struct route_lists *lists)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        if (!concerns(region, &prefixes[i]))
            continue;
        if (lists)
            lists->includes[lists->include_count++] = prefixes[i];
        found++;
    }
    return found;
}

/* The node's includes, then its exceptions. `lists` NULL: only counted. */
static size_t gather_around(const struct node *node, const struct prefix *region,
                            struct route_lists *lists)
{
    const struct configured *wanted = node_wanted(node);
    const struct tunnel_description *tunnel = &wanted->tunnel;
    struct routes_tunnel list = {.carrier = wanted->carrier ? (int)wanted->carrier->index : -1,
                                 .includes = lists ? lists->includes + lists->include_count : NULL};
    struct gathering gathering = {.lists = lists, .list = &list};
    if (tunnel->routes_are_default)
        trie_walk_around(&node->tunnel.allowed_ips, region, gather_allowed_ip, &gathering);
    else
        gathering.count = gather_listed(region, tunnel->routes, tunnel->route_count, lists);
    list.include_count = gathering.count;
    list.exceptions = lists ? lists->includes + lists->include_count : NULL;
    list.exception_count =
        gather_listed(region, tunnel->route_exceptions, tunnel->route_exception_count, lists);
    if (lists)
        lists->tunnels[node->index] = list;
    return list.include_count + list.exception_count;
}

bool tree_routes_patch_init(struct routes_patch *patch, const struct tree *tree,
                            const struct prefix *region, struct routes_conflict *conflict)
{
    struct route_lists lists = {.memory = tree->memory, .count = tree->slots, .capacity = 1};
    const struct node *node = NULL;
    *conflict = (struct routes_conflict){.tunnel = -1};
    while ((node = tree_next(tree, node)))
        lists.capacity += gather_around(node, region, NULL);
    lists.tunnels = memory_take(tree->memory, lists.count * sizeof(*lists.tunnels));
    lists.includes = memory_take(tree->memory, lists.capacity * sizeof(*lists.includes));
    bool fits = lists.tunnels && lists.includes;
    for (size_t i = 0; fits && i < lists.count; i++)
        lists.tunnels[i] = (struct routes_tunnel){.carrier = -1};
    while (fits && (node = tree_next(tree, node)))
        gather_around(node, region, &lists);
    fits = fits && routes_patch_init(patch, &tree->routes, tree->memory, region, lists.tunnels,
                                     lists.count, conflict);
    lists_wipe(&lists);
    return fits;
}
