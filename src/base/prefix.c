/* SPDX-License-Identifier: MIT */
#include "base/prefix.h"

#include <stdio.h>
#include <stdlib.h>

static bool bits_are_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned bytes = bits / 8, rest = bits % 8;
    if (memcmp(a, b, bytes) != 0)
        return false;
    return rest == 0 || ((a[bytes] ^ b[bytes]) >> (8 - rest)) == 0;
}

bool prefix_parse(const char *text, struct prefix *prefix)
{
    char address[ADDRESS_TEXT_BYTES];
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    if (len >= sizeof(address))
        return false;
    memcpy(address, text, len);
    address[len] = '\0';

    struct prefix parsed;
    if (!address_parse(address, &parsed.address))
        return false;
    unsigned long bits = family_bits(parsed.address.family);
    if (slash) {
        size_t digits = strspn(slash + 1, "0123456789");
        if (digits == 0 || digits > 3 || slash[1 + digits])
            return false;
        unsigned long asked = strtoul(slash + 1, NULL, 10);
        if (asked > bits)
            return false;
        bits = asked;
    }
    parsed.len_bits = (uint8_t)bits;
    *prefix = parsed;
    return true;
}

char *prefix_format(const struct prefix *prefix, char text[PREFIX_TEXT_BYTES])
{
    char address[ADDRESS_TEXT_BYTES];
    snprintf(text, PREFIX_TEXT_BYTES, "%s/%u", address_format(&prefix->address, address),
             prefix->len_bits);
    return text;
}

bool prefix_mask(struct prefix *prefix)
{
    bool had_host_bits = false;
    for (unsigned bit = prefix->len_bits; bit < family_bits(prefix->address.family); bit++) {
        uint8_t mask = (uint8_t)(0x80 >> (bit % 8));
        had_host_bits |= (prefix->address.bytes[bit / 8] & mask) != 0;
        prefix->address.bytes[bit / 8] &= (uint8_t)~mask;
    }
    return had_host_bits;
}

bool prefix_is_equal(const struct prefix *a, const struct prefix *b)
{
    return a->len_bits == b->len_bits && address_is_equal(&a->address, &b->address);
}

bool prefix_contains(const struct prefix *prefix, const struct address *address)
{
    return prefix->address.family == address->family &&
           bits_are_equal(prefix->address.bytes, address->bytes, prefix->len_bits);
}

bool prefix_covers(const struct prefix *outer, const struct prefix *inner)
{
    return outer->len_bits <= inner->len_bits && prefix_contains(outer, &inner->address);
}

struct prefix prefix_host(const struct address *address)
{
    return (struct prefix){.address = *address, .len_bits = (uint8_t)family_bits(address->family)};
}

bool prefix_list_has_default(const struct prefix *prefixes, size_t count, enum family family)
{
    bool has_low = false, has_high = false;
    for (size_t i = 0; i < count; i++) {
        const struct prefix *prefix = &prefixes[i];
        if (prefix->address.family != family || prefix->len_bits > 1)
            continue;
        bool is_high = prefix->len_bits == 1 && (prefix->address.bytes[0] & 0x80);
        has_low |= !is_high;
        has_high |= is_high || prefix->len_bits == 0;
    }
    return has_low && has_high;
}
