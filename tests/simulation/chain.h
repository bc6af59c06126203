/* SPDX-License-Identifier: MIT */
/* A client whose tunnels are each carried by the one before, and a relay at the end of each. Relay
 * i's TUN hands the next level's datagrams on, as a router would; the last one's inbox is the
 * world. */
#ifndef TESTS_SIMULATION_CHAIN_H
#define TESTS_SIMULATION_CHAIN_H

#include "simulation/simulation.h"

#define CHAIN_CLIENT_KEY 100 /* of tunnel 0, counting up */
#define CHAIN_RELAY_KEY 200

struct chain_shape {
    unsigned depth;    /* 1 to 8 */
    unsigned families; /* bit i: tunnel i's datagrams travel over IPv6 */
    uint32_t link_mtu_bytes;
    uint16_t keepalive_s; /* of every peer of the client */
};

struct chain {
    struct sim *sim;
    struct sim_host *client; /* tunnel i has 10.(100+i).0.2 and fd00:(100+i)::2 */
    struct sim_host *relays[8];
    struct sim_host *exit; /* the last relay */
    unsigned depth;
};

void chain_init(struct chain *chain, const struct chain_shape *shape);
void chain_wipe(struct chain *chain);
/* "10.(100+level).0.HOST" or "fd00:(100+level)::HOST" */
const char *chain_address(bool is_ipv6, unsigned level, unsigned host, char text[48]);

/* A UDP packet from the client to a host beyond the exit. */
struct sample chain_to_world(bool is_ipv6, size_t len_bytes, uint32_t serial);
/* Takes what arrived at `host` and checks that it is the sample with this source and destination.
 */
void chain_expect(struct sim_host *host, const struct sample *sample, const char *source,
                  const char *destination);

#endif
