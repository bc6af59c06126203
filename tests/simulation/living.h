/* SPDX-License-Identifier: MIT */
/* Networks that change while they live: changes applied to a host, and what it is afterwards. */
#ifndef TESTS_SIMULATION_LIVING_H
#define TESTS_SIMULATION_LIVING_H

#include "simulation/office.h"

struct prefix living_prefix(const char *text);
/* As engine_apply. */
int living_apply(struct sim_host *host, const struct change *list, size_t count,
                 struct text *why);
/* The same, foreseen by engine_try; a refusal says why and leaves what is configured. */
int living_try_and_apply(struct engine *engine, const struct changes *changes, instant_ns now);
/* The change is accepted. */
void living_apply_one(struct sim_host *host, const struct change *change);
/* With this error and sentence. */
void living_refuse(struct sim_host *host, const struct change *change, int error,
                   const char *expected);

/* To be given back with tree_description_forget and the tests' memory. */
struct network_description living_describe(const struct sim_host *host);
/* To the order of a peer's AllowedIPs. */
bool living_are_equal(const struct network_description *a, const struct network_description *b);

/* A packet from the office's client reaches the host, with this source. */
void living_talk(struct office *office, const char *destination, struct sim_host *host,
                 const char *source, uint32_t serial);
/* With this public key and nothing else. */
struct peer_description living_peer(unsigned key);

#endif
