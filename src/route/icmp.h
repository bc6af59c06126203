/* SPDX-License-Identifier: MIT */
/* ICMP and ICMPv6 errors: those we make (RULES D1, D2, D4) and those that pass (C6). RFC 792, 1191,
 * 4443. All functions are pure; the rate limit is the caller's (bucket.h). */
#ifndef ROUTE_ICMP_H
#define ROUTE_ICMP_H

#include "packet/ip.h"

#define ICMP_HEADER_BYTES 8
/* No error that we make is longer: 576 (IPv4) or 1280 (IPv6). */
#define ICMP_CREATE_MOST_BYTES 1280

/* Why a packet is unreachable: the code of IPv4's type 3, and of IPv6's type 1. */
enum icmp_reason {
    ICMP_NO_ROUTE,         /* 0 net unreachable; 0 no route */
    ICMP_HOST_UNREACHABLE, /* 1 host unreachable; 3 address unreachable */
    ICMP_PROHIBITED,       /* 13 and 1: administratively prohibited */
    ICMP_SOURCE_POLICY,    /* 13; 5 the source failed a policy */
};

/* An ICMP error, its quote found. Offsets count from the outer packet's first byte. */
struct icmp_error {
    uint8_t type;
    uint8_t code;
    bool is_too_big;    /* IPv4 3/4, IPv6 type 2 */
    uint32_t mtu_bytes; /* of a too-big, as it claims; else 0 */
    uint32_t quote_offset;
    uint32_t quote_len_bytes;
    struct ip_view quote; /* its offsets count from quote_offset; its transport may be cut off */
};

/* It is ICMP of its family, or a later fragment of that: the others need not be asked. */
static inline bool icmp_concerns(const struct ip_view *view)
{
    return view->protocol == (view->family == FAMILY_IPV4 ? IP_PROTOCOL_ICMP : IP_PROTOCOL_ICMPV6);
}

/* The packet is an ICMP error message (not only an ICMP message); cut off ones are judged by what
 * is there, later fragments are none. */
bool icmp_is_error(const uint8_t *bytes, const struct ip_view *view);
/* The packet tells its receiver to send elsewhere: IPv4 type 5, an error too, or ICMPv6 type
 * 137. */
bool icmp_is_redirect(const uint8_t *bytes, const struct ip_view *view);
/* Finds the quote. False, `error` untouched: no ICMP error, or one whose quote is unreadable or of
 * the other family. Bytes behind an RFC 4884 length count as quote. */
bool icmp_parse_error(const uint8_t *bytes, const struct ip_view *view, struct icmp_error *error);

/* What an error says, in a few words ("host unreachable"); borrowed for ever. */
const char *icmp_error_words(enum family family, uint8_t type, uint8_t code);

/* RULES D2: an error may be sent about this packet. */
bool icmp_may_answer(const uint8_t *bytes, const struct ip_view *view);

/* Writes an error about `refused` (the packet as the application sent it, a super-packet with its
 * partial checksum as it is) and returns its length, 0 when `capacity` has no room for the headers
 * and the quoted headers (never with ICMP_CREATE_MOST_BYTES). Source: the refused packet's
 * destination (D1), destination: its source. `view` is ip_parse_quoted's of `refused`. `out` may
 * not overlap. */
size_t icmp_create_too_big(uint8_t *out, size_t capacity, const uint8_t *refused,
                           size_t refused_len, const struct ip_view *view, uint32_t mtu_bytes);
size_t icmp_create_unreachable(uint8_t *out, size_t capacity, const uint8_t *refused,
                               size_t refused_len, const struct ip_view *view,
                               enum icmp_reason reason);

/* Rewrites the outer source of an ICMP or ICMPv6 error in place, checksums with it (C6). `source`
 * is of the packet's family. */
void icmp_replace_source(uint8_t *bytes, const struct ip_view *view, const struct address *source);

#endif
