/* SPDX-License-Identifier: MIT */
/* The way behind a host that forwards: a router there passes IP packets of `way_mtu_bytes` at most.
 * It cuts IPv4 packets without DF and answers all others with packet-too-big, as routers do; where
 * they go, a kernel joins the fragments before a socket sees them. */
#ifndef TESTS_SIMULATION_WAY_H
#define TESTS_SIMULATION_WAY_H

#include "simulation/simulation.h"

/* False: dropped, and the sender is told. `gso_size`: of each segment, or 0. */
bool way_passes(struct sim_host *router, const uint8_t *bytes, size_t len, size_t gso_size);
/* An IPv6 fragment: the packet that it makes whole, without a fragment header, to be freed; or
 * NULL. */
struct sim_packet *way_join(struct sim *sim, const uint8_t *bytes, size_t len);

#endif
