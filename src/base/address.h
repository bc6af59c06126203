/* SPDX-License-Identifier: MIT */
/* One address type for both families, and a UDP endpoint. */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum family {
    FAMILY_NONE = 0,
    FAMILY_IPV4 = 4,
    FAMILY_IPV6 = 6,
};

/* Network byte order. IPv4 uses the first 4 bytes and keeps the other 12 zero, so that two
 * addresses are equal exactly when the structs are. */
struct address {
    uint8_t family; /* enum family */
    uint8_t bytes[16];
};

struct endpoint {
    struct address address;
    uint16_t port;     /* host byte order */
    uint32_t scope_id; /* of a link-local IPv6 address, else 0 */
};

#define ADDRESS_TEXT_BYTES 48  /* "ffff:…:ffff" and a NUL */
#define ENDPOINT_TEXT_BYTES 72 /* "[address%scope]:port" and a NUL */

static inline size_t family_bytes(enum family family)
{
    return family == FAMILY_IPV4 ? 4 : family == FAMILY_IPV6 ? 16 : 0;
}

static inline unsigned family_bits(enum family family)
{
    return (unsigned)family_bytes(family) * 8;
}

/* Copies 4 or 16 bytes in network byte order. */
static inline struct address address_from_bytes(enum family family, const uint8_t *bytes)
{
    struct address address = {.family = (uint8_t)family};
    memcpy(address.bytes, bytes, family == FAMILY_IPV4 ? 4 : 16);
    return address;
}

static inline bool address_is_equal(const struct address *a, const struct address *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

/* It is the one of this family whose 4 or 16 bytes in network order these are. */
static inline bool address_has_bytes(const struct address *address, enum family family,
                                     const uint8_t *bytes)
{
    return address->family == family && (family == FAMILY_IPV4
                                             ? memcmp(address->bytes, bytes, 4)
                                             : memcmp(address->bytes, bytes, 16)) == 0;
}

static inline bool endpoint_is_equal(const struct endpoint *a, const struct endpoint *b)
{
    return address_is_equal(&a->address, &b->address) && a->port == b->port &&
           a->scope_id == b->scope_id;
}

bool address_is_unspecified(const struct address *address); /* 0.0.0.0, :: */
bool address_is_loopback(const struct address *address);    /* 127.0.0.0/8, ::1 */
/* What no packet outside a host may carry, as kernels judge it: 127.0.0.0/8, 0.0.0.0/8 (RFC 1122
 * 3.2.1.3); ::1, :: and ::ffff:0:0/96, which means an IPv4 address (RFC 4291 2.5). */
bool address_is_inside_a_host(const struct address *address);
bool address_is_link_local(const struct address *address);  /* 169.254.0.0/16, fe80::/10 */
bool address_is_multicast(const struct address *address);   /* 224.0.0.0/4, ff00::/8 */
bool address_is_broadcast(const struct address *address);   /* 255.255.255.255 */

/* ::ffff:192.0.2.1 becomes 192.0.2.1: an IPv6 socket sends to it over IPv4. */
void address_unmap(struct address *address);

/* Parses a literal of either family; false leaves `address` as it is. No names, no scope. */
bool address_parse(const char *text, struct address *address);
/* Writes the canonical text (RFC 5952 for IPv6) and returns `text`. */
char *address_format(const struct address *address, char text[ADDRESS_TEXT_BYTES]);

/* "192.0.2.1:51820", "[2001:db8::1]:51820" or "[fe80::1%3]:51820"; returns `text`. */
char *endpoint_format(const struct endpoint *endpoint, char text[ENDPOINT_TEXT_BYTES]);

#endif
