/* SPDX-License-Identifier: MIT */
/* Stateless translation of one address of a packet, in place (RULES B2 to B5): the interface's
 * becomes the tunnel's outbound, the tunnel's the interface's inbound. Ports never change. */
#ifndef ROUTE_NAT_H
#define ROUTE_NAT_H

#include "packet/ip.h"

enum nat_side {
    NAT_SOURCE,      /* outbound; in an ICMP error the quoted destination with it */
    NAT_DESTINATION, /* inbound; in an ICMP error the quoted source with it */
};

/* Replaces the source or the destination by `to` (the packet's family, else NO_ADDRESS) and adjusts
 * every checksum that covers it: RFC 1624 for finished ones, by plain ones'-complement addition
 * for a partial one. In an ICMP error the quoted address changes too where it equals the replaced
 * one, with the checksums around and inside the quote.
 * `view` is ip_parse's or ip_parse_quoted's of the same bytes.
 * partial_checksum_at: the TUN's csum_start (an offset in the packet), or 0: the transport checksum
 * is partial exactly when it equals view->transport_offset.
 * NAT_UNSUPPORTED leaves the packet as it was: a transport header that is cut off, an unreadable
 * quote, a protocol whose checksum we cannot adjust (UDP-Lite, DCCP, AH, any unknown one), routing
 * segments left. `to` equal to the present address: OK at once, whatever the packet is. */
enum verdict nat_rewrite(uint8_t *bytes, size_t len, const struct ip_view *view, enum nat_side side,
                         const struct address *to, uint16_t partial_checksum_at);

#endif
