/* SPDX-License-Identifier: MIT */
/* For tests: one end of a UDP conversation, with its pool and a record of what arrived. */
#ifndef IO_UDP_SIDE_H
#define IO_UDP_SIDE_H

#include "io/udp_linux.h"

#define SIDE_BLOCKS 64
#define SIDE_RECORDS_MOST 4096

struct record {
    uint32_t len;
    uint32_t number; /* written into the first 4 bytes */
    uint8_t tos;
    struct endpoint source;
    struct address destination;
};

struct side {
    struct pool *pool;
    struct udp *udp;
    uint64_t drops[VERDICT_COUNT];
    unsigned trains;
    size_t count;
    struct record records[SIDE_RECORDS_MOST];
};

/* A pool of `slots` packets of `payload_bytes` and SIDE_BLOCKS receive blocks; pool, dropped and
 * context of the options are the side's. */
struct side *side_new(size_t slots, size_t payload_bytes, struct udp_options options);
/* Checks that every buffer has come back. */
void side_free(struct side *side);

struct address side_address(const char *text);
struct udp_path side_path(const char *text, uint16_t port);
/* A datagram of a known pattern, its number in the first 4 bytes. */
struct packet *side_make(struct side *side, uint32_t len, uint32_t number);
/* `count` (at most 1024) datagrams of `len` bytes to one path, numbered from `first`. */
void side_send(struct side *side, const struct udp_path *path, uint32_t len, uint32_t first,
               size_t count, instant_ns now);
/* Receives all that waits into the records, bytes checked. */
void side_collect(struct side *side, enum family family);
void side_check_in_order(const struct side *side, uint32_t first, size_t count);
uint64_t side_sent_messages(const struct side *side);

#endif
