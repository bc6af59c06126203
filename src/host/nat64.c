/* SPDX-License-Identifier: MIT */
#include "host/nat64.h"

#define UNUSED_BYTE 8 /* RFC 6052 2.2: stays zero, and the address goes on behind it */

/* The longest first: the others may only seem to fit. */
static const uint8_t lengths[] = {96, 64, 56, 48, 40, 32};

/* Where the address's bytes stand behind a prefix of this length. */
static void list_places(uint8_t len_bits, size_t places[4])
{
    size_t at = len_bits / 8;
    for (size_t i = 0; i < 4; i++, at++) {
        if (at == UNUSED_BYTE)
            at++;
        places[i] = at;
    }
}

static bool is_at(const struct address *answer, uint8_t len_bits)
{
    static const uint8_t known[] = {192, 0, 0}; /* .170 and .171 */
    size_t places[4];
    list_places(len_bits, places);
    for (size_t i = 0; i < 3; i++)
        if (answer->bytes[places[i]] != known[i])
            return false;
    uint8_t last = answer->bytes[places[3]];
    bool is_clear = len_bits == 96 || answer->bytes[UNUSED_BYTE] == 0;
    for (size_t i = places[3] + 1; i < 16; i++)
        is_clear &= answer->bytes[i] == 0;
    return is_clear && (last == 170 || last == 171);
}

bool nat64_find_prefix(const struct address *answer, struct prefix *prefix)
{
    for (size_t i = 0; answer->family == FAMILY_IPV6 && i < sizeof(lengths); i++) {
        if (!is_at(answer, lengths[i]))
            continue;
        *prefix = (struct prefix){.address = *answer, .len_bits = lengths[i]};
        prefix_mask(prefix);
        return true;
    }
    return false;
}

struct address nat64_synthesize(const struct prefix *prefix, const struct address *ipv4)
{
    struct address address = prefix->address;
    size_t places[4];
    list_places(prefix->len_bits, places);
    for (size_t i = 0; i < 4; i++)
        address.bytes[places[i]] = ipv4->bytes[i];
    return address;
}
