/* SPDX-License-Identifier: MIT */
/* For tests only: packets made from a recipe with every checksum computed from scratch, byte by
 * byte. The same recipe with another address is what a translation must arrive at. */
#ifndef ROUTE_PACKET_MAKER_H
#define ROUTE_PACKET_MAKER_H

#include "packet/ip.h"

#define MAKER_MOST_BYTES 2600

enum maker_fragment { MAKER_WHOLE, MAKER_FIRST, MAKER_LATER };

struct recipe {
    enum family family;
    uint8_t protocol;
    struct address source;
    struct address destination;
    enum maker_fragment fragment;
    uint8_t options[40]; /* IPv4 */
    size_t options_len;  /* a multiple of 4 */
    bool has_hop_by_hop; /* IPv6 */
    bool has_destination_options;
    uint8_t tcp_flags;
    uint8_t tcp_options[40];
    size_t tcp_options_len; /* a multiple of 4 */
    bool is_partial;        /* the transport checksum is the pseudo-header's sum */
    bool has_no_udp_checksum;
    uint8_t icmp_type; /* of an error when `quoted` is set */
    const struct recipe *quoted;
    size_t quote_most; /* the quote is cut to this */
    uint8_t payload[1500];
    size_t payload_len;
};

/* Writes the packet and returns its length. */
size_t maker_write(const struct recipe *recipe, uint8_t out[MAKER_MOST_BYTES]);
/* The same in a heap buffer of exactly its size; the caller frees it. */
uint8_t *maker_new(const struct recipe *recipe, size_t *len);
/* A random recipe: TCP, UDP, ICMP, ICMPv6, SCTP, GRE or ESP, with or without options, extension
 * headers, fragmentation; `quoted` NULL. */
void maker_random(struct recipe *recipe, enum family family);
/* Makes an ICMP error of it that quotes `quoted`. */
void maker_error(struct recipe *recipe, const struct recipe *quoted);
struct address maker_address(enum family family);
/* The ones'-complement sum of RFC 1071, pair by pair, not complemented; an odd byte is padded. */
uint16_t maker_sum(uint32_t start, const uint8_t *bytes, size_t len);
/* The sum of a pseudo-header. */
uint32_t maker_pseudo(enum family family, const uint8_t *source, const uint8_t *destination,
                      uint8_t protocol, size_t len);

#endif
