/* SPDX-License-Identifier: MIT */
/* The peers of a description beside the numbers that the engine knows them by: in one order, since
 * the one was made from the other. */
#ifndef DAEMON_DESCRIBED_H
#define DAEMON_DESCRIBED_H

#include "engine/engine.h"

struct described {
    const struct network_description *network;
    const struct engine *engine;
    size_t tunnel_place, peer_place; /* in the description */
    int tunnel, peer;                /* the engine's numbers */
};

/* Before the first peer. */
static inline struct described described_all(const struct network_description *network,
                                             const struct engine *engine)
{
    return (struct described){.network = network, .engine = engine, .tunnel = -1, .peer = -1};
}

/* Where the engine's tunnel stands in a description of it. */
size_t described_place(const struct engine *engine, uint32_t tunnel);
/* The next peer of all tunnels, or of the one that it stands at; false: there is none. */
bool described_next(struct described *at);
bool described_next_peer(struct described *at);

static inline const struct tunnel_description *described_tunnel(const struct described *at)
{
    return &at->network->tunnels[at->tunnel_place];
}

static inline struct peer_handle described_handle(const struct described *at)
{
    return engine_peer_handle(at->engine, (uint32_t)at->tunnel, (uint32_t)at->peer);
}

static inline const struct peer_description *described_peer(const struct described *at)
{
    return &described_tunnel(at)->peers[at->peer_place];
}

#endif
