/* SPDX-License-Identifier: MIT */
/* What the programs of the ladder share: rows measured in interleaved rounds, their medians, and
 * the AEAD instances. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stddef.h>

#include "crypto/aead.h"

#define MEASURE_AEADS_MOST 8

/* The timed part of some work: making ready what it consumes is left out. */
struct measure_burst {
    double ns;
    size_t packets;
};

/* A line of the ladder. `burst` is called until a sample is long enough to be trusted; `text` is
 * printf's: "rung=4 backend=none ...". */
void measure_add(struct measure_burst (*burst)(void *context), void *context, const char *text, ...)
    __attribute__((format(printf, 3, 4)));
/* Measures every row once a round, and prints the medians in ns a packet. Of the program's
 * arguments each is a word that a row must have: "depth=2". BENCH_ROUNDS in the environment: fewer
 * rounds. */
void measure_run(int argc, char **argv);

double measure_now_ns(void);

/* Instances of the backends that work here; HOPWIRE_AEAD names the only one that is wanted. */
size_t measure_aeads(struct aead *aeads[MEASURE_AEADS_MOST]);
/* A backend that leaves the bytes as they are and takes every packet for authentic: what all the
 * rest costs. */
struct aead *measure_aead_none(void);

#endif
