/* SPDX-License-Identifier: MIT */
#include "route/icmp.h"

#include "base/bytes.h"
#include "packet/checksum.h"

enum {
    TYPE4_UNREACHABLE = 3,
    TYPE4_SOURCE_QUENCH = 4,
    TYPE4_REDIRECT = 5,
    TYPE4_TIME_EXCEEDED = 11,
    TYPE4_PARAMETER = 12,
    CODE4_TOO_BIG = 4,
    TYPE6_UNREACHABLE = 1,
    TYPE6_TOO_BIG = 2,
    TYPE6_TIME_EXCEEDED = 3,
    TYPE6_PARAMETER = 4,
    TYPE6_FIRST_INFORMATION = 128, /* every type below is an error (RFC 4443 2.1) */
    TYPE6_REDIRECT = 137,
};

#define HOP_LIMIT 64
#define TOS_INTERNETWORK_CONTROL 0xc0 /* RFC 1812 4.3.2.5 */

static bool is_error_type(enum family family, uint8_t type)
{
    if (family == FAMILY_IPV6)
        return type < TYPE6_FIRST_INFORMATION;
    return type == TYPE4_UNREACHABLE || type == TYPE4_SOURCE_QUENCH || type == TYPE4_REDIRECT ||
           type == TYPE4_TIME_EXCEEDED || type == TYPE4_PARAMETER;
}

static bool has_type(const struct ip_view *view)
{
    return icmp_concerns(view) && !view->is_later_fragment &&
           view->len_bytes > view->transport_offset;
}

bool icmp_is_error(const uint8_t *bytes, const struct ip_view *view)
{
    return has_type(view) &&
           is_error_type((enum family)view->family, bytes[view->transport_offset]);
}

bool icmp_is_redirect(const uint8_t *bytes, const struct ip_view *view)
{
    uint8_t type = view->family == FAMILY_IPV4 ? TYPE4_REDIRECT : TYPE6_REDIRECT;
    return has_type(view) && bytes[view->transport_offset] == type;
}

bool icmp_parse_error(const uint8_t *bytes, const struct ip_view *view, struct icmp_error *error)
{
    uint32_t offset = (uint32_t)view->transport_offset + ICMP_HEADER_BYTES;
    if (!icmp_is_error(bytes, view) || view->len_bytes <= offset)
        return false;
    const uint8_t *header = bytes + view->transport_offset;
    struct icmp_error found = {
        .type = header[0],
        .code = header[1],
        .quote_offset = offset,
        .quote_len_bytes = view->len_bytes - offset,
    };
    if (ip_parse_quoted(bytes + offset, found.quote_len_bytes, &found.quote) != VERDICT_OK ||
        found.quote.family != view->family)
        return false;
    if (view->family == FAMILY_IPV4) {
        found.is_too_big = found.type == TYPE4_UNREACHABLE && found.code == CODE4_TOO_BIG;
        found.mtu_bytes = found.is_too_big ? load_be16(header + 6) : 0;
    } else {
        found.is_too_big = found.type == TYPE6_TOO_BIG;
        found.mtu_bytes = found.is_too_big ? load_be32(header + 4) : 0;
    }
    *error = found;
    return true;
}

static const char *words4(uint8_t type, uint8_t code)
{
    static const char *const unreachable[] = {
        "network unreachable", "host unreachable",     "protocol unreachable",
        "port unreachable",    "too big",              "source route failed",
        "network unknown",     "host unknown",         "source isolated",
        "network prohibited",  "host prohibited",      "network unreachable for its TOS",
        "host unreachable for its TOS", "prohibited",
    };
    if (type == TYPE4_UNREACHABLE && code < sizeof(unreachable) / sizeof(unreachable[0]))
        return unreachable[code];
    return type == TYPE4_TIME_EXCEEDED && code == 0 ? "TTL exceeded"
           : type == TYPE4_PARAMETER                ? "bad header"
                                                    : "another ICMP error";
}

static const char *words6(uint8_t type, uint8_t code)
{
    static const char *const unreachable[] = {
        "no route",         "prohibited",       "beyond the source's scope", "host unreachable",
        "port unreachable", "source prohibited", "route rejected",
    };
    if (type == TYPE6_UNREACHABLE && code < sizeof(unreachable) / sizeof(unreachable[0]))
        return unreachable[code];
    return type == TYPE6_TOO_BIG                           ? "too big"
           : type == TYPE6_TIME_EXCEEDED && code == 0 ? "TTL exceeded"
           : type == TYPE6_PARAMETER                       ? "bad header"
                                                           : "another ICMPv6 error";
}

const char *icmp_error_words(enum family family, uint8_t type, uint8_t code)
{
    return family == FAMILY_IPV4 ? words4(type, code) : words6(type, code);
}

static bool is_for_many(const struct address *address)
{
    return address_is_multicast(address) || address_is_broadcast(address);
}

bool icmp_may_answer(const uint8_t *bytes, const struct ip_view *view)
{
    struct address source = ip_source(bytes, view);
    struct address destination = ip_destination(bytes, view);
    if (view->is_later_fragment || is_for_many(&source) || is_for_many(&destination) ||
        address_is_unspecified(&source) || address_is_unspecified(&destination) ||
        address_is_link_local(&source))
        return false;
    if (!icmp_concerns(view))
        return true;
    /* without its type it might be an error */
    return view->len_bytes > view->transport_offset && !icmp_is_error(bytes, view) &&
           !icmp_is_redirect(bytes, view);
}

/* The two headers; lengths and addresses, no checksum of the message yet. */
static void write_ipv4(uint8_t *out, const uint8_t *refused, size_t len)
{
    memset(out, 0, IPV4_HEADER_BYTES);
    out[0] = 0x45;
    out[1] = TOS_INTERNETWORK_CONTROL;
    store_be16(out + 2, (uint16_t)len);
    out[6] = 0x40; /* DF: the ID may then be anything (RFC 6864 4.1) */
    out[8] = HOP_LIMIT;
    out[9] = IP_PROTOCOL_ICMP;
    memcpy(out + 12, refused + 16, 4);
    memcpy(out + 16, refused + 12, 4);
    checksum_set_ipv4(out, IPV4_HEADER_BYTES);
}

static void write_ipv6(uint8_t *out, const uint8_t *refused, size_t len)
{
    memset(out, 0, IPV6_HEADER_BYTES);
    out[0] = 0x60;
    store_be16(out + 4, (uint16_t)(len - IPV6_HEADER_BYTES));
    out[6] = IP_PROTOCOL_ICMPV6;
    out[7] = HOP_LIMIT;
    memcpy(out + 8, refused + 24, 16);
    memcpy(out + 24, refused + 8, 16);
}

static size_t create(uint8_t *out, size_t capacity, const uint8_t *refused, size_t refused_len,
                     const struct ip_view *view, uint8_t type, uint8_t code, uint32_t rest)
{
    bool is_ipv4 = view->family == FAMILY_IPV4;
    size_t headers = (is_ipv4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES) + ICMP_HEADER_BYTES;
    size_t most = is_ipv4 ? 576 : ICMP_CREATE_MOST_BYTES;
    size_t quote = refused_len < view->len_bytes ? refused_len : view->len_bytes;
    if (most > capacity)
        most = capacity;
    if (most < headers + (is_ipv4 ? IPV4_HEADER_BYTES + 8 : IPV6_HEADER_BYTES))
        return 0;
    if (quote > most - headers)
        quote = most - headers;

    size_t len = headers + quote;
    uint8_t *message = out + headers - ICMP_HEADER_BYTES;
    message[0] = type;
    message[1] = code;
    store_be16(message + 2, 0);
    store_be32(message + 4, rest);
    memcpy(message + ICMP_HEADER_BYTES, refused, quote);
    uint64_t sum = checksum_add(0, message, ICMP_HEADER_BYTES + quote);
    if (is_ipv4) {
        write_ipv4(out, refused, len);
    } else {
        write_ipv6(out, refused, len);
        /* TRAPS 4 */
        sum += checksum_pseudo(FAMILY_IPV6, out + 8, out + 24, IP_PROTOCOL_ICMPV6,
                               (uint32_t)(ICMP_HEADER_BYTES + quote));
    }
    store_be16(message + 2, checksum_finish(sum));
    return len;
}

size_t icmp_create_too_big(uint8_t *out, size_t capacity, const uint8_t *refused,
                           size_t refused_len, const struct ip_view *view, uint32_t mtu_bytes)
{
    if (view->family == FAMILY_IPV6)
        return create(out, capacity, refused, refused_len, view, TYPE6_TOO_BIG, 0, mtu_bytes);
    uint32_t mtu = mtu_bytes < UINT16_MAX ? mtu_bytes : UINT16_MAX; /* RFC 1191: 16 bits */
    return create(out, capacity, refused, refused_len, view, TYPE4_UNREACHABLE, CODE4_TOO_BIG, mtu);
}

size_t icmp_create_unreachable(uint8_t *out, size_t capacity, const uint8_t *refused,
                               size_t refused_len, const struct ip_view *view,
                               enum icmp_reason reason)
{
    static const uint8_t codes[][2] = {
        [ICMP_NO_ROUTE] = {0, 0},
        [ICMP_HOST_UNREACHABLE] = {1, 3},
        [ICMP_PROHIBITED] = {13, 1},
        [ICMP_SOURCE_POLICY] = {13, 5},
    };
    bool is_ipv6 = view->family == FAMILY_IPV6;
    return create(out, capacity, refused, refused_len, view,
                  is_ipv6 ? TYPE6_UNREACHABLE : TYPE4_UNREACHABLE, codes[reason][is_ipv6], 0);
}

void icmp_replace_source(uint8_t *bytes, const struct ip_view *view, const struct address *source)
{
    size_t len = family_bytes((enum family)view->family);
    uint8_t *address = bytes + view->source_offset;
    /* IPv4's header sum covers the address, in IPv6 the message's does */
    bool is_ipv4 = view->family == FAMILY_IPV4;
    uint8_t *field = bytes + (is_ipv4 ? 10 : view->transport_offset + 2);
    if (is_ipv4 || view->len_bytes >= (uint32_t)view->transport_offset + 4)
        store_be16(field, checksum_update(load_be16(field), address, source->bytes, len));
    memcpy(address, source->bytes, len);
}
