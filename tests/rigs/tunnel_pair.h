/* SPDX-License-Identifier: MIT */
/* Two tunnels that know each other, a virtual clock, and what the engine would do with
 * data, in its plainest form. */
#ifndef TESTS_RIGS_TUNNEL_PAIR_H
#define TESTS_RIGS_TUNNEL_PAIR_H

#include "crypto/aead.h"
#include "crypto/blake2s.h"
#include "crypto/x25519.h"
#include "rigs/sample.h"
#include "tap.h"
#include "wireguard/tunnel.h"

#define S NS_PER_S

struct tunnel_end {
    struct tunnel tunnel;
    struct peer *peer; /* the other end */
    struct endpoint endpoint;
    uint64_t wall_ns; /* at instant 0 */
};

struct tunnel_pair {
    struct tunnel_end a, b;
    instant_ns now;
};

static inline void tunnel_pair_random_private_key(uint8_t key[32])
{
    tap_random_bytes(key, 32);
    x25519_clamp(key);
}

static inline void tunnel_pair_init(struct tunnel_pair *pair, bool has_preshared_key)
{
    uint8_t key[32], preshared_key[32] = {0};
    memset(pair, 0, sizeof(*pair));
    pair->now = 1000 * S;
    pair->a.wall_ns = pair->b.wall_ns = 1700000000 * S;
    pair->a.endpoint = sample_endpoint("192.0.2.1:51820");
    pair->b.endpoint = sample_endpoint("[2001:db8::2]:51820");
    tunnel_pair_random_private_key(key);
    CHECK(tunnel_init(&pair->a.tunnel, tap_memory(), tap_random_source(), key));
    tunnel_pair_random_private_key(key);
    CHECK(tunnel_init(&pair->b.tunnel, tap_memory(), tap_random_source(), key));
    if (has_preshared_key)
        tap_random_bytes(preshared_key, sizeof(preshared_key));
    pair->a.peer =
        tunnel_add_peer(&pair->a.tunnel, pair->b.tunnel.identity.public_key, preshared_key);
    pair->b.peer =
        tunnel_add_peer(&pair->b.tunnel, pair->a.tunnel.identity.public_key, preshared_key);
    CHECK(pair->a.peer && pair->b.peer);
}

static inline void tunnel_pair_wipe(struct tunnel_pair *pair)
{
    tunnel_wipe(&pair->a.tunnel);
    tunnel_wipe(&pair->b.tunnel);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

static inline struct tunnel_end *tunnel_pair_other(struct tunnel_pair *pair,
                                                   const struct tunnel_end *end)
{
    return end == &pair->a ? &pair->b : &pair->a;
}

static inline enum verdict tunnel_pair_initiate(struct tunnel_pair *pair, struct tunnel_end *from,
                                                uint8_t *message)
{
    return tunnel_create_initiation(from->peer, pair->now, from->wall_ns + pair->now, message);
}

/* A handshake message arrives at `to` from the other end. */
static inline enum verdict tunnel_pair_deliver(struct tunnel_pair *pair, struct tunnel_end *to,
                                               const uint8_t *message, size_t len,
                                               bool is_under_load, struct handshake_result *result)
{
    return tunnel_consume_handshake(&to->tunnel, message, len,
                                    &tunnel_pair_other(pair, to)->endpoint, is_under_load,
                                    pair->now, to->wall_ns + pair->now, result);
}

/* An empty data message of the current session; 0: there is none to send with. */
static inline size_t tunnel_pair_seal(struct tunnel_pair *pair, struct tunnel_end *from,
                                      uint8_t message[32])
{
    struct session *session = peer_sending_session(from->peer, pair->now);
    if (!session)
        return 0;
    uint64_t counter = session_next_counter(session);
    message_write_data_header(message, session->remote_index, counter);
    aead_seal_with_data(session->send_key, counter, NULL, 0, NULL, 0, message + 16);
    return 32;
}

static inline enum verdict tunnel_pair_open(struct tunnel_pair *pair, struct tunnel_end *to,
                                            const uint8_t *message)
{
    struct session *session = tunnel_find_session(&to->tunnel, message_receiver_index(message));
    uint64_t counter = message_counter(message);
    uint8_t nothing[1];
    if (!session)
        return VERDICT_UNKNOWN_INDEX;
    if (!session_may_receive(session, counter, pair->now))
        return VERDICT_SESSION_EXPIRED;
    if (!aead_open_with_data(session->receive_key, counter, message + 16, 16, NULL, 0, nothing))
        return VERDICT_BAD_TAG;
    if (!replay_accept(&session->replay, counter))
        return VERDICT_REPLAYED;
    peer_confirm_session(session->peer, session);
    return VERDICT_OK;
}

/* One message of data from `from`: OK when it arrived. */
static inline enum verdict tunnel_pair_speak(struct tunnel_pair *pair, struct tunnel_end *from)
{
    uint8_t message[32];
    if (!tunnel_pair_seal(pair, from, message))
        return VERDICT_NO_SESSION;
    return tunnel_pair_open(pair, tunnel_pair_other(pair, from), message);
}

/* A whole handshake begun by `from`, and its first data. */
static inline void tunnel_pair_connect(struct tunnel_pair *pair, struct tunnel_end *from)
{
    uint8_t initiation[MESSAGE_INITIATION_BYTES];
    struct handshake_result there, back;
    struct tunnel_end *to = tunnel_pair_other(pair, from);
    CHECK_EQUAL(tunnel_pair_initiate(pair, from, initiation), VERDICT_OK);
    CHECK_EQUAL(tunnel_pair_deliver(pair, to, initiation, sizeof(initiation), false, &there),
                VERDICT_OK);
    CHECK_EQUAL(there.reply_bytes, MESSAGE_RESPONSE_BYTES);
    CHECK_EQUAL(tunnel_pair_deliver(pair, from, there.reply, there.reply_bytes, false, &back),
                VERDICT_OK);
    CHECK(back.session_is_ready && back.peer == from->peer);
    CHECK_EQUAL(tunnel_pair_speak(pair, from), VERDICT_OK);
    CHECK_EQUAL(tunnel_pair_speak(pair, to), VERDICT_OK);
}

/* Both send with the two ends of one session. */
static inline bool tunnel_pair_agrees(const struct tunnel_pair *pair)
{
    const struct session *a = pair->a.peer->current, *b = pair->b.peer->current;
    return a && b && a->local_index == b->remote_index && b->local_index == a->remote_index;
}

/* Whoever knows the public key can do this. */
static inline void tunnel_pair_forge_mac1(const struct tunnel_end *to, uint8_t *message, size_t len)
{
    const uint8_t *key = to->tunnel.checker.mac1_key;
    blake2s_mac(key, 32, message, len - 32, message + len - 32);
}

#endif
