/* SPDX-License-Identifier: MIT */
/* What the caller reads from a root's socket, as it comes to the engine. */
#ifndef ENGINE_TRAIN_H
#define ENGINE_TRAIN_H

#include "base/address.h"
#include "packet/pool.h"

/* What came out of a root's socket: one datagram, or a train of datagrams of `segment_bytes` each
 * (the last may be shorter). */
struct udp_train {
    struct block *block; /* the caller's reference passes to the engine */
    uint32_t offset;     /* of the first byte in the block */
    uint32_t len_bytes;
    uint32_t segment_bytes; /* 0: one datagram */
    struct endpoint source;
    struct address destination; /* where it was sent to (sticky source); FAMILY_NONE: unknown */
    uint32_t interface;         /* ifindex it came in at, or 0 */
    uint8_t tos;
};

#endif
