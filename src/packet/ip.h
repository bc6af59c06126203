/* SPDX-License-Identifier: MIT */
/* A validated view of one IP packet (RFC 791, RFC 8200): where its headers are, found once. */
#ifndef PACKET_IP_H
#define PACKET_IP_H

#include "base/address.h"
#include "base/verdict.h"

enum {
    IP_PROTOCOL_HOPOPTS = 0, IP_PROTOCOL_ICMP = 1, IP_PROTOCOL_TCP = 6, IP_PROTOCOL_UDP = 17,
    IP_PROTOCOL_ROUTING = 43, IP_PROTOCOL_FRAGMENT = 44, IP_PROTOCOL_GRE = 47,
    IP_PROTOCOL_ESP = 50, IP_PROTOCOL_AH = 51, IP_PROTOCOL_ICMPV6 = 58, IP_PROTOCOL_NONE = 59,
    IP_PROTOCOL_DSTOPTS = 60, IP_PROTOCOL_SCTP = 132, IP_PROTOCOL_UDPLITE = 136,
    IP_PROTOCOL_DCCP = 33,
};

#define IPV4_HEADER_BYTES 20
#define IPV6_HEADER_BYTES 40
#define IPV6_FRAGMENT_BYTES 8 /* the header of a piece */
#define UDP_HEADER_BYTES 8
#define TCP_HEADER_BYTES 20

/* Offsets count from the packet's first byte. `transport_offset` is where the headers end: at the
 * transport header, or, in a later fragment, at its payload (is_later_fragment). */
struct ip_view {
    uint8_t family; /* enum family */
    uint8_t protocol; /* of what stands at transport_offset */
    uint8_t tos;      /* DSCP and ECN */
    uint8_t ttl;
    uint16_t transport_offset;
    uint16_t source_offset; /* 12 or 8 */
    uint16_t destination_offset; /* 16 or 24 */
    uint16_t fragment_header_offset; /* IPv6: of the fragment header; 0: none */
    uint32_t len_bytes;     /* by the IP header; never more than the bytes given */
    uint32_t fragment_offset_bytes;
    uint32_t fragment_id;
    bool has_dont_fragment; /* IPv4 DF; always true in IPv6 */
    bool has_more_fragments;
    bool is_fragment;       /* first or later */
    bool is_later_fragment; /* offset > 0: no transport header in it */
    bool has_options; /* IPv4 options, IPv6 extension headers other than a fragment header */
    bool has_routing_segments; /* IPv6 routing header with segments left, IPv4 source route */
    bool has_jumbo;
};

/* Looks at the headers of `len` bytes; MALFORMED when they are cut off or contradict each other.
 * Bytes behind the IP length are tolerated (padding). A chain of extension headers is walked for at
 * most 16 headers, to what is none: AH and ESP end it. A jumbogram's length is `len`. The transport
 * header may be cut off: compare transport_offset with len_bytes. The IPv4 header's checksum is not
 * checked here. `view` is untouched on failure. */
enum verdict ip_parse(const uint8_t *bytes, size_t len, struct ip_view *view);
/* The same for a packet whose IP length field is not to be trusted to match (a super-packet from
 * the TUN may exceed 65535 or carry 0; a packet quoted in an ICMP error is cut off): the length is
 * `len`. */
enum verdict ip_parse_quoted(const uint8_t *bytes, size_t len, struct ip_view *view);

static inline struct address ip_source(const uint8_t *bytes, const struct ip_view *view)
{
    return address_from_bytes((enum family)view->family, bytes + view->source_offset);
}

static inline struct address ip_destination(const uint8_t *bytes, const struct ip_view *view)
{
    return address_from_bytes((enum family)view->family, bytes + view->destination_offset);
}

/* Writes the IP and UDP headers of a carried datagram (RULES C2) in front of `payload_len` bytes
 * that stand right behind them: DF clear, TTL 64, flow label 0, UDP checksum in both families.
 * `header` has room for 28 (IPv4) or 48 (IPv6) bytes; all together is an IP packet: 65507 bytes of
 * payload at most. */
struct ip_outer {
    struct address source;
    struct address destination; /* the same family */
    uint16_t source_port;
    uint16_t destination_port;
    uint16_t id;  /* IPv4 */
    uint8_t tos;
};
static inline size_t ip_outer_bytes(enum family family)
{
    return (family == FAMILY_IPV4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES) + UDP_HEADER_BYTES;
}
void ip_write_outer(uint8_t *header, const struct ip_outer *outer, size_t payload_len);

enum { IP_ECN_NOT_ECT = 0, IP_ECN_ECT1 = 1, IP_ECN_ECT0 = 2, IP_ECN_CE = 3, IP_ECN_MASK = 3 };

/* RFC 6040 4.2: the inner TOS after decapsulation, its ECN by that of the outer header; false: the
 * packet must be dropped (outer CE on an inner Not-ECT). */
static inline bool ip_decapsulate_ecn(uint8_t outer_tos, uint8_t inner_tos, uint8_t *tos)
{
    uint8_t outer = outer_tos & IP_ECN_MASK, inner = inner_tos & IP_ECN_MASK;
    if (outer == IP_ECN_CE && inner == IP_ECN_NOT_ECT)
        return false;
    bool is_taken = outer == IP_ECN_CE || (outer == IP_ECN_ECT1 && inner == IP_ECN_ECT0);
    *tos = is_taken ? (uint8_t)((inner_tos & ~IP_ECN_MASK) | outer) : inner_tos;
    return true;
}
/* Rewrites the TOS / traffic class of a packet in place, IPv4 header checksum with it. */
void ip_set_tos(uint8_t *bytes, const struct ip_view *view, uint8_t tos);

#endif
