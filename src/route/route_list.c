/* SPDX-License-Identifier: MIT */
/* All patches are one pass down, which drops what lies in their regions, and one up, which makes
 * room for what is new: in place, and nothing in front of the first region moves. */
#include "route/route_list.h"

#include <assert.h>
#include <string.h>

#define ROOM_PART 8 /* of what there is: grown by so much, a list that grows is seldom copied */

static int compare(const struct prefix *a, const struct prefix *b)
{
    int order = memcmp(&a->address, &b->address, sizeof(a->address));
    return order ? order : a->len_bits - b->len_bits;
}

bool route_list_reserve(struct route_list *list, size_t more)
{
    size_t wanted = list->count + more, capacity = list->capacity + list->capacity / ROOM_PART;
    if (wanted <= list->capacity)
        return true;
    capacity = wanted > capacity ? wanted : capacity;
    struct route_list_entry *entries = memory_take(list->memory, capacity * sizeof(*entries));
    if (!entries)
        return false;
    if (list->count)
        memcpy(entries, list->entries, list->count * sizeof(*entries));
    memory_give(list->memory, list->entries, list->capacity * sizeof(*entries));
    list->entries = entries;
    list->capacity = capacity;
    return true;
}

void route_list_append(struct route_list *list, const struct prefix *prefix, int winner)
{
    assert(list->count < list->capacity);
    list->entries[list->count++] = (struct route_list_entry){*prefix, winner};
}

/* The first one that does not stand before the prefix. */
static size_t find_place(const struct route_list *list, const struct prefix *prefix)
{
    size_t low = 0, high = list->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(&list->entries[middle].prefix, prefix) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void drop_inside(struct route_list *list, const struct routes_patch *patches, size_t count)
{
    size_t kept = find_place(list, &patches[0].region), next = 0;
    for (size_t at = kept; at < list->count; at++) {
        const struct prefix *prefix = &list->entries[at].prefix;
        while (next < count && compare(&patches[next].region, prefix) < 0 &&
               !prefix_covers(&patches[next].region, prefix))
            next++;
        if (next == count || !prefix_covers(&patches[next].region, prefix))
            list->entries[kept++] = list->entries[at];
    }
    list->count = kept;
}

static void add_inside(struct route_list *list, const struct routes_patch *patches, size_t count)
{
    size_t from = list->count, to = from;
    for (size_t i = 0; i < count; i++)
        to += patches[i].count;
    assert(to <= list->capacity);
    list->count = to;
    for (size_t i = count; i-- > 0;) {
        for (size_t e = patches[i].count; e-- > 0;) {
            const struct route_list_entry *entry = &patches[i].entries[e];
            while (from > 0 && compare(&list->entries[from - 1].prefix, &entry->prefix) > 0)
                list->entries[--to] = list->entries[--from];
            list->entries[--to] = *entry;
        }
    }
}

void route_list_apply(struct route_list *list, const struct routes_patch *patches, size_t count)
{
    if (count == 0)
        return;
    drop_inside(list, patches, count);
    add_inside(list, patches, count);
}

void route_list_wipe(struct route_list *list)
{
    memory_give(list->memory, list->entries, list->capacity * sizeof(*list->entries));
    *list = (struct route_list){.memory = list->memory};
}
