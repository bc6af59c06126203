/* SPDX-License-Identifier: MIT */
/* Cuts packets into fragments that fit an MTU. An IPv4 packet without DF (RULES D5, RFC 791 3.2):
 * after NAT, its transport checksum finished. A fragment is cut further in the same way. */
#ifndef ROUTE_FRAGMENT_H
#define ROUTE_FRAGMENT_H

#include "packet/ip.h"
#include "packet/packet.h"

/* A packet on its way to fragments; `bytes` are borrowed until it is finished. */
struct fragment {
    const uint8_t *bytes;
    struct ip_view view;
    uint32_t mtu_bytes;
    uint32_t next_payload; /* offset in the payload of the first byte not yet sent */
    bool is_finished;
    uint8_t later_header_bytes;
    uint8_t later_header[60]; /* with the options that are copied */
};

/* TOO_BIG: DF or IPv6, or an MTU that has no room for the header and 8 bytes. MALFORMED: a fragment
 * that would end past 65535. A packet that fits gives one "fragment": itself. */
enum verdict fragment_init(struct fragment *fragment, const uint8_t *bytes,
                           const struct ip_view *view, uint32_t mtu_bytes);
static inline bool fragment_is_finished(const struct fragment *fragment)
{
    return fragment->is_finished;
}
/* Writes the next fragment into `packet` (an empty one with tailroom for the MTU); only while it is
 * not finished. */
void fragment_next(struct fragment *fragment, struct packet *packet);

/* The same at the source of an IPv6 packet without extension headers (RFC 8200 4.5; RULES C6): into
 * how many pieces of at most `mtu_bytes` (1280 or more) one of `len` bytes goes, and the piece with
 * this number, counted from 0, into `packet` (empty, with tailroom for the MTU). */
size_t fragment_ipv6_pieces(size_t len, uint32_t mtu_bytes);
void fragment_ipv6_write(const uint8_t *bytes, size_t len, uint32_t mtu_bytes, uint32_t id,
                         size_t piece, struct packet *packet);

#endif
