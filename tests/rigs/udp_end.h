/* SPDX-License-Identifier: MIT */
/* One end of a UDP conversation, with its pool and a record of what arrived. */
#ifndef TESTS_RIGS_UDP_END_H
#define TESTS_RIGS_UDP_END_H

#include "io/udp_linux.h"

#define UDP_END_BLOCKS 64
#define UDP_END_RECORDS_MOST 4096

struct record {
    uint32_t len;
    uint32_t number; /* written into the first 4 bytes */
    uint8_t tos;
    struct endpoint source;
    struct address destination;
};

struct udp_end {
    struct pool *pool;
    struct udp *udp;
    uint64_t drops[VERDICT_COUNT];
    unsigned trains;
    size_t count;
    struct record records[UDP_END_RECORDS_MOST];
};

/* A pool of `slots` packets of `payload_bytes` and UDP_END_BLOCKS receive blocks; pool, dropped and
 * context of the options are the end's. */
struct udp_end *udp_end_new(size_t slots, size_t payload_bytes, struct udp_options options);
/* Checks that every buffer has come back. */
void udp_end_free(struct udp_end *end);

struct address udp_end_address(const char *text);
struct udp_path udp_end_path(const char *text, uint16_t port);
/* A datagram of a known pattern, its number in the first 4 bytes. */
struct packet *udp_end_make(struct udp_end *end, uint32_t len, uint32_t number);
/* `count` (at most 1024) datagrams of `len` bytes to one path, numbered from `first`. */
void udp_end_send(struct udp_end *end, const struct udp_path *path, uint32_t len, uint32_t first,
                  size_t count, instant_ns now);
/* Receives all that waits into the records, bytes checked. */
void udp_end_collect(struct udp_end *end, enum family family);
void udp_end_check_in_order(const struct udp_end *end, uint32_t first, size_t count);
uint64_t udp_end_sent_messages(const struct udp_end *end);

#endif
