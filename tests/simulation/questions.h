/* SPDX-License-Identifier: MIT */
/* The same random packets to two hosts, from inside and from outside. */
#ifndef TESTS_SIMULATION_QUESTIONS_H
#define TESTS_SIMULATION_QUESTIONS_H

#include "simulation/everywhere.h"

/* False: they did not do the same; told. */
bool questions_find_them_alike(struct everywhere *a, struct everywhere *b,
                               const struct random_source *random, unsigned count);

#endif
