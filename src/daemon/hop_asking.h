/* SPDX-License-Identifier: MIT */
/* One hop asked whether it works: a handshake where there is no session, and echo requests inside,
 * which whoever forwards answers at the first hop already. WireGuard itself never tells an end
 * that its packets are taken: a handshake answers to keys alone, also where the other end refuses
 * every packet for its source. */
#ifndef DAEMON_HOP_ASKING_H
#define DAEMON_HOP_ASKING_H

#include "base/text.h"
#include "daemon/daemon_state.h"
#include "daemon/described.h"

#define HOP_ASKING_ECHOES_MOST 6 /* of one question: inside and on the way */

struct hop_asking {
    struct peer_handle peer;
    bool is_wanted; /* else only on the way to one that is */
    bool is_mute;   /* there is nothing to ask it inside: its handshake tells all */
    unsigned tries;
    uint32_t inside[2]; /* the newest echo requests to it, one a family */
    duration_ns rtt_ns; /* of the first of all that was answered; 0: none */
    /* Carried: echo requests to its endpoint, inside the carrier, and what came of them. */
    uint32_t ways[2];
    bool is_sent_on;   /* what goes there leaves the carrier's relay */
    bool host_answers; /* its host, that is */
};

/* Asks once more; the first time that begins all that is needed. `at` stands at the peer. False:
 * the engine's batch is full, and must be sent first. */
bool hop_asking_ask(struct hop_asking *asking, const struct described *at, struct engine *engine,
                    instant_ns since, instant_ns now);
/* Something was sent through it since then, or it is mute and answered; true as well of one that
 * is no more. */
bool hop_asking_is_answered(struct hop_asking *asking, struct engine *engine, instant_ns since,
                            instant_ns now);
/* Why it is not, as a sentence that names it. */
void hop_asking_tell(const struct hop_asking *asking, const struct daemon *daemon,
                     struct text *to);

#endif
