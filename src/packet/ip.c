/* SPDX-License-Identifier: MIT */
#include "packet/ip.h"

#include <assert.h>

#include "base/bytes.h"
#include "packet/checksum.h"

#define EXTENSION_HEADERS_MOST 16
enum { IPV4_OPTION_END = 0, IPV4_OPTION_NOP = 1, IPV4_OPTION_LSRR = 131, IPV4_OPTION_SSRR = 137 };
enum { IPV6_OPTION_PAD1 = 0, IPV6_OPTION_JUMBO = 0xc2 };

/* RFC 791 3.1. A source route that has not been run through means that the destination field is not
 * the address which the transport checksum covers. */
static bool read_ipv4_options(const uint8_t *options, size_t len, bool *has_routing_segments)
{
    for (size_t at = 0; at < len && options[at] != IPV4_OPTION_END;) {
        if (options[at] == IPV4_OPTION_NOP) {
            at++;
            continue;
        }
        if (len - at < 2)
            return false;
        size_t option_len = options[at + 1];
        if (option_len < 2 || option_len > len - at)
            return false;
        if (options[at] == IPV4_OPTION_LSRR || options[at] == IPV4_OPTION_SSRR) {
            if (option_len < 3 || options[at + 2] < 4)
                return false;
            if (options[at + 2] <= option_len)
                *has_routing_segments = true;
        }
        at += option_len;
    }
    return true;
}

/* The ping of death: a piece of more than any packet can hold. */
static bool ends_beyond_all(size_t fragment_offset_bytes, size_t payload_bytes)
{
    return fragment_offset_bytes + payload_bytes > UINT16_MAX;
}

static enum verdict parse_ipv4(const uint8_t *bytes, size_t len, bool is_quoted,
                               struct ip_view *view)
{
    if (len < IPV4_HEADER_BYTES)
        return VERDICT_MALFORMED;
    size_t header_bytes = (size_t)(bytes[0] & 0x0f) * 4;
    size_t len_bytes = is_quoted ? len : load_be16(bytes + 2);
    if (header_bytes < IPV4_HEADER_BYTES || header_bytes > len_bytes || len_bytes > len)
        return VERDICT_MALFORMED;
    uint16_t fragment = load_be16(bytes + 6);
    uint32_t fragment_offset_bytes = (uint32_t)(fragment & 0x1fff) * 8;
    bool is_fragment = fragment & 0x3fff, has_routing_segments = false;
    if (is_fragment && !is_quoted &&
        ends_beyond_all(fragment_offset_bytes, len_bytes - header_bytes))
        return VERDICT_MALFORMED;
    if (!read_ipv4_options(bytes + IPV4_HEADER_BYTES, header_bytes - IPV4_HEADER_BYTES,
                           &has_routing_segments))
        return VERDICT_MALFORMED;
    *view = (struct ip_view){
        .family = FAMILY_IPV4,
        .protocol = bytes[9],
        .tos = bytes[1],
        .ttl = bytes[8],
        .transport_offset = (uint16_t)header_bytes,
        .source_offset = 12,
        .destination_offset = 16,
        .len_bytes = (uint32_t)len_bytes,
        .fragment_offset_bytes = fragment_offset_bytes,
        .fragment_id = load_be16(bytes + 4),
        .has_dont_fragment = fragment & 0x4000,
        .has_more_fragments = fragment & 0x2000,
        .is_fragment = is_fragment,
        .is_later_fragment = fragment_offset_bytes > 0,
        .has_options = header_bytes > IPV4_HEADER_BYTES,
        .has_routing_segments = has_routing_segments,
    };
    return VERDICT_OK;
}

/* RFC 8200 4.2; RFC 2675 2. */
static bool read_hop_by_hop(const uint8_t *options, size_t len, struct ip_view *view)
{
    for (size_t at = 0; at < len;) {
        if (options[at] == IPV6_OPTION_PAD1) {
            at++;
            continue;
        }
        if (len - at < 2 || options[at + 1] > len - at - 2)
            return false;
        if (options[at] == IPV6_OPTION_JUMBO)
            view->has_jumbo = true;
        at += 2 + (size_t)options[at + 1];
    }
    return true;
}

/* Follows the chain from view->protocol and view->transport_offset to what is no extension header.
 * AH and ESP end it: what they protect is not ours to look into. */
static bool walk_extension_headers(const uint8_t *bytes, size_t limit, struct ip_view *view)
{
    for (unsigned headers = 0; headers <= EXTENSION_HEADERS_MOST; headers++) {
        uint8_t kind = view->protocol;
        if (kind != IP_PROTOCOL_HOPOPTS && kind != IP_PROTOCOL_ROUTING &&
            kind != IP_PROTOCOL_FRAGMENT && kind != IP_PROTOCOL_DSTOPTS)
            return true;
        size_t at = view->transport_offset;
        if (limit - at < 8)
            return false;
        const uint8_t *header = bytes + at;
        size_t header_bytes = kind == IP_PROTOCOL_FRAGMENT ? 8 : ((size_t)header[1] + 1) * 8;
        if (header_bytes > limit - at)
            return false;
        view->protocol = header[0];
        view->transport_offset = (uint16_t)(at + header_bytes);
        if (kind == IP_PROTOCOL_FRAGMENT) {
            if (view->fragment_header_offset)
                return false;
            uint16_t fragment = load_be16(header + 2);
            view->fragment_header_offset = (uint16_t)at;
            view->fragment_offset_bytes = fragment & 0xfff8;
            view->has_more_fragments = fragment & 1;
            view->fragment_id = load_be32(header + 4);
            if (view->fragment_offset_bytes)
                return true; /* what follows is a piece of something */
            continue;
        }
        view->has_options = true;
        if (kind == IP_PROTOCOL_ROUTING && header[3] > 0)
            view->has_routing_segments = true;
        if (kind == IP_PROTOCOL_HOPOPTS &&
            (at != IPV6_HEADER_BYTES || !read_hop_by_hop(header + 2, header_bytes - 2, view)))
            return false;
    }
    return false;
}

static enum verdict parse_ipv6(const uint8_t *bytes, size_t len, bool is_quoted,
                               struct ip_view *view)
{
    if (len < IPV6_HEADER_BYTES)
        return VERDICT_MALFORMED;
    size_t len_bytes = len, payload_bytes = load_be16(bytes + 4);
    /* A jumbogram's length stands in its first extension header. */
    bool may_be_jumbo = payload_bytes == 0 && bytes[6] == IP_PROTOCOL_HOPOPTS;
    if (!is_quoted && !may_be_jumbo)
        len_bytes = IPV6_HEADER_BYTES + payload_bytes;
    if (len_bytes > len)
        return VERDICT_MALFORMED;
    struct ip_view found = {
        .family = FAMILY_IPV6,
        .protocol = bytes[6],
        .tos = (uint8_t)(load_be16(bytes) >> 4),
        .ttl = bytes[7],
        .transport_offset = IPV6_HEADER_BYTES,
        .source_offset = 8,
        .destination_offset = 24,
        .len_bytes = (uint32_t)len_bytes,
        .has_dont_fragment = true,
    };
    if (!walk_extension_headers(bytes, len_bytes, &found))
        return VERDICT_MALFORMED;
    if (!is_quoted && may_be_jumbo && !found.has_jumbo)
        return VERDICT_MALFORMED;
    found.is_later_fragment = found.fragment_offset_bytes > 0;
    found.is_fragment = found.is_later_fragment || found.has_more_fragments;
    if (found.is_fragment && !is_quoted &&
        ends_beyond_all(found.fragment_offset_bytes, len_bytes - found.transport_offset))
        return VERDICT_MALFORMED;
    *view = found;
    return VERDICT_OK;
}

static enum verdict parse(const uint8_t *bytes, size_t len, bool is_quoted, struct ip_view *view)
{
    if (len == 0 || len > UINT32_MAX)
        return VERDICT_MALFORMED;
    if (bytes[0] >> 4 == 4)
        return parse_ipv4(bytes, len, is_quoted, view);
    if (bytes[0] >> 4 == 6)
        return parse_ipv6(bytes, len, is_quoted, view);
    return VERDICT_MALFORMED;
}

enum verdict ip_parse(const uint8_t *bytes, size_t len, struct ip_view *view)
{
    return parse(bytes, len, false, view);
}

enum verdict ip_parse_quoted(const uint8_t *bytes, size_t len, struct ip_view *view)
{
    return parse(bytes, len, true, view);
}

void ip_write_outer(uint8_t *header, const struct ip_outer *outer, size_t payload_len)
{
    enum family family = (enum family)outer->source.family;
    size_t udp_len = UDP_HEADER_BYTES + payload_len;
    uint8_t *udp;
    if (family == FAMILY_IPV4) {
        assert(IPV4_HEADER_BYTES + udp_len <= UINT16_MAX);
        header[0] = 0x45;
        header[1] = outer->tos;
        store_be16(header + 2, (uint16_t)(IPV4_HEADER_BYTES + udp_len));
        store_be16(header + 4, outer->id);
        store_be16(header + 6, 0);
        header[8] = 64;
        header[9] = IP_PROTOCOL_UDP;
        memcpy(header + 12, outer->source.bytes, 4);
        memcpy(header + 16, outer->destination.bytes, 4);
        checksum_set_ipv4(header, IPV4_HEADER_BYTES);
        udp = header + IPV4_HEADER_BYTES;
    } else {
        assert(udp_len <= UINT16_MAX);
        store_be32(header, 6u << 28 | (uint32_t)outer->tos << 20);
        store_be16(header + 4, (uint16_t)udp_len);
        header[6] = IP_PROTOCOL_UDP;
        header[7] = 64;
        memcpy(header + 8, outer->source.bytes, 16);
        memcpy(header + 24, outer->destination.bytes, 16);
        udp = header + IPV6_HEADER_BYTES;
    }
    store_be16(udp, outer->source_port);
    store_be16(udp + 2, outer->destination_port);
    store_be16(udp + 4, (uint16_t)udp_len);
    store_be16(udp + 6, 0);
    uint64_t sum = checksum_pseudo(family, outer->source.bytes, outer->destination.bytes,
                                   IP_PROTOCOL_UDP, (uint32_t)udp_len);
    store_be16(udp + 6, checksum_finish_udp(checksum_add(sum, udp, udp_len)));
}

void ip_set_tos(uint8_t *bytes, const struct ip_view *view, uint8_t tos)
{
    if (view->family == FAMILY_IPV4) {
        uint8_t changed[2] = {bytes[0], tos};
        store_be16(bytes + 10, checksum_update(load_be16(bytes + 10), bytes, changed, 2));
        bytes[1] = tos;
    } else {
        store_be16(bytes, (uint16_t)((load_be16(bytes) & 0xf00f) | tos << 4));
    }
}
