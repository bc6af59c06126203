/* SPDX-License-Identifier: MIT */
/* Two networks on one loop, each with a TUN in a namespace of its own, their sockets on
 * the lo of a third: what applications of the first say to those of the second. */
#ifndef TESTS_RIGS_NETWORK_PAIR_H
#define TESTS_RIGS_NETWORK_PAIR_H

#include <netinet/in.h>

#include "io/network.h"

struct io_memory;

#define NETWORK_PAIR_STREAM_BYTES 4000000

struct network_end {
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

struct network_pair {
    struct loop *loop;
    struct io_memory *secrets;
    int world; /* the namespace of the sockets */
    struct network_end ends[2];
};

/* Each end's inside its tunnel. */
extern const char *const network_pair_addresses[2];

/* The TUNs alone, up. Leaves the process in the sockets' namespace; false: a check has failed. */
bool network_pair_make(struct network_pair *pair, struct tun_options tun_options);
bool network_pair_start(struct network_pair *pair, struct network_offloads offloads);
/* Both. */
bool network_pair_open(struct network_pair *pair, struct tun_options tun_options,
                       struct network_offloads offloads);
void network_pair_close(struct network_pair *pair);

/* A socket in an end's namespace. */
int network_pair_socket(const struct network_pair *pair, int index, int type);
struct sockaddr_in network_pair_name(const char *text, uint16_t port);
/* So many rounds, or 5 ms. */
void network_pair_run(struct network_pair *pair, unsigned rounds);
void network_pair_check_no_drops(const struct network_end *end);
/* NETWORK_PAIR_STREAM_BYTES over TCP from the first end to the second: how many arrived as they
 * were sent. */
size_t network_pair_converse(struct network_pair *pair);

#endif
