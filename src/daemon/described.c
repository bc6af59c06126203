/* SPDX-License-Identifier: MIT */
#include "daemon/described.h"

size_t described_place(const struct engine *engine, uint32_t tunnel)
{
    size_t place = 0;
    for (int i = -1; (i = engine_next_tunnel(engine, i)) >= 0 && i != (int)tunnel;)
        place++;
    return place;
}

bool described_next_peer(struct described *at)
{
    size_t place = at->peer < 0 ? 0 : at->peer_place + 1;
    at->peer = engine_next_peer(at->engine, (uint32_t)at->tunnel, at->peer);
    at->peer_place = place;
    return at->peer >= 0 && place < described_tunnel(at)->peer_count;
}

bool described_next(struct described *at)
{
    while (at->tunnel < 0 || !described_next_peer(at)) {
        at->tunnel_place = at->tunnel < 0 ? 0 : at->tunnel_place + 1;
        at->tunnel = engine_next_tunnel(at->engine, at->tunnel);
        at->peer = -1;
        if (at->tunnel < 0 || at->tunnel_place >= at->network->tunnel_count)
            return false;
    }
    return true;
}
