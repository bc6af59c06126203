/* SPDX-License-Identifier: MIT */
/* For tests: two networks on one loop, each with a TUN in a namespace of its own, their sockets on
 * the lo of a third: what applications of the first say to those of the second. */
#ifndef IO_NETWORK_PAIR_H
#define IO_NETWORK_PAIR_H

#include <netinet/in.h>

#include "io/network.h"

struct io_memory;

#define PAIR_STREAM_BYTES 4000000

struct end {
    struct tun tun;
    struct network *network;
    struct aead *aead;
    struct address address;
    uint8_t private_key[32];
    uint8_t public_key[32];
    uint16_t port;
    int namespace;
    unsigned ended;
    unsigned lines; /* logged */
};

struct pair {
    struct loop *loop;
    struct io_memory *secrets;
    int world; /* the namespace of the sockets */
    struct end ends[2];
};

/* Each end's inside its tunnel. */
extern const char *const pair_addresses[2];

/* The TUNs alone, up. Leaves the process in the sockets' namespace; false: a check has failed. */
bool pair_make(struct pair *pair, struct tun_options tun_options);
bool pair_start(struct pair *pair, struct network_offloads offloads);
/* Both. */
bool pair_open(struct pair *pair, struct tun_options tun_options, struct network_offloads offloads);
void pair_close(struct pair *pair);

/* A socket in an end's namespace. */
int pair_socket(const struct pair *pair, int index, int type);
struct sockaddr_in pair_name(const char *text, uint16_t port);
/* So many rounds, or 5 ms. */
void pair_run(struct pair *pair, unsigned rounds);
void pair_check_no_drops(const struct end *end);
/* PAIR_STREAM_BYTES over TCP from the first end to the second: how many arrived as they were
 * sent. */
size_t pair_converse(struct pair *pair);

#endif
