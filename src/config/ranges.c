/* SPDX-License-Identifier: MIT */
#include "config/ranges.h"

#include <stdlib.h>

#include "base/bytes.h"

struct range {
    unsigned __int128 first;
    unsigned __int128 last; /* inclusive */
    enum family family;
};

static struct range range_of(const struct prefix *prefix)
{
    struct range range = {.family = prefix->address.family};
    unsigned host_bits = family_bits(range.family) - prefix->len_bits;
    if (range.family == FAMILY_IPV4)
        range.first = load_be32(prefix->address.bytes);
    else
        range.first = (unsigned __int128)load_be64(prefix->address.bytes) << 64 |
                      load_be64(prefix->address.bytes + 8);
    unsigned __int128 all = ~(unsigned __int128)0;
    range.last = range.first | (host_bits == 128 ? all : ~(all << host_bits));
    return range;
}

static int compare(const void *left, const void *right)
{
    const struct range *a = left, *b = right;
    if (a->family != b->family)
        return a->family < b->family ? -1 : 1;
    return a->first < b->first ? -1 : a->first > b->first;
}

/* Sorts the ranges and joins those that overlap or touch. */
static struct ranges join(struct range *items, size_t count)
{
    size_t kept = 0;
    if (count)
        qsort(items, count, sizeof(*items), compare);
    for (size_t i = 1; i < count; i++) {
        struct range *last = &items[kept], *next = &items[i];
        bool touches = next->first <= last->last || next->first == last->last + 1;
        if (next->family != last->family || !touches)
            items[++kept] = *next;
        else if (next->last > last->last)
            last->last = next->last;
    }
    return (struct ranges){items, count ? kept + 1 : 0};
}

bool ranges_of_peers(struct ranges *ranges, struct arena *arena,
                     const struct tunnel_description *tunnel)
{
    size_t count = 0;
    for (size_t p = 0; p < tunnel->peer_count; p++)
        count += tunnel->peers[p].allowed_ips_count;
    struct range *items = arena_take(arena, count * sizeof(*items));
    if (!items)
        return false;
    count = 0;
    for (size_t p = 0; p < tunnel->peer_count; p++)
        for (size_t i = 0; i < tunnel->peers[p].allowed_ips_count; i++)
            items[count++] = range_of(&tunnel->peers[p].allowed_ips[i]);
    *ranges = join(items, count);
    return true;
}

static bool of_prefixes(struct ranges *ranges, struct arena *arena, const struct prefix *prefixes,
                        size_t count)
{
    struct range *items = arena_take(arena, count * sizeof(*items));
    for (size_t i = 0; items && i < count; i++)
        items[i] = range_of(&prefixes[i]);
    if (items)
        *ranges = join(items, count);
    return items != NULL;
}

bool ranges_of_routes(struct ranges *ranges, struct arena *arena,
                      const struct tunnel_description *tunnel)
{
    return tunnel->routes_are_default
               ? ranges_of_peers(ranges, arena, tunnel)
               : of_prefixes(ranges, arena, tunnel->routes, tunnel->route_count);
}

bool ranges_of_exceptions(struct ranges *ranges, struct arena *arena,
                          const struct tunnel_description *tunnel)
{
    return of_prefixes(ranges, arena, tunnel->route_exceptions, tunnel->route_exception_count);
}

bool ranges_unite(struct ranges *ranges, struct arena *arena, const struct ranges *a,
                  const struct ranges *b)
{
    struct range *items = arena_take(arena, (a->count + b->count) * sizeof(*items));
    for (size_t i = 0; items && i < a->count + b->count; i++)
        items[i] = i < a->count ? a->items[i] : b->items[i - a->count];
    if (items)
        *ranges = join(items, a->count + b->count);
    return items != NULL;
}

bool ranges_cover(const struct ranges *ranges, const struct prefix *prefix)
{
    struct range wanted = range_of(prefix);
    size_t low = 0, high = ranges->count;
    while (low < high) { /* the first range that begins after the wanted one */
        size_t middle = low + (high - low) / 2;
        if (compare(&ranges->items[middle], &wanted) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return false;
    const struct range *range = &ranges->items[low - 1];
    return range->family == wanted.family && range->last >= wanted.last;
}
