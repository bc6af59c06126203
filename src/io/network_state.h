/* SPDX-License-Identifier: MIT */
/* What network.c and network_turns.c share: nobody else looks in here. */
#ifndef IO_NETWORK_STATE_H
#define IO_NETWORK_STATE_H

#include "io/network.h"

struct root;

struct socket_source {
    struct root *root;
    enum family family;
    struct loop_source source; /* fd -1: the kernel lacks the family */
    bool is_ready;
    bool is_resting;
    unsigned next_train; /* received, not yet given to the engine */
    unsigned train_count;
    struct udp_train trains[UDP_RECEIVE_MOST];
};

struct tun_source {
    struct network *network;
    struct loop_source source; /* of one queue */
    bool is_ready;
    bool is_resting;
};

struct root {
    struct network *network;
    uint32_t tunnel;
    struct udp *udp;
    struct socket_source sockets[2];
};

struct network {
    struct network_options options;
    struct engine *engine;
    struct pool *pool;
    struct loop_hook hook;
    struct loop_timer tick;
    struct loop_timer wake; /* resting sources */
    struct tun_source tun_sources[TUN_QUEUES_MOST];
    unsigned next_queue; /* whose turn it is to be read */
    bool is_unfinished; /* the super-packet in tun_bytes has segments left */
    bool may_hold;      /* the engine may hold runs */
    bool has_received;  /* from a socket, in this round */
    bool is_gone;       /* the interface */
    bool is_in_loop;
    instant_ns last_log;
    size_t tunnel_count; /* for which `roots` has room */
    struct root **roots; /* by tunnel; NULL: it is carried, or there is none */
    struct network_counters counters;
    struct vnet_header tun_vnet;
    size_t tun_len;
    uint8_t tun_bytes[TUN_READ_BYTES];
    struct actions actions;
};

/* Out of the loop for good; twice does nothing. */
void network_leave_loop(struct network *network);

/* The loop's callbacks: `context` is the network; of tun_ready the tun_source, of socket_ready the
 * socket_source. */
bool network_turns_end_round(void *context);
void network_turns_tun_ready(void *context, uint32_t events);
void network_turns_socket_ready(void *context, uint32_t events);
void network_turns_tick(void *context, instant_ns now);
void network_turns_wake(void *context, instant_ns now);

#endif
