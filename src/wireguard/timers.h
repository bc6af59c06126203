/* SPDX-License-Identifier: MIT */
/* One peer's timers (whitepaper 6), named by what happened. No clock: deadlines in, what is due
 * out. */
#ifndef WIREGUARD_TIMERS_H
#define WIREGUARD_TIMERS_H

#include "base/clock.h"
#include "base/random.h"
#include "wireguard/message.h"

/* What is due. Several may be at once (deadlines may be an hour late: RULES H1). */
enum timers_due {
    TIMERS_DUE_INITIATION = 1, /* send a handshake initiation (first or again) */
    TIMERS_DUE_KEEPALIVE = 2,  /* send an empty packet */
    TIMERS_DUE_GIVE_UP = 4,    /* no answer for REKEY_ATTEMPT_TIME: drop what is staged */
    TIMERS_DUE_WIPE = 8,       /* 3 × REJECT_AFTER_TIME without a new session: forget all keys */
    TIMERS_DUE_SILENT = 16,    /* nothing came for TIMERS_SILENT_NS after data was sent */
};

#define TIMERS_SILENT_NS (KEEPALIVE_TIMEOUT_NS + REKEY_TIMEOUT_NS)

struct timers {
    instant_ns retransmit;        /* the handshake's answer is late */
    instant_ns passive_keepalive; /* data received and nothing sent since */
    instant_ns new_handshake;     /* data sent and nothing received since, or wanted for another
                                   * reason */
    instant_ns silent;            /* as new_handshake, only for the first of its reasons */
    instant_ns wipe;
    instant_ns persistent_keepalive;
    duration_ns persistent_interval; /* 0: off */
    instant_ns last_initiation; /* sent; INSTANT_NEVER: never */
    uint32_t jitter_ns;         /* of new_handshake; drawn anew for each session, not each packet */
    uint16_t attempts;          /* initiations sent for the handshake under way */
    bool wants_another_keepalive; /* data came while the passive one was pending */
};

void timers_init(struct timers *timers);
/* Everything off (the tunnel goes down); the interval stays. */
void timers_stop(struct timers *timers);
void timers_set_persistent_keepalive(struct timers *timers, uint16_t interval_s, instant_ns now);
/* The earliest deadline, or INSTANT_NEVER. */
instant_ns timers_next(const struct timers *timers);
/* Takes what is due at `now`: a set of enum timers_due. Each is rearmed or off when this returns.
 */
unsigned timers_take_due(struct timers *timers, instant_ns now);

void timers_data_sent(struct timers *timers, instant_ns now);
void timers_data_received(struct timers *timers, instant_ns now);
void timers_any_authenticated_packet_sent(struct timers *timers);
void timers_any_authenticated_packet_received(struct timers *timers);
void timers_any_authenticated_packet_traversal(struct timers *timers, instant_ns now);
/* A packet waits for a session: the count of attempts starts again (whitepaper 6.4). */
void timers_packet_staged(struct timers *timers);
/* An initiation left (or could not leave): the next comes after REKEY_TIMEOUT and jitter. */
void timers_handshake_initiated(struct timers *timers, const struct random_source *random,
                                instant_ns now);
/* It had to wait: REKEY_TIMEOUT begins anew. */
void timers_initiation_leaves(struct timers *timers, const struct random_source *random,
                              instant_ns now);
void timers_handshake_complete(struct timers *timers);
void timers_session_derived(struct timers *timers, const struct random_source *random,
                            instant_ns now);
/* At most one initiation per REKEY_TIMEOUT. */
bool timers_may_initiate(const struct timers *timers, instant_ns now);

#endif
