/* SPDX-License-Identifier: MIT */
#include "engine/live_regions.h"

#include <stdlib.h>

#include "base/bytes.h"

/* Of all peers' endpoints, too: in words. */
static inline int compare_addresses(const struct address *a, const struct address *b)
{
    uint64_t left = a->family, right = b->family;
    for (unsigned at = 0; left == right && at < sizeof(a->bytes); at += 8) {
        left = load_be64(a->bytes + at);
        right = load_be64(b->bytes + at);
    }
    return left < right ? -1 : left > right;
}

static int compare_prefixes(const struct prefix *a, const struct prefix *b)
{
    int order = compare_addresses(&a->address, &b->address);
    return order ? order : a->len_bits - b->len_bits;
}

/* By prefix, then tunnel, then as they came. */
static int compare_steps(const void *left, const void *right)
{
    const struct live_step *const *a = left, *const *b = right;
    int order = compare_prefixes(&(*a)->prefix, &(*b)->prefix);
    if (order == 0 && (*a)->node != (*b)->node)
        order = (*a)->node->index < (*b)->node->index ? -1 : 1;
    return order ? order : *a < *b ? -1 : *a > *b;
}

static int compare_regions(const void *left, const void *right)
{
    const struct live_region *a = left, *b = right;
    return compare_prefixes(&a->prefix, &b->prefix);
}

/* Where the prefix was nobody's and is somebody's now, or the opposite, routes may be others, and
 * which name servers can be asked. */
static bool is_route(const struct node *node, const struct peer *before, const struct peer *now)
{
    const struct tunnel_description *tunnel = &node->configured->tunnel;
    return !before != !now && (tunnel->routes_are_default || tunnel->dns_count);
}

/* `first` is the prefix's first step in its tunnel: it knows who had it before them all. */
static void add_region(struct live *live, const struct live_step *first)
{
    const struct peer *now = trie_get(&first->node->tunnel.allowed_ips, &first->prefix);
    if (now == first->peer)
        return;
    struct live_region *region = &live->regions[live->region_count++];
    *region = (struct live_region){.prefix = first->prefix,
                                   .is_route = is_route(first->node, first->peer, now)};
    if (region->prefix.len_bits == 1) { /* with its twin it would be a /0 (RULES A1) */
        region->prefix.len_bits = 0;
        prefix_mask(&region->prefix);
    }
}

static void add_regions(struct live *live, const struct live_step **steps, size_t count)
{
    qsort(steps, count, sizeof(*steps), compare_steps);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || steps[i]->node != steps[i - 1]->node ||
            !prefix_is_equal(&steps[i]->prefix, &steps[i - 1]->prefix))
            add_region(live, steps[i]);
    }
}

/* Each with those that lie in it becomes one. */
static void join_regions(struct live *live)
{
    size_t count = live->region_count, last = 0;
    if (count == 0)
        return;
    qsort(live->regions, count, sizeof(*live->regions), compare_regions);
    for (size_t i = 1; i < count; i++) {
        if (prefix_covers(&live->regions[last].prefix, &live->regions[i].prefix))
            live->regions[last].is_route |= live->regions[i].is_route;
        else
            live->regions[++last] = live->regions[i];
    }
    live->region_count = last + 1;
}

bool live_regions_find(struct live *live)
{
    size_t count = 0, at = 0;
    for (size_t i = 0; i < live->count; i++)
        count += live->steps[i].kind == LIVE_ALLOWED_IP;
    if (count == 0)
        return true;
    const struct live_step **steps = memory_take(live->memory, count * sizeof(*steps));
    live->regions = memory_take(live->memory, count * sizeof(*live->regions));
    live->region_capacity = count;
    bool has_room = steps && live->regions;
    for (size_t i = 0; i < live->count && has_room; i++) {
        if (live->steps[i].kind == LIVE_ALLOWED_IP)
            steps[at++] = &live->steps[i];
    }
    if (has_room) {
        add_regions(live, steps, count);
        join_regions(live);
    }
    memory_give(live->memory, steps, count * sizeof(*steps));
    return has_room;
}

void live_regions_wipe(struct live *live)
{
    memory_give(live->memory, live->regions, live->region_capacity * sizeof(*live->regions));
    live->regions = NULL;
    live->region_count = live->region_capacity = 0;
}

bool live_regions_have(const struct live *live, const struct address *address)
{
    size_t low = 0, high = live->region_count; /* those before `low` begin no later */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_addresses(&live->regions[middle].prefix.address, address) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && prefix_contains(&live->regions[low - 1].prefix, address);
}
