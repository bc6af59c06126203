/* SPDX-License-Identifier: MIT */
/* One root's UDP sockets: IPv4 and IPv6 on one port; trains of datagrams in (recvmmsg, UDP_GRO),
 * runs of datagrams out (sendmmsg, UDP_SEGMENT). */
#ifndef IO_UDP_LINUX_H
#define IO_UDP_LINUX_H

#include "base/clock.h"
#include "base/log_sink.h"
#include "base/text.h"
#include "base/verdict.h"
#include "engine/engine.h"

#define UDP_RECEIVE_MOST 32                 /* messages one udp_receive returns at most */
#define UDP_QUEUE_PACKETS 1024              /* that wait for the socket at most (RULES H3) */
#define UDP_SEGMENTS_MOST 64                /* of one UDP_SEGMENT run (TRAPS 32) */
#define UDP_NO_SEGMENTS_NS (600 * NS_PER_S) /* an endpoint that refused them (RULES E5) */

struct udp_options {
    uint16_t port; /* 0: the kernel chooses one that both families have */
    uint32_t mark; /* SO_MARK; 0: none */
    bool no_gso;   /* TRAPS 35 */
    bool no_gro;
    struct pool *pool; /* receive blocks come from here, sent packets go back to it */
    /* Datagrams that were not sent, nor will be: SOCKET_FULL or SOCKET_ERROR; and received ones
     * that were not read: POOL_EMPTY, MALFORMED (truncated). May be NULL. */
    void (*dropped)(void *context, enum verdict verdict, uint64_t packets);
    struct log_sink log; /* at most one line in 5 seconds */
    /* Keeps a new socket out of the tunnel on platforms where a mark does not (0, or -errno); may
     * be NULL. */
    int (*protect)(void *context, int fd);
    void *context;
};

struct udp_counters {
    uint64_t receive_calls;
    uint64_t received_trains;
    uint64_t received_bytes;
    uint64_t truncated;
    uint64_t send_calls;
    uint64_t sent_messages; /* runs */
    uint64_t sent_packets;
    uint64_t sent_bytes;
    uint64_t unsegmented;  /* runs that had to be sent again packet by packet */
    uint64_t lost_sources; /* runs sent again without their sticky source */
    uint64_t queued_packets;
    uint64_t dropped_packets;
};

struct udp;

/* 0; or -errno and a sentence: -EADDRINUSE: the port is taken in a family, -EPERM: the mark needs
 * CAP_NET_ADMIN. Without IPv6 in the kernel (or without IPv4) the other family alone. */
int udp_open(struct udp **udp, const struct udp_options *options, struct text *why);
void udp_close(struct udp *udp); /* gives waiting packets back; NULL does nothing */

/* The descriptor of FAMILY_IPV4 or FAMILY_IPV6, or -1. */
int udp_fd(const struct udp *udp, enum family family);
uint16_t udp_port(const struct udp *udp);
uint32_t udp_mark(const struct udp *udp);
const struct udp_counters *udp_counters(const struct udp *udp);
/* 0, or -errno. */
int udp_set_mark(struct udp *udp, uint32_t mark);
/* The network changed (RULES F8): what was remembered of endpoints and sources is forgotten. */
void udp_forget(struct udp *udp);

/* Reads what waits at one family's socket, at most UDP_RECEIVE_MOST trains. The blocks' references
 * are the caller's, to give to engine_from_udp one by one. The number of trains, or -errno:
 * -EAGAIN: none, -ENOBUFS: the pool has no block (see udp_discard). `has_more`: it is worth asking
 * again before a poll. */
int udp_receive(struct udp *udp, enum family family, struct udp_train trains[UDP_RECEIVE_MOST],
                bool *has_more);
/* Throws away up to 128 messages that wait; counted as POOL_EMPTY. */
void udp_discard(struct udp *udp, enum family family);

/* Takes the packets. Sends them in order: consecutive ones with one path, TOS and size as one run.
 * What the kernel has no room for waits (copied path) for udp_resume. */
void udp_send(struct udp *udp, const struct udp_send *sends, size_t count, instant_ns now);
/* The family whose socket must become writable (EPOLLOUT) before udp_resume, or FAMILY_NONE. */
enum family udp_waits_for(const struct udp *udp);
/* False: nothing left. After EPOLLOUT that means that the kernel has no memory, and would say at
 * once that the socket is writable. */
bool udp_resume(struct udp *udp, instant_ns now);

#endif
