/* SPDX-License-Identifier: MIT */
#include "host/routes_standing.h"

#include <errno.h>
#include <stdlib.h>

/* Of no route that anybody wants: what stands is laid again. */
#define UNLIKE_ANY_MTU UINT32_MAX

void routes_standing_forget(struct routes_standing *standing)
{
    free(standing->entries);
    free(standing->are_taken);
    *standing = (struct routes_standing){0};
}

void routes_standing_note(struct routes_standing *standing, const struct routing *routing,
                          struct routing_entry *entries, size_t count)
{
    routes_standing_forget(standing);
    *standing = (struct routes_standing){
        .entries = entries,
        .are_taken = calloc(count + 1, sizeof(*standing->are_taken)),
        .count = count,
        .routing = *routing,
    };
    if (!standing->are_taken)
        routes_standing_forget(standing);
}

bool routes_standing_have_table(const struct routes_standing *standing, uint32_t table)
{
    const struct routing *routing = &standing->routing;
    return table == routing->tables[0] ||
           (routing->mode == ROUTING_AUTO && table == routing->tables[1]);
}

void routes_standing_lose(struct routes_standing *standing, const struct prefix *prefix)
{
    size_t at = routing_entries_find(standing->entries, standing->count, prefix);
    if (at < standing->count && prefix_is_equal(&standing->entries[at].prefix, prefix))
        standing->are_taken[at] = true;
}

struct comparison {
    const struct routes_standing *standing;
    const struct routing *routing;
    const struct routing_entry *entries;
    size_t count;
    unsigned halves_before, halves;
    struct route_set *before, *wanted; /* NULL: only counted */
    size_t differing;
};

/* An entry like that one comes to other routes than before, whatever it says. */
static bool is_laid_otherwise(const struct comparison *comparison,
                              const struct routing_entry *entry)
{
    const struct routing *before = &comparison->standing->routing, *now = comparison->routing;
    bool is_ipv6 = entry->prefix.address.family == FAMILY_IPV6;
    return (is_ipv6 && before->ipv6 != now->ipv6) ||
           (entry->kind == ROUTING_LAN && before->has_kill_switch != now->has_kill_switch) ||
           (entry->prefix.len_bits <= 1 && comparison->halves_before != comparison->halves);
}

/* Of one prefix. */
static bool is_kept(const struct comparison *comparison, size_t before, size_t now)
{
    const struct routing_entry *a = &comparison->standing->entries[before];
    const struct routing_entry *b = &comparison->entries[now];
    return !comparison->standing->are_taken[before] && a->kind == b->kind &&
           a->mtu_bytes == b->mtu_bytes && a->is_tunnels == b->is_tunnels &&
           address_is_equal(&a->source, &b->source) && !is_laid_otherwise(comparison, a);
}

static void add_before(struct comparison *comparison, size_t at)
{
    const struct routes_standing *standing = comparison->standing;
    struct route_set *set = comparison->before;
    comparison->differing++;
    if (!set)
        return;
    size_t first = set->count;
    route_set_want(set, &standing->routing, comparison->halves_before, &standing->entries[at]);
    for (size_t i = first; i < set->count && standing->are_taken[at]; i++)
        set->routes[i].mtu_bytes = UNLIKE_ANY_MTU;
}

static void add_wanted(struct comparison *comparison, size_t at)
{
    comparison->differing++;
    if (comparison->wanted)
        route_set_want(comparison->wanted, comparison->routing, comparison->halves,
                       &comparison->entries[at]);
}

/* Both lists are in one order. */
static void compare(struct comparison *comparison)
{
    const struct routes_standing *standing = comparison->standing;
    comparison->differing = 0;
    for (size_t i = 0, j = 0; i < standing->count || j < comparison->count;) {
        int order = i == standing->count     ? 1
                    : j == comparison->count ? -1
                                             : routing_entries_compare(
                                                   &standing->entries[i].prefix,
                                                   &comparison->entries[j].prefix);
        bool stays = order == 0 && is_kept(comparison, i, j);
        if (order <= 0 && !stays)
            add_before(comparison, i);
        if (order >= 0 && !stays)
            add_wanted(comparison, j);
        i += order <= 0;
        j += order >= 0;
    }
}

int routes_standing_compare(const struct routes_standing *standing, const struct routing *routing,
                            const struct routing_entry *entries, size_t count,
                            struct route_set *before, struct route_set *wanted, struct text *why)
{
    struct comparison comparison = {
        .standing = standing,
        .routing = routing,
        .entries = entries,
        .count = count,
        .halves_before = routing_entries_halves(standing->entries, standing->count),
        .halves = routing_entries_halves(entries, count),
    };
    compare(&comparison);
    int result = route_set_init(before, comparison.differing, why);
    if (result == 0 && (result = route_set_init(wanted, comparison.differing, why)) != 0)
        free(before->routes);
    if (result != 0)
        return result;
    comparison.before = before;
    comparison.wanted = wanted;
    compare(&comparison);
    return 0;
}
