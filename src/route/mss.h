/* SPDX-License-Identifier: MIT */
/* The MSS clamp (RULES C8): TCP learns the path's size from the first packet on. */
#ifndef ROUTE_MSS_H
#define ROUTE_MSS_H

#include "packet/ip.h"

/* The largest segment of a path: its MTU - 40 (IPv4) or - 60 (IPv6), between 0 and 65535. */
uint16_t mss_of_mtu(enum family family, uint32_t mtu_bytes);

/* A SYN or SYN-ACK: no other packet needs mss_clamp. */
static inline bool mss_is_negotiated(const uint8_t *bytes, const struct ip_view *view)
{
    return view->protocol == IP_PROTOCOL_TCP && !view->is_later_fragment &&
           view->len_bytes >= (uint32_t)view->transport_offset + TCP_HEADER_BYTES &&
           (bytes[view->transport_offset + 13] & 0x02);
}

/* Lowers the MSS option of a SYN or SYN-ACK to `most`, the TCP checksum with it; any other packet,
 * and one whose options are cut off or malformed before the option, stays as it is. A partial
 * checksum covers only the pseudo-header and is left alone. `view` is of the same bytes. */
void mss_clamp(uint8_t *bytes, const struct ip_view *view, uint16_t most, bool checksum_is_partial);

#endif
