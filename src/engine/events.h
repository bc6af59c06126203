/* SPDX-License-Identifier: MIT */
/* What becomes of peers, as lines for people. Each kind is bounded per peer, whatever the network
 * makes of it: who re-addresses our datagrams on their way writes no log. */
#ifndef ENGINE_EVENTS_H
#define ENGINE_EVENTS_H

#include "base/clock.h"

struct core;
struct peer;

void events_moved(struct core *core, struct peer *peer, instant_ns now);
void events_gave_up(struct core *core, struct peer *peer, instant_ns now);
/* The host routes its datagrams into the interface, where they would ride themselves (RULES H6). */
void events_loop(struct core *core, struct peer *peer, instant_ns now);
/* Nothing came from the peer since then: said once, until events_ready. */
void events_no_answer(struct core *core, struct peer *peer, instant_ns since, instant_ns now);
/* No initiation can be sent: the same with its reason. */
void events_no_way(struct core *core, struct peer *peer, const char *reason, instant_ns now);
/* A session works: "back", if it failed before. */
void events_ready(struct core *core, struct peer *peer, instant_ns now);
/* The way of its datagrams is narrower than its carrier's MTU (path_mtu.h). */
void events_narrow(struct core *core, struct peer *peer, instant_ns now);
/* The interface is down: nothing is expected of the peer. */
void events_forget(struct peer *peer);

#endif
