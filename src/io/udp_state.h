/* SPDX-License-Identifier: MIT */
/* What udp_linux.c and udp_send_linux.c share: nobody else looks in here. */
#ifndef IO_UDP_STATE_H
#define IO_UDP_STATE_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "io/udp_linux.h"
#include "io/udp_refusals.h"

#define UDP_CONTROL_BYTES 128
#define UDP_MESSAGES_MOST 64 /* in one sendmmsg */
#define UDP_PARTS_MOST 512   /* packets in one sendmmsg */

/* Younger than some C libraries' headers. */
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

union udp_name {
    struct sockaddr any;
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
};

union udp_control {
    struct cmsghdr align;
    uint8_t bytes[UDP_CONTROL_BYTES];
};

struct udp_socket {
    int fd;           /* -1: the kernel does not have this family */
    bool has_trains;  /* the last receive returned some */
    bool no_segments; /* this kernel or device cannot (TRAPS 32) */
};

/* A datagram that waits, with its own copy of the path. */
struct udp_waiting {
    struct packet *packet;
    struct udp_path path;
};

struct udp_receive_room {
    struct mmsghdr headers[UDP_RECEIVE_MOST];
    struct iovec parts[UDP_RECEIVE_MOST];
    union udp_name names[UDP_RECEIVE_MOST];
    union udp_control controls[UDP_RECEIVE_MOST];
    struct block *blocks[UDP_RECEIVE_MOST];
};

struct udp_send_room {
    struct mmsghdr headers[UDP_MESSAGES_MOST];
    struct iovec parts[UDP_PARTS_MOST];
    union udp_name names[UDP_MESSAGES_MOST];
    union udp_control controls[UDP_MESSAGES_MOST];
};

struct udp {
    struct udp_options options;
    uint16_t port;
    struct udp_socket sockets[2]; /* IPv4, IPv6 */
    struct udp_counters counters;
    struct udp_refusals no_segments;  /* endpoints (RULES E5) */
    struct udp_refusals lost_sources; /* port 0 */
    instant_ns last_log;
    size_t queue_first; /* a ring */
    size_t queue_count;
    size_t queue_most;
    struct udp_waiting queue[UDP_QUEUE_PACKETS];
    struct udp_receive_room receive;
    struct udp_send_room send;
};

static inline struct udp_socket *udp_socket_of(struct udp *udp, enum family family)
{
    return &udp->sockets[family == FAMILY_IPV6];
}

static inline void udp_count_drop(struct udp *udp, enum verdict verdict, uint64_t packets)
{
    udp->counters.dropped_packets += packets;
    if (udp->options.dropped)
        udp->options.dropped(udp->options.context, verdict, packets);
}

#endif
