/* SPDX-License-Identifier: MIT */
/* An engine's memory, of which there may be none from some take on. */
#ifndef TESTS_SIMULATION_SCARCE_H
#define TESTS_SIMULATION_SCARCE_H

#include "engine/engine.h"

/* Outlives the engine. */
struct scarce {
    struct memory memory;
    const struct memory *from;
    size_t left; /* takes until all fail; SIZE_MAX: none does */
};

/* Whatever the engine takes from now on. */
void scarce_init(struct scarce *scarce, struct engine *engine);

#endif
