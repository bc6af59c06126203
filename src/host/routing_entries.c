/* SPDX-License-Identifier: MIT */
#include "host/routing_entries.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int routing_entries_compare(const struct prefix *a, const struct prefix *b)
{
    int order = memcmp(&a->address, &b->address, sizeof(a->address));
    return order ? order : a->len_bits - b->len_bits;
}

size_t routing_entries_find(const struct routing_entry *entries, size_t count,
                            const struct prefix *prefix)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (routing_entries_compare(&entries[middle].prefix, prefix) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* 0.0.0.0/1 and ::/1, or their other halves. */
static bool is_half(const struct prefix *prefix)
{
    return prefix->len_bits == 1;
}

/* Bits of which halves are there: 1 and 2 for IPv4, 4 and 8 for IPv6. */
static unsigned half_bit(const struct prefix *prefix)
{
    unsigned bit = prefix->address.bytes[0] & 0x80 ? 2 : 1;
    return prefix->address.family == FAMILY_IPV6 ? bit << 2 : bit;
}

/* Into a tunnel, or nowhere. */
static bool is_inside(const struct routing_entry *entry)
{
    return entry->kind == ROUTING_TUNNEL || entry->kind == ROUTING_UNREACHABLE;
}

unsigned routing_entries_halves(const struct routing_entry *entries, size_t count)
{
    unsigned halves = 0;
    for (size_t i = 0; i < count; i++)
        if (is_half(&entries[i].prefix) && is_inside(&entries[i]))
            halves |= half_bit(&entries[i].prefix);
    return halves;
}

bool routing_entries_is_default(const struct prefix *prefix, unsigned halves)
{
    unsigned both = prefix->address.family == FAMILY_IPV6 ? 12 : 3;
    return prefix->len_bits == 0 || (is_half(prefix) && (halves & both) == both);
}

/* Main goes before a default route, unless there is a kill switch. */
static bool is_covered(bool has_kill_switch, const struct routing_entry *entries,
                       size_t count, unsigned halves, const struct routing_entry *lan)
{
    if (lan->is_tunnels)
        return true;
    for (size_t i = 0; i < count; i++)
        if (is_inside(&entries[i]) && prefix_covers(&entries[i].prefix, &lan->prefix) &&
            (has_kill_switch || !routing_entries_is_default(&entries[i].prefix, halves)))
            return true;
    return false;
}

int routing_entries_lan(bool has_kill_switch, const struct routing_entry *entries, size_t count,
                        struct prefix **lan, size_t *lan_count, struct text *why)
{
    unsigned halves = routing_entries_halves(entries, count);
    size_t most = 0;
    *lan_count = 0;
    for (size_t i = 0; i < count; i++)
        most += entries[i].kind == ROUTING_LAN;
    *lan = calloc(most + 1, sizeof(**lan));
    if (!*lan) {
        text_append(why, "no memory for %zu prefixes of the LAN", most);
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++)
        if (entries[i].kind == ROUTING_LAN &&
            is_covered(has_kill_switch, entries, count, halves, &entries[i]))
            (*lan)[(*lan_count)++] = entries[i].prefix;
    return 0;
}
