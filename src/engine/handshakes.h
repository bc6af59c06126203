/* SPDX-License-Identifier: MIT */
/* Handshakes of all tunnels: the backlog (RULES H2), the load (TRAPS 22), initiations, replies, and
 * the peers' timers. */
#ifndef ENGINE_HANDSHAKES_H
#define ENGINE_HANDSHAKES_H

#include "engine/inbound_entry.h"

struct outbound;

struct handshakes {
    struct core *core;
    struct outbound *outbound; /* where initiations and answers go, and what waits for a session */
    struct backlog backlog;
};

/* Copies a handshake message out of its buffer to wait for its turn, if it is worth that (see
 * tunnel_vet_handshake); what is refused is counted. */
void handshakes_enqueue(struct handshakes *handshakes, const struct inbound_entry *entry,
                        instant_ns now);
/* A few of them, from each tunnel in turn. */
void handshakes_run(struct handshakes *handshakes, instant_ns now, uint64_t wall_ns,
                    struct actions *actions);
/* Initiates for every peer that outbound listed, and for their carriers in turn. */
void handshakes_initiate_wanted(struct handshakes *handshakes, instant_ns now, uint64_t wall_ns,
                                struct actions *actions);
/* A session works: sends what waited for it. */
void handshakes_session_is_ready(struct handshakes *handshakes, struct peer *peer, instant_ns now,
                                 struct actions *actions);
/* Peers whose deadline has come, at most `most`. */
void handshakes_tick(struct handshakes *handshakes, size_t most, instant_ns now, uint64_t wall_ns,
                     struct actions *actions);

/* The peer goes, or the link: it wants nothing, and its timers do not ring. */
void handshakes_let_go(struct handshakes *handshakes, struct peer *peer);

#endif
