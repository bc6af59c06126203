/* SPDX-License-Identifier: MIT */
/* Whether two engines are the same network: all that follows from what is configured, named by
 * tunnels' names and peers' keys, as numbers and chosen ports may differ. */
#ifndef TESTS_SIMULATION_ALIKE_H
#define TESTS_SIMULATION_ALIKE_H

#include "simulation/simulation.h"

/* Tunnels in order, NAT, MTUs, each peer's way, the routes, and what some random addresses lead
 * to. */
bool alike_engines(const struct engine *a, const struct engine *b,
                   const struct random_source *random);
/* For all roots the same. */
void alike_set_root_mtus(struct engine *engine);

#endif
