/* SPDX-License-Identifier: MIT */
/* A forest of tunnels with their route lists, for the tests of routes. */
#ifndef TESTS_RIGS_FOREST_H
#define TESTS_RIGS_FOREST_H

#include "route/routes.h"

#define TUNNELS_MOST 12
#define PREFIXES_MOST 6

/* A forest in text: prefixes as they stand in a configuration. */
struct forest {
    struct routes_tunnel tunnels[TUNNELS_MOST];
    struct prefix includes[TUNNELS_MOST][PREFIXES_MOST];
    struct prefix exceptions[TUNNELS_MOST][PREFIXES_MOST];
    size_t count;
};

#endif
