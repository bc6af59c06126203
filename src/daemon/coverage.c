/* SPDX-License-Identifier: MIT */
#include "daemon/coverage.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MOST 129 /* prefixes around each other: /0 to /128 */

struct item {
    struct prefix prefix;
    bool is_exception;
};

struct items {
    struct item *list;
    size_t count;
    enum family family;
};

/* Addresses taken in the lower and the upper half; each half's own number fits. */
struct halves {
    unsigned __int128 taken[2];
};

static void add(struct items *items, const struct prefix *prefixes, size_t count, bool is_exception)
{
    for (size_t i = 0; i < count; i++)
        if (prefixes[i].address.family == items->family)
            items->list[items->count++] =
                (struct item){.prefix = prefixes[i], .is_exception = is_exception};
}

static struct items gather(const struct tunnel_description *tunnel, enum family family)
{
    struct items items = {.family = family};
    size_t most = tunnel->route_count + tunnel->route_exception_count + 1;
    for (size_t p = 0; p < tunnel->peer_count; p++)
        most += tunnel->peers[p].allowed_ips_count;
    items.list = calloc(most, sizeof(*items.list));
    if (!items.list)
        return items;
    for (size_t p = 0; tunnel->routes_are_default && p < tunnel->peer_count; p++)
        add(&items, tunnel->peers[p].allowed_ips, tunnel->peers[p].allowed_ips_count, false);
    if (!tunnel->routes_are_default)
        add(&items, tunnel->routes, tunnel->route_count, false);
    add(&items, tunnel->route_exceptions, tunnel->route_exception_count, true);
    return items;
}

/* By address, a shorter prefix before those inside it, an exception before an include of its
 * length: what comes second of two equal ones changes nothing. */
static int compare(const void *left, const void *right)
{
    const struct item *a = left, *b = right;
    int order = memcmp(a->prefix.address.bytes, b->prefix.address.bytes,
                       sizeof(a->prefix.address.bytes));
    if (order == 0)
        order = (int)a->prefix.len_bits - (int)b->prefix.len_bits;
    return order ? order : (int)b->is_exception - (int)a->is_exception;
}

static void count_in(struct halves *halves, const struct prefix *prefix, bool is_taken)
{
    unsigned bits = prefix->address.family == FAMILY_IPV4 ? 32 : 128;
    unsigned first = prefix->address.bytes[0] >> 7, last = first;
    unsigned len_bits = prefix->len_bits;
    if (len_bits == 0) { /* both halves */
        len_bits = 1;
        last = 1;
    }
    for (unsigned h = first; h <= last; h++) {
        unsigned __int128 size = (unsigned __int128)1 << (bits - len_bits);
        halves->taken[h] += is_taken ? size : -size;
    }
}

/* What a prefix changes of the one around it, added up. */
static struct halves count(const struct items *items)
{
    struct halves halves = {0};
    const struct item *around[DEPTH_MOST];
    size_t depth = 0;
    for (size_t i = 0; i < items->count; i++) {
        const struct item *item = &items->list[i];
        while (depth && !prefix_covers(&around[depth - 1]->prefix, &item->prefix))
            depth--;
        if (depth && prefix_is_equal(&around[depth - 1]->prefix, &item->prefix))
            continue;
        bool was_taken = depth && !around[depth - 1]->is_exception;
        if (was_taken == item->is_exception)
            count_in(&halves, &item->prefix, !item->is_exception);
        around[depth++] = item;
    }
    return halves;
}

bool coverage_is_most(const struct tunnel_description *tunnel, enum family family)
{
    struct items items = gather(tunnel, family);
    if (!items.list)
        return false;
    qsort(items.list, items.count, sizeof(*items.list), compare);
    struct halves halves = count(&items);
    free(items.list);
    unsigned __int128 half = (unsigned __int128)1 << (family == FAMILY_IPV4 ? 31 : 127);
    return halves.taken[0] > half - halves.taken[1];
}
