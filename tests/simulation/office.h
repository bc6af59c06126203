/* SPDX-License-Identifier: MIT */
/* A client with a forest: `entry` (a root, NAT off, everything), carried by it `office` (IPv4 only)
 * and `lab` (two peers, one's prefix inside the other's), and a second root `home`. Each tunnel's
 * other ends are hosts; entry forwards, the others' inboxes are their networks. */
#ifndef TESTS_SIMULATION_OFFICE_H
#define TESTS_SIMULATION_OFFICE_H

#include "simulation/simulation.h"

enum { OFFICE_ENTRY, OFFICE_OFFICE, OFFICE_LAB, OFFICE_HOME };

#define OFFICE_CLIENT4 "10.64.0.2" /* entry's address, and the interface's */
#define OFFICE_CLIENT6 "fc00:bbbb::2"
#define OFFICE_PORT 61111 /* office's virtual socket */

struct office {
    struct sim *sim;
    struct sim_host *client;
    struct sim_host *entry;  /* 203.0.113.1; tunnel address 10.64.0.1, fc00:bbbb::1 */
    struct sim_host *office; /* 203.0.113.2; we are 10.9.0.2, it has 10.20.0.0/16, fd20::/32 */
    struct sim_host *lab[2]; /* .3, .4; 10.30.0.2, fd30::2; 10.31.0.0/16 fd31::/32; 10.31.5.0/24.
                              * AllowedIPs but no route: 10.99.0.0/16 */
    struct sim_host *home;   /* .5; 172.16.0.2; 192.168.0.0/16; routed also: 172.20.0.0/16 */
};

void office_init(struct office *office);
/* And every tunnel has a session. */
void office_init_connected(struct office *office);
void office_wipe(struct office *office);
/* UDP from the interface's address, port 4000 to 53. */
struct sample office_sample(const char *destination, size_t len, uint32_t serial);
/* What came out at `host`'s TUN is the sample with this source. */
void office_expect(struct sim_host *host, const struct sample *sample, const char *source);
/* No packet, at all. */
void office_expect_nothing(struct sim_host *host);

#endif
