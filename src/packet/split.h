/* SPDX-License-Identifier: MIT */
/* One super-packet from the TUN becomes the segments that the kernel's own software segmentation
 * would have made of it, checksums completed while copying. */
#ifndef PACKET_SPLIT_H
#define PACKET_SPLIT_H

#include "base/verdict.h"
#include "packet/ip.h"
#include "packet/vnet.h"

/* A super-packet on its way to segments. Resumable: stops when the caller's batch is full. `bytes`
 * are borrowed until it is finished. NAT and the MSS clamp are applied to `bytes` (once) before the
 * first segment is taken, which sums the headers. */
struct split {
    const uint8_t *bytes;
    uint32_t
        len_bytes; /* by the IP header where the packet is not segmented: padding is left out */
    struct vnet_header vnet;
    struct ip_view view;
    bool is_segmented;
    uint32_t
        header_bytes; /* IP and transport headers, repeated in each segment; 0: not segmented */
    uint32_t segment_bytes; /* payload of a full segment */
    uint32_t next_payload;  /* offset of the first payload byte not yet sent */
    uint32_t segment_index;
    uint64_t header_sum;    /* IPv4: of the header without length, ID and checksum */
    uint64_t transport_sum; /* pseudo-header and transport header without what differs by segment */
};

/* Checks the header against the packet (RULES B5; TRAPS 8). MALFORMED, or NAT_UNSUPPORTED for a
 * segmented packet whose csum_start is not its transport header; `split` is not to be used then.
 * `view` is ip_parse_quoted's of the same bytes. The length of the largest segment (headers and
 * payload) is split_packet_bytes. */
enum verdict split_init(struct split *split, const struct vnet_header *vnet, const uint8_t *bytes,
                        size_t len, const struct ip_view *view);

/* Headers + segment payload (or the whole packet when it is not segmented): what must fit the MTU.
 */
static inline uint32_t split_packet_bytes(const struct split *split)
{
    return split->header_bytes + split->segment_bytes;
}

static inline bool split_is_finished(const struct split *split)
{
    return split->segment_index > 0 && split->next_payload >= split->len_bytes;
}

/* How many split_next has still to write. */
static inline uint32_t split_packets_left(const struct split *split)
{
    uint32_t left = split->len_bytes - split->next_payload, each = split->segment_bytes;
    if (split_is_finished(split))
        return 0;
    return split->is_segmented && left ? (left + each - 1) / each : 1;
}

/* Writes the next segment into `packet` (an empty one with tailroom for it): headers copied and
 * adjusted (lengths, IPv4 ID and checksum, TCP sequence and flags: FIN and PSH only in the last,
 * CWR only in the first; UDP length), the transport checksum completed while copying. Not to be
 * called on a finished split. */
void split_next(struct split *split, struct packet *packet);

#endif
