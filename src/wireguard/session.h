/* SPDX-License-Identifier: MIT */
/* One pair of transport keys (whitepaper 5.4.5, 5.4.6) and what may be done with it. */
#ifndef WIREGUARD_SESSION_H
#define WIREGUARD_SESSION_H

#include "base/clock.h"
#include "wireguard/message.h"
#include "wireguard/replay.h"

struct peer;

struct session {
    struct peer *peer;
    uint8_t send_key[32];
    uint8_t receive_key[32];
    uint64_t send_counter; /* of the next message */
    uint32_t local_index;  /* ours: what the other end writes into its messages */
    uint32_t remote_index;
    instant_ns born;
    bool is_initiator;
    uint8_t timestamp[12];         /* of the initiation: both ends know it (peer.c) */
    struct session *next_in_table; /* of the tunnel's index table */
    struct replay replay;
};

/* Not yet REJECT_AFTER_TIME old and the counter below REJECT_AFTER_MESSAGES. Whitepaper 6.1, 6.2.
 */
static inline bool session_may_send(const struct session *session, instant_ns now)
{
    return session->send_counter < REJECT_AFTER_MESSAGES &&
           instant_since(session->born, now) < REJECT_AFTER_TIME_NS;
}

/* A message with `counter` may still be opened with it. */
static inline bool session_may_receive(const struct session *session, uint64_t counter,
                                       instant_ns now)
{
    return counter < REJECT_AFTER_MESSAGES &&
           instant_since(session->born, now) < REJECT_AFTER_TIME_NS;
}

/* Whitepaper 6.2: a new handshake is due although this session still works: after
 * REKEY_AFTER_MESSAGES, or, for the initiator, after REKEY_AFTER_TIME. */
static inline bool session_wants_rekey_when_sending(const struct session *session, instant_ns now)
{
    return session->send_counter > REKEY_AFTER_MESSAGES ||
           (session->is_initiator && instant_since(session->born, now) > REKEY_AFTER_TIME_NS);
}

/* The initiator's last chance on receiving: it would expire before another handshake finishes. */
static inline bool session_wants_rekey_when_receiving(const struct session *session, instant_ns now)
{
    return session->is_initiator && instant_since(session->born, now) > REJECT_AFTER_TIME_NS -
                                                                            KEEPALIVE_TIMEOUT_NS -
                                                                            REKEY_TIMEOUT_NS;
}

static inline uint64_t session_next_counter(struct session *session)
{
    return session->send_counter++;
}

#endif
