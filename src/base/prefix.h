/* SPDX-License-Identifier: MIT */
/* An address prefix: "10.20.0.0/16", "2001:db8::/32". */
#ifndef BASE_PREFIX_H
#define BASE_PREFIX_H

#include "base/address.h"

struct prefix {
    struct address address; /* host bits zero (prefix_mask) */
    uint8_t len_bits;       /* 0 to 32 or 128 */
};

#define PREFIX_TEXT_BYTES 52

/* Parses "ADDRESS/LEN" or "ADDRESS" (a host). Host bits are kept: see prefix_mask. */
bool prefix_parse(const char *text, struct prefix *prefix);
char *prefix_format(const struct prefix *prefix, char text[PREFIX_TEXT_BYTES]);
/* Clears the host bits; true when there were any. */
bool prefix_mask(struct prefix *prefix);
bool prefix_is_equal(const struct prefix *a, const struct prefix *b);
/* Both of one family, and the address inside. */
bool prefix_contains(const struct prefix *prefix, const struct address *address);
/* `inner` lies in `outer` or equals it. */
bool prefix_covers(const struct prefix *outer, const struct prefix *inner);
struct prefix prefix_host(const struct address *address);
/* The list has /0 of the family, or both of its halves, which count as /0 (RULES A1). */
bool prefix_list_has_default(const struct prefix *prefixes, size_t count, enum family family);

#endif
