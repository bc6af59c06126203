/* SPDX-License-Identifier: MIT */
/* A sample with all that routers meet: any option, extension header, fragment or quote, mostly at
 * random. The same recipe with another address is what a translation must arrive at. */
#ifndef TESTS_RIGS_RECIPE_H
#define TESTS_RIGS_RECIPE_H

#include "packet/ip.h"

#define RECIPE_MOST_BYTES 2600

enum recipe_fragment {
    RECIPE_WHOLE,
    RECIPE_FIRST,
    RECIPE_LATER, /* no transport header: its payload is what stands at `fragment_at` */
};

struct recipe {
    enum family family;
    uint8_t protocol;
    struct address source;
    struct address destination;
    uint8_t tos;
    enum recipe_fragment fragment;
    uint32_t id;          /* of the fragments, in IPv4 its 16 bits of every packet */
    uint32_t fragment_at; /* of a later one, in bytes */
    bool is_last;         /* of a later one */
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
    uint8_t payload[1600];
    size_t payload_len;
};

/* Writes the packet and returns its length. */
size_t recipe_write(const struct recipe *recipe, uint8_t out[RECIPE_MOST_BYTES]);
/* The same in a heap buffer of exactly its size; the caller frees it. */
uint8_t *recipe_write_new(const struct recipe *recipe, size_t *len);
/* A random recipe: TCP, UDP, ICMP, ICMPv6, SCTP, GRE or ESP, with or without options, extension
 * headers, fragmentation; `quoted` NULL. */
void recipe_random(struct recipe *recipe, enum family family);
/* Makes an ICMP error of it that quotes `quoted`. */
void recipe_error(struct recipe *recipe, const struct recipe *quoted);
struct address recipe_address(enum family family);

#endif
