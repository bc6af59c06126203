/* SPDX-License-Identifier: MIT */
/* Random changes of a network: every kind, of few tunnels, keys and addresses, so that much is
 * inside of much else. A source of random bytes decides, of which each choice takes one: a test's,
 * or a fuzzer's input. */
#ifndef TESTS_SIMULATION_CHANGING_H
#define TESTS_SIMULATION_CHANGING_H

#include "simulation/simulation.h"

#define CHANGING_NAMES 5     /* of tunnels */
#define CHANGING_VARIANTS 3  /* keys of a tunnel's own */
#define CHANGING_PEER_KEYS 6 /* any tunnel's peers */
#define CHANGING_AT_ONCE 4

/* Numbers for sim_private_key. */
#define CHANGING_PEER_KEY 20 /* and up */
#define CHANGING_OWN_KEY 40  /* and up: those of the first tunnel, of the second one, … */

/* What a change points to. */
struct changing_pieces {
    struct change_allowed_ip allowed_ips[4];
    struct prefix prefixes[3][4];
    struct address addresses[2];
    struct address dns[1];
    struct peer_description peers[2];
    struct tunnel_description tunnel;
};

struct changing {
    struct changes changes; /* of the rest */
    struct change list[CHANGING_AT_ONCE];
    struct changing_pieces pieces[CHANGING_AT_ONCE];
    const char *order[CHANGING_NAMES];
};

/* `keys_are_apart`: else a tunnel's own key may be another one's, too, or its peer's. */
void changing_draw(struct changing *changing, const struct random_source *random,
                   bool keys_are_apart);
/* All the tunnels, three of them inside each other; a peer rides another one. */
void changing_init_network(struct sim_network *network);
/* Below 256. */
unsigned changing_below(const struct random_source *random, unsigned below);
struct address changing_address(const struct random_source *random);

#endif
