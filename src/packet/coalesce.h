/* SPDX-License-Identifier: MIT */
/* Segments of one flow become one super-packet for the TUN: what the kernel's GRO would merge. */
#ifndef PACKET_COALESCE_H
#define PACKET_COALESCE_H

#include "packet/ip.h"
#include "packet/vnet.h"

#define COALESCE_FLOWS 16 /* a power of two */
#define COALESCE_SEGMENTS_MOST 64
#define COALESCE_RECEIVES_MOST 4

/* One flow's held segments: defined here so that the caller stores it. */
struct coalesce_run {
    struct packet *first;
    struct packet *last;
    struct ip_view view; /* of the first packet */
    uint32_t packets;    /* 0: free */
    uint32_t header_bytes;
    uint32_t segment_bytes; /* payload of the first; all equal, the last may be shorter */
    uint32_t len_bytes;     /* of all */
    uint32_t next_sequence; /* TCP */
    uint8_t receives_held;  /* RULES H4: at most 4 */
    bool has_push;          /* TCP: of the last packet */
};

/* The runs are a ring: the next one is opened in the place of the one opened 16 before it. */
struct coalesce {
    /* A hash of each run's flow; what is equal is then compared whole. */
    uint64_t keys[COALESCE_FLOWS];
    struct coalesce_run runs[COALESCE_FLOWS];
    uint32_t held;        /* runs that hold packets */
    uint32_t opened;      /* runs so far */
    bool tcp4, tcp6, udp; /* what the TUN takes as super-packets */
};

/* Where finished frames go. `emit` takes the packets; it must not call back into this coalesce. */
struct coalesce_sink {
    void (*emit)(void *context, const struct tun_frame *frame);
    void *context;
};

void coalesce_init(struct coalesce *coalesce, bool tcp4, bool tcp6, bool udp);
/* Takes a packet in the order of arrival: joins its flow's run, or opens one, or passes alone (its
 * flow's held run is emitted before it: order of a flow is kept; RULES H4). Only plain TCP (ACK,
 * PSH) and UDP segments whose transport checksum verifies are merged (TRAPS 36); a frame of one
 * packet has no flags, its bytes are untouched. A run that can take no more (PSH, a shorter
 * segment, full) is emitted at once. `view` is ip_parse's; bytes behind the IP length are cut off.
 */
void coalesce_add(struct coalesce *coalesce, struct packet *packet, const struct ip_view *view,
                  const struct coalesce_sink *sink);
/* A receive ended: runs held over 4 receives are emitted. */
void coalesce_end_receive(struct coalesce *coalesce, const struct coalesce_sink *sink);
/* Emits all, the oldest first (an empty poll). */
void coalesce_flush(struct coalesce *coalesce, const struct coalesce_sink *sink);

static inline bool coalesce_is_holding(const struct coalesce *coalesce)
{
    return coalesce->held > 0;
}

#endif
