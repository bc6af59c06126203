/* SPDX-License-Identifier: MIT */
/* The TUN's segmentation offload as pure bytes: one super-packet with a virtio_net_hdr is split into
 * segments, checksums completed while copying; segments of one flow are coalesced into one. */
#ifndef PACKET_OFFLOAD_H
#define PACKET_OFFLOAD_H

#include "base/verdict.h"
#include "packet/ip.h"
#include "packet/packet.h"
#include "packet/pool.h"

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
enum { VNET_GSO_NONE = 0, VNET_GSO_TCPV4 = 1, VNET_GSO_UDP = 3, VNET_GSO_TCPV6 = 4,
       VNET_GSO_UDP_L4 = 5, VNET_GSO_ECN = 0x80 };

/* ---- split ---- */

/* A super-packet on its way to segments. Resumable: stops when the caller's batch is full. `bytes` are
 * borrowed until it is finished. NAT and the MSS clamp have been applied to `bytes` before (once). */
struct split {
    const uint8_t *bytes;
    uint32_t len_bytes;
    struct vnet_header vnet;
    struct ip_view view;
    uint32_t header_bytes;  /* IP and transport headers, repeated in each segment */
    uint32_t segment_bytes; /* payload of a full segment */
    uint32_t next_payload;  /* offset of the first payload byte not yet sent */
    uint32_t segment_index;
    uint64_t header_sum;    /* what the implementation precomputes for all segments */
    uint32_t pseudo_sum;
};

/* Checks the header against the packet (RULES B5; TRAPS 8). MALFORMED, or NAT_UNSUPPORTED for a
 * segmented packet whose csum_start is not its transport header. `view` is ip_parse_quoted's of the
 * same bytes. The length of the largest segment (headers and payload) is split_packet_bytes. */
enum verdict split_init(struct split *split, const struct vnet_header *vnet, const uint8_t *bytes,
                        size_t len, const struct ip_view *view);
/* Headers + segment payload (or the whole packet when it is not segmented): what must fit the MTU. */
uint32_t split_packet_bytes(const struct split *split);
bool split_is_finished(const struct split *split);
/* Writes the next segment into `packet` (an empty one with tailroom for it): headers copied and
 * adjusted (lengths, IPv4 ID and checksum, TCP sequence and flags: FIN and PSH only in the last, CWR only in
 * the first; UDP length), the transport checksum completed while copying. */
void split_next(struct split *split, struct packet *packet);

/* ---- coalesce ---- */

#define COALESCE_FLOWS 16
#define COALESCE_SEGMENTS_MOST 64

/* What goes to the TUN in one write: the header and a queue of packets whose bytes follow each other.
 * The first has the headers, the others only their payload. */
struct tun_frame {
    struct vnet_header vnet;
    struct packet *first; /* linked by next */
    uint32_t packets;
    uint32_t len_bytes;
};

struct coalesce_run; /* one flow's held segments: defined here so that the caller stores it */
struct coalesce_run {
    struct packet *first;
    struct packet *last;
    struct ip_view view;      /* of the first packet */
    uint32_t packets;         /* 0: free */
    uint32_t header_bytes;
    uint32_t segment_bytes;   /* payload of the first; all equal, the last may be shorter */
    uint32_t len_bytes;       /* of all */
    uint32_t next_sequence;   /* TCP */
    bool is_closed;           /* takes no more: a shorter segment or PSH came */
    uint8_t receives_held;    /* RULES H4: at most 4 */
};

struct coalesce {
    struct coalesce_run runs[COALESCE_FLOWS];
    bool tcp4, tcp6, udp; /* what the TUN takes as super-packets */
};

/* Where finished frames go. `emit` takes the packets. */
struct coalesce_sink {
    void (*emit)(void *context, const struct tun_frame *frame);
    void *context;
};

void coalesce_init(struct coalesce *coalesce, bool tcp4, bool tcp6, bool udp);
/* Takes a packet in the order of arrival: joins its flow's run, or opens one, or passes alone (its flow's
 * held run is emitted before it: order of a flow is kept; RULES H4). Only plain TCP (ACK, PSH) and UDP segments
 * whose transport checksum verifies are merged (TRAPS 36); for others the frame has no flags. `view` is
 * ip_parse's. */
void coalesce_add(struct coalesce *coalesce, struct packet *packet, const struct ip_view *view,
                  const struct coalesce_sink *sink);
/* A receive ended: runs held over 4 receives, and those that are closed, are emitted. */
void coalesce_end_receive(struct coalesce *coalesce, const struct coalesce_sink *sink);
/* Emits all (an empty poll). */
void coalesce_flush(struct coalesce *coalesce, const struct coalesce_sink *sink);
bool coalesce_is_holding(const struct coalesce *coalesce);

#endif
