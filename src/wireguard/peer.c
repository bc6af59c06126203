/* SPDX-License-Identifier: MIT */
/* Theory of operation. The initiator of a handshake may use its keys at once: they become current.
 * The responder may not before the initiator has used them: they wait as next. The keys replaced
 * stay as previous and open late packets. When both ends initiate at once, each derives two
 * sessions, one as responder and one as initiator, and would stay current with its own for ever. So
 * there the session of the later initiation wins (its timestamp is known to both ends; if they are
 * equal, that of the larger public key), and both ends move to the same one. Timestamps of
 * different clocks decide nothing but this race: a session answered while our own initiation was
 * under way. */
#include "wireguard/peer.h"

static void drop(struct peer *peer, struct session **place)
{
    struct session *session = *place;
    if (!session)
        return;
    *place = NULL;
    indices_remove_session(peer->indices, session);
    bytes_wipe(session, sizeof(*session));
    memory_give(peer->indices->memory, session, sizeof(*session));
}

/* Puts `session` where another may be: that one is dropped. */
static void put(struct peer *peer, struct session **place, struct session *session)
{
    drop(peer, place);
    *place = session;
}

static void move(struct peer *peer, struct session **from, struct session **to)
{
    struct session *session = *from;
    *from = NULL;
    put(peer, to, session);
}

static const uint8_t *initiator_key(const struct peer *peer, const struct session *session)
{
    return session->is_initiator ? peer->identity->public_key : peer->noise.public_key;
}

/* Both ends answer this alike. */
static bool wins_race(const struct peer *peer, const struct session *a, const struct session *b)
{
    int order = memcmp(a->timestamp, b->timestamp, sizeof(a->timestamp));
    if (order == 0)
        order = memcmp(initiator_key(peer, a), initiator_key(peer, b), 32);
    return order > 0;
}

static void place_as_initiator(struct peer *peer, struct session *session, instant_ns sent)
{
    struct session *rival = peer->next ? peer->next : peer->current;
    bool is_race = rival && !rival->is_initiator && rival->born >= sent;
    if (is_race && wins_race(peer, rival, session)) {
        if (rival == peer->current) { /* in use by both ends already */
            put(peer, &peer->previous, session);
            return;
        }
        /* not known to have reached the other end: until it is used, we have this one */
        move(peer, &peer->current, &peer->previous);
    } else if (peer->next) {
        move(peer, &peer->next, &peer->previous);
    } else {
        move(peer, &peer->current, &peer->previous);
    }
    put(peer, &peer->current, session);
}

struct session *peer_derive_session(struct peer *peer, const struct peer_derivation *derivation,
                                    instant_ns now)
{
    struct session *session = memory_take(peer->indices->memory, sizeof(*session));
    if (!session)
        return NULL;
    session->peer = peer;
    memcpy(session->send_key, derivation->keys->send, 32);
    memcpy(session->receive_key, derivation->keys->receive, 32);
    memcpy(session->timestamp, derivation->timestamp, sizeof(session->timestamp));
    session->local_index = derivation->local_index;
    session->remote_index = derivation->remote_index;
    session->is_initiator = derivation->is_initiator;
    session->born = now;
    indices_add_session(peer->indices, session);
    if (derivation->is_initiator)
        place_as_initiator(peer, session, derivation->initiation_sent);
    else
        put(peer, &peer->next, session);
    timers_session_derived(&peer->timers, peer->random, now);
    return session;
}

void peer_forget_initiation(struct peer *peer, unsigned slot)
{
    indices_remove_initiation(peer->indices, &peer->initiations[slot]);
    noise_forget_initiation(&peer->noise, slot);
}

static void forget_initiations(struct peer *peer)
{
    for (unsigned slot = 0; slot < NOISE_INITIATIONS; slot++)
        peer_forget_initiation(peer, slot);
}

void peer_confirm_next(struct peer *peer)
{
    move(peer, &peer->current, &peer->previous);
    move(peer, &peer->next, &peer->current);
    forget_initiations(peer); /* a late answer must not displace what both ends use now */
    timers_handshake_complete(&peer->timers);
    peer->last_handshake_wall_ns = peer->answered_wall_ns;
}

void peer_forget_sessions(struct peer *peer)
{
    drop(peer, &peer->current);
    drop(peer, &peer->previous);
    drop(peer, &peer->next);
    forget_initiations(peer);
}
