/* SPDX-License-Identifier: MIT */
/* The other end of whatever tunnel a changing host has, at every address and inside every tunnel:
 * it answers each handshake from where that was sent to, however deep, and tells what came out of
 * all tunnels, and on which way. So any endpoint works, and nothing depends on who is where. */
#ifndef TESTS_SIMULATION_EVERYWHERE_H
#define TESTS_SIMULATION_EVERYWHERE_H

#include "simulation/changing.h"
#include "wireguard/tunnel.h"

#define EVERYWHERE_OWN_KEYS (CHANGING_NAMES * CHANGING_VARIANTS)
#define EVERYWHERE_HOPS_MOST 64 /* tunnels of the longest path times the hops in each */

/* The outermost first. */
struct everywhere_way {
    unsigned count;
    struct {
        struct peer *peer; /* whose data it is that holds the next one; of the last one, too */
        struct endpoint near, far;
    } hops[EVERYWHERE_HOPS_MOST];
};

struct everywhere {
    struct sim *sim;
    struct sim_host *host;
    struct tunnel tunnels[CHANGING_PEER_KEYS];
    /* What the host has to it by these keys; NULL: not yet. And the way its last data came. */
    struct peer *peers[CHANGING_PEER_KEYS][EVERYWHERE_OWN_KEYS];
    struct everywhere_way ways[CHANGING_PEER_KEYS][EVERYWHERE_OWN_KEYS];
    uint64_t told_drops[VERDICT_COUNT];
    unsigned came_out, came_in; /* packets that left all tunnels, or the TUN */
    unsigned deepest;           /* in tunnels, and hops within one */
    char trace[8192]; /* a line each */
    size_t trace_len;
};

/* The host's engine from this description, in a world of its own. */
void everywhere_init(struct everywhere *everywhere, const struct network_description *network,
                     const struct random_source *random);
void everywhere_wipe(struct everywhere *everywhere);
/* The host's tunnels are others: their sockets, and what keys they share. What was under way is
 * lost. */
void everywhere_follow(struct everywhere *everywhere);
/* No data came. */
void everywhere_forget_ways(struct everywhere *everywhere);
void everywhere_forget_trace(struct everywhere *everywhere);
/* A packet at the host's TUN; what it is dropped for goes into the trace. */
void everywhere_send(struct everywhere *everywhere, const uint8_t *packet, size_t len);
/* An IP packet from inside the peer's tunnel, the way back that its last data came. */
void everywhere_say(struct everywhere *everywhere, unsigned peer_key, unsigned own_key,
                    const uint8_t *packet, size_t len);
/* What the host wrote to its TUN since, and what it dropped of what came: into the trace. */
void everywhere_tell(struct everywhere *everywhere);

#endif
