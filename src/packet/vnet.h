/* SPDX-License-Identifier: MIT */
/* What stands in front of a packet on a TUN with IFF_VNET_HDR, and what is written to it at once.
 */
#ifndef PACKET_VNET_H
#define PACKET_VNET_H

#include "packet/packet.h"

#define VNET_HEADER_BYTES 10
#define OFFLOAD_SUPER_MOST_BYTES 65535

/* struct virtio_net_hdr, host byte order (the TUN's default on little-endian machines). */
struct vnet_header {
    uint8_t flags; /* VNET_NEEDS_CSUM, VNET_DATA_VALID */
    uint8_t gso_type;
    uint16_t hdr_len;  /* never trusted (RULES B5) */
    uint16_t gso_size; /* payload bytes a segment */
    uint16_t csum_start;
    uint16_t csum_offset;
};
_Static_assert(sizeof(struct vnet_header) == VNET_HEADER_BYTES, "as the kernel writes it");

enum { VNET_NEEDS_CSUM = 1, VNET_DATA_VALID = 2 };
enum {
    VNET_GSO_NONE = 0,
    VNET_GSO_TCPV4 = 1,
    VNET_GSO_UDP = 3,
    VNET_GSO_TCPV6 = 4,
    VNET_GSO_UDP_L4 = 5,
    VNET_GSO_ECN = 0x80,
};

/* What goes to the TUN in one write: the header and a queue of packets whose bytes follow each
 * other. The first has the headers, the others only their payload. */
struct tun_frame {
    struct vnet_header vnet;
    struct packet *first; /* linked by next */
    uint32_t packets;
    uint32_t len_bytes;
};

#endif
