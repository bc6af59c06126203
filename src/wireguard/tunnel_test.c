/* SPDX-License-Identifier: MIT */
/* Two tunnels shake hands in every order. */
#include "rigs/tunnel_pair.h"

#define INITIATION MESSAGE_INITIATION_BYTES
#define RESPONSE MESSAGE_RESPONSE_BYTES

static struct tunnel_pair pair;
static struct tunnel_end *const a = &pair.a, *const b = &pair.b;

static enum verdict initiate(struct tunnel_end *from, uint8_t *message)
{
    return tunnel_pair_initiate(&pair, from, message);
}

static enum verdict deliver(struct tunnel_end *to, const uint8_t *message, size_t len,
                            struct handshake_result *result)
{
    return tunnel_pair_deliver(&pair, to, message, len, false, result);
}

static void test_both_ends_derive_the_same_session(void)
{
    for (unsigned round = 0; round < 4; round++) {
        uint8_t message[INITIATION];
        struct handshake_result there, back;
        tunnel_pair_init(&pair, round & 1);
        struct tunnel_end *from = round & 2 ? a : b, *to = round & 2 ? b : a;
        CHECK_EQUAL(initiate(from, message), VERDICT_OK);
        CHECK_EQUAL(message_type(message, sizeof(message)), MESSAGE_INITIATION);
        CHECK(timers_next(&from->peer->timers) >= pair.now + REKEY_TIMEOUT_NS);
        CHECK_EQUAL(deliver(to, message, INITIATION, &there), VERDICT_OK);
        CHECK(there.peer == to->peer && there.moves_endpoint && !there.session_is_ready);
        CHECK_EQUAL(message_type(there.reply, there.reply_bytes), MESSAGE_RESPONSE);
        /* 5.4.5: the responder is silent until the initiator has spoken */
        CHECK(!to->peer->current && to->peer->next && !to->peer->next->is_initiator);
        CHECK(!peer_sending_session(to->peer, pair.now));
        CHECK_EQUAL(deliver(from, there.reply, there.reply_bytes, &back), VERDICT_OK);
        CHECK(back.peer == from->peer && back.moves_endpoint && back.session_is_ready);
        CHECK_EQUAL(back.reply_bytes, 0);
        CHECK(from->peer->current->is_initiator);
        CHECK_EQUAL(from->peer->timers.retransmit, INSTANT_NEVER);
        CHECK_EQUAL(from->peer->last_handshake_wall_ns, from->wall_ns + pair.now);
        CHECK_EQUAL(to->peer->last_handshake_wall_ns, 0); /* our answer may be lost yet */
        CHECK_EQUAL(tunnel_pair_speak(&pair, from), VERDICT_OK);
        CHECK_EQUAL(to->peer->last_handshake_wall_ns, to->wall_ns + pair.now);
        CHECK(to->peer->current && !to->peer->next);
        CHECK_EQUAL(tunnel_pair_speak(&pair, to), VERDICT_OK);
        CHECK(tunnel_pair_agrees(&pair));
        tunnel_pair_wipe(&pair);
    }
}

static void test_other_preshared_key_gives_no_session(void)
{
    uint8_t message[INITIATION], key[32] = {1};
    struct handshake_result there, back;
    tunnel_pair_init(&pair, true);
    tunnel_set_preshared_key(b->peer, key);
    CHECK_EQUAL(initiate(a, message), VERDICT_OK);
    CHECK_EQUAL(deliver(b, message, INITIATION, &there), VERDICT_OK);
    CHECK_EQUAL(deliver(a, there.reply, there.reply_bytes, &back), VERDICT_HANDSHAKE_REFUSED);
    CHECK(!back.peer && !a->peer->current);
    /* made equal on live peers: the next handshake works, and sessions outlive a change */
    tunnel_set_preshared_key(a->peer, key);
    pair.now += REKEY_TIMEOUT_NS;
    tunnel_pair_connect(&pair, a);
    key[0] = 2;
    tunnel_set_preshared_key(a->peer, key);
    CHECK_EQUAL(tunnel_pair_speak(&pair, a), VERDICT_OK);
    CHECK_EQUAL(tunnel_pair_speak(&pair, b), VERDICT_OK);
    tunnel_pair_wipe(&pair);
}

static void test_lost_messages_are_made_good(void)
{
    uint8_t message[INITIATION];
    struct handshake_result there;
    tunnel_pair_init(&pair, false);
    CHECK_EQUAL(initiate(a, message), VERDICT_OK); /* lost */
    CHECK_EQUAL(initiate(a, message), VERDICT_RATE_LIMITED);
    pair.now += REKEY_TIMEOUT_NS - 1;
    CHECK_EQUAL(initiate(a, message), VERDICT_RATE_LIMITED);
    pair.now += 1;
    CHECK_EQUAL(initiate(a, message), VERDICT_OK);
    CHECK_EQUAL(deliver(b, message, INITIATION, &there), VERDICT_OK); /* its response is lost */
    pair.now += REKEY_TIMEOUT_NS;
    tunnel_pair_connect(&pair, a);
    CHECK(tunnel_pair_agrees(&pair));
    tunnel_pair_wipe(&pair);
}

static void test_duplicates_are_refused(void)
{
    uint8_t first[INITIATION], second[INITIATION];
    struct handshake_result there, again, back;
    tunnel_pair_init(&pair, false);
    CHECK_EQUAL(initiate(a, first), VERDICT_OK);
    CHECK_EQUAL(deliver(b, first, INITIATION, &there), VERDICT_OK);
    const struct session *next = b->peer->next;
    pair.now += S;
    CHECK_EQUAL(deliver(b, first, INITIATION, &again), VERDICT_HANDSHAKE_REPLAYED);
    CHECK(!again.peer && again.reply_bytes == 0 && b->peer->next == next);
    CHECK_EQUAL(deliver(a, there.reply, RESPONSE, &back), VERDICT_OK);
    const struct session *current = a->peer->current;
    CHECK_EQUAL(deliver(a, there.reply, RESPONSE, &again), VERDICT_HANDSHAKE_REFUSED);
    CHECK(!again.peer && a->peer->current == current);
    /* an older initiation that was never seen before is as bad */
    pair.now += REKEY_TIMEOUT_NS;
    CHECK_EQUAL(initiate(a, first), VERDICT_OK);
    pair.now += REKEY_TIMEOUT_NS;
    CHECK_EQUAL(initiate(a, second), VERDICT_OK);
    CHECK_EQUAL(deliver(b, second, INITIATION, &there), VERDICT_OK);
    CHECK_EQUAL(deliver(b, first, INITIATION, &again), VERDICT_HANDSHAKE_REPLAYED);
    tunnel_pair_wipe(&pair);
}

/* TRAPS 20 */
static void test_response_after_2_s_of_wrong_ones_is_accepted(void)
{
    uint8_t message[INITIATION], wrong[RESPONSE];
    struct handshake_result there, back;
    tunnel_pair_init(&pair, true);
    CHECK_EQUAL(initiate(a, message), VERDICT_OK);
    CHECK_EQUAL(deliver(b, message, INITIATION, &there), VERDICT_OK);
    for (unsigned i = 0; i < 50; i++) {
        memcpy(wrong, there.reply, RESPONSE);
        wrong[12 + tap_random_below(48)] ^= 0x40;
        tunnel_pair_forge_mac1(a, wrong, RESPONSE);
        pair.now += 40 * NS_PER_MS;
        CHECK_EQUAL(deliver(a, wrong, RESPONSE, &back), VERDICT_HANDSHAKE_REFUSED);
    }
    CHECK_EQUAL(deliver(a, there.reply, RESPONSE, &back), VERDICT_OK);
    CHECK_EQUAL(tunnel_pair_speak(&pair, a), VERDICT_OK);
    CHECK_EQUAL(tunnel_pair_speak(&pair, b), VERDICT_OK);
    tunnel_pair_wipe(&pair);
}

static void test_superseded_initiation_is_answered_for_rekey_timeout(void)
{
    uint8_t message[3][INITIATION];
    struct handshake_result there[3], back;
    /* late by: in time; the last instant; too late */
    static const struct {
        duration_ns late;
        enum verdict verdict;
    } rounds[] = {
        {S, VERDICT_OK},
        {REKEY_TIMEOUT_NS - 1, VERDICT_OK},
        {REKEY_TIMEOUT_NS, VERDICT_HANDSHAKE_REFUSED},
    };
    for (unsigned round = 0; round < 3; round++) {
        tunnel_pair_init(&pair, false);
        for (unsigned i = 0; i < 3; i++) {
            pair.now += REKEY_TIMEOUT_NS;
            CHECK_EQUAL(initiate(a, message[i]), VERDICT_OK);
            CHECK_EQUAL(deliver(b, message[i], INITIATION, &there[i]), VERDICT_OK);
        }
        CHECK_EQUAL(deliver(a, there[0].reply, RESPONSE, &back), VERDICT_HANDSHAKE_REFUSED);
        pair.now += rounds[round].late;
        CHECK_EQUAL(deliver(a, there[1].reply, RESPONSE, &back), rounds[round].verdict);
        const struct session *older = a->peer->current;
        CHECK_EQUAL(older != NULL, rounds[round].verdict == VERDICT_OK);
        CHECK_EQUAL(deliver(a, there[2].reply, RESPONSE, &back), VERDICT_OK);
        CHECK(a->peer->current != older && a->peer->previous == older);
        CHECK_EQUAL(tunnel_pair_speak(&pair, a), VERDICT_OK);
        CHECK(tunnel_pair_agrees(&pair));
        /* the newer is current, whatever comes */
        CHECK_EQUAL(deliver(a, there[1].reply, RESPONSE, &back), VERDICT_HANDSHAKE_REFUSED);
        CHECK(tunnel_pair_agrees(&pair));
        tunnel_pair_wipe(&pair);
    }
}

static void test_after_the_newest_the_superseded_is_worth_nothing(void)
{
    uint8_t message[2][INITIATION];
    struct handshake_result there[2], back;
    tunnel_pair_init(&pair, false);
    for (unsigned i = 0; i < 2; i++) {
        pair.now += REKEY_TIMEOUT_NS;
        CHECK_EQUAL(initiate(a, message[i]), VERDICT_OK);
        CHECK_EQUAL(deliver(b, message[i], INITIATION, &there[i]), VERDICT_OK);
    }
    CHECK_EQUAL(deliver(a, there[1].reply, RESPONSE, &back), VERDICT_OK);
    CHECK_EQUAL(deliver(a, there[0].reply, RESPONSE, &back), VERDICT_HANDSHAKE_REFUSED);
    CHECK_EQUAL(tunnel_pair_speak(&pair, a), VERDICT_OK);
    CHECK(tunnel_pair_agrees(&pair));
    tunnel_pair_wipe(&pair);
}

static void test_rekey_loses_no_late_packet(void)
{
    uint8_t late[32];
    tunnel_pair_init(&pair, false);
    tunnel_pair_connect(&pair, a);
    for (unsigned i = 0; i < 10; i++) {
        pair.now += REKEY_AFTER_TIME_NS;
        CHECK(!session_wants_rekey_when_sending(a->peer->current, pair.now));
        CHECK(session_wants_rekey_when_sending(a->peer->current, pair.now + 1));
        CHECK(!session_wants_rekey_when_sending(b->peer->current, pair.now + 1));
        CHECK(tunnel_pair_seal(&pair, b, late));
        tunnel_pair_connect(&pair, a);
        CHECK_EQUAL(tunnel_pair_open(&pair, a, late), VERDICT_OK);
        CHECK(tunnel_pair_agrees(&pair) && a->peer->previous && b->peer->previous);
    }
    tunnel_pair_wipe(&pair);
}

static void test_long_sleep_ends_sessions_and_a_handshake_makes_new_ones(void)
{
    uint8_t late[32];
    tunnel_pair_init(&pair, false);
    tunnel_pair_connect(&pair, a);
    CHECK(tunnel_pair_seal(&pair, a, late));
    pair.now += REJECT_AFTER_TIME_NS - 1;
    CHECK(peer_sending_session(a->peer, pair.now));
    pair.now += 1;
    CHECK(!peer_sending_session(a->peer, pair.now));
    CHECK_EQUAL(tunnel_pair_open(&pair, b, late), VERDICT_SESSION_EXPIRED);
    pair.now += 8 * 3600 * S;
    CHECK(timers_take_due(&a->peer->timers, pair.now) & TIMERS_DUE_WIPE);
    peer_forget_sessions(a->peer);
    CHECK_EQUAL(tunnel_pair_speak(&pair, a), VERDICT_NO_SESSION);
    tunnel_pair_connect(&pair, a);
    CHECK(tunnel_pair_agrees(&pair));
    tunnel_pair_wipe(&pair);
}

/* TRAPS 25 */
static void test_wall_clock_may_jump_anywhere(void)
{
    static const uint64_t walls[] = {
        1700000000 * S, 1600000000 * S, 0, 4000000000 * S, 1700000001 * S, 1700000001 * S,
    };
    uint8_t before[NOISE_TIMESTAMP_BYTES] = {0};
    tunnel_pair_init(&pair, false);
    for (unsigned i = 0; i < 200; i++) {
        pair.now += REKEY_TIMEOUT_NS;
        a->wall_ns = walls[i % 6] + tap_random_below(S) - pair.now;
        tunnel_pair_connect(&pair, a);
        const uint8_t *timestamp = a->peer->current->timestamp;
        CHECK(memcmp(timestamp, before, sizeof(before)) > 0);
        CHECK_EQUAL(load_be32(timestamp + 8) & 0xffffff, 0); /* whitened */
        CHECK(load_be32(timestamp + 8) < S);
        memcpy(before, timestamp, sizeof(before));
    }
    tunnel_pair_wipe(&pair);
}

static void test_timestamp_is_tai64n(void)
{
    tunnel_pair_init(&pair, false);
    a->wall_ns = 1700000000 * S + 999999999 - pair.now;
    tunnel_pair_connect(&pair, a);
    static const uint8_t expected[] = {0x40, 0, 0, 0, 0x65, 0x53, 0xf1, 0x0a, 0x3b, 0, 0, 0};
    CHECK_BYTES(a->peer->current->timestamp, expected, sizeof(expected));
    tunnel_pair_wipe(&pair);
}

static void test_peer_initiates_at_most_50_times_a_second(void)
{
    struct handshake_result there;
    tunnel_pair_init(&pair, false);
    instant_ns end = pair.now + S;
    unsigned answered = 0;
    while (pair.now < end) {
        uint8_t message[INITIATION];
        a->peer->timers.last_initiation = INSTANT_NEVER; /* a flooding peer has no such limit */
        CHECK_EQUAL(initiate(a, message), VERDICT_OK);
        enum verdict verdict = deliver(b, message, INITIATION, &there);
        answered += verdict == VERDICT_OK;
        CHECK(verdict == VERDICT_OK ? there.reply_bytes : verdict == VERDICT_RATE_LIMITED);
        pair.now += NS_PER_MS;
    }
    CHECK_EQUAL(answered, 50);
    tunnel_pair_wipe(&pair);
}

/* TRAPS 26 */
static void test_own_key_changes_on_a_live_tunnel(void)
{
    uint8_t key[32], late[32], initiation[INITIATION];
    struct handshake_result there, back;
    tunnel_pair_init(&pair, false);
    tunnel_pair_connect(&pair, a);
    CHECK(tunnel_set_private_key(&a->tunnel, a->tunnel.identity.private_key));
    CHECK_EQUAL(tunnel_pair_speak(&pair, a), VERDICT_OK); /* the same: nothing happens */
    CHECK(!tunnel_set_private_key(&a->tunnel, b->tunnel.identity.private_key));
    CHECK_EQUAL(tunnel_pair_speak(&pair, a), VERDICT_OK);
    CHECK(tunnel_pair_seal(&pair, b, late));
    pair.now += REKEY_TIMEOUT_NS;
    CHECK_EQUAL(initiate(a, initiation), VERDICT_OK);
    tunnel_pair_random_private_key(key);
    CHECK(tunnel_set_private_key(&a->tunnel, key));
    CHECK_EQUAL(tunnel_pair_open(&pair, a, late), VERDICT_OK);
    CHECK(!peer_sending_session(a->peer, pair.now));
    CHECK_EQUAL(deliver(b, initiation, INITIATION, &there), VERDICT_OK); /* of the old key */
    CHECK_EQUAL(deliver(a, there.reply, RESPONSE, &back), VERDICT_BAD_MAC1);
    CHECK_EQUAL(initiate(a, initiation), VERDICT_OK); /* at once */
    CHECK_EQUAL(deliver(b, initiation, INITIATION, &there), VERDICT_HANDSHAKE_REFUSED);
    tunnel_remove_peer(&b->tunnel, b->peer);
    b->peer = tunnel_add_peer(&b->tunnel, a->tunnel.identity.public_key, (const uint8_t[32]){0});
    CHECK_EQUAL(deliver(b, initiation, INITIATION, &there), VERDICT_OK);
    CHECK_EQUAL(deliver(a, there.reply, RESPONSE, &back), VERDICT_OK);
    CHECK_EQUAL(tunnel_pair_speak(&pair, a), VERDICT_OK);
    CHECK_EQUAL(tunnel_pair_speak(&pair, b), VERDICT_OK);
    tunnel_pair_wipe(&pair);
}

/* TRAPS 29: then nobody is asked and nobody answered, until there is one. */
static void test_a_zero_private_key_is_none(void)
{
    uint8_t none[32] = {0}, key[32], initiation[INITIATION];
    struct handshake_result there;
    bool is_proven;
    tunnel_pair_init(&pair, false);
    tunnel_pair_connect(&pair, a);
    memcpy(key, a->tunnel.identity.private_key, 32);
    CHECK(tunnel_set_private_key(&a->tunnel, none));
    CHECK(bytes_are_zero(a->tunnel.identity.public_key, 32));
    CHECK(!peer_sending_session(a->peer, pair.now));
    pair.now += REKEY_TIMEOUT_NS;
    CHECK_EQUAL(initiate(a, initiation), VERDICT_NO_SESSION);
    CHECK_EQUAL(initiate(b, initiation), VERDICT_OK);
    CHECK_EQUAL(deliver(a, initiation, INITIATION, &there), VERDICT_HANDSHAKE_REFUSED);
    CHECK_EQUAL(there.reply_bytes, 0);
    CHECK_EQUAL(tunnel_vet_handshake(&a->tunnel, initiation, INITIATION, &b->peer->endpoint, true,
                                     pair.now, &is_proven),
                VERDICT_HANDSHAKE_REFUSED);
    CHECK(tunnel_set_private_key(&a->tunnel, key));
    CHECK_EQUAL(deliver(a, initiation, INITIATION, &there), VERDICT_OK);
    tunnel_pair_wipe(&pair);
    struct tunnel silent;
    CHECK(tunnel_init(&silent, tap_memory(), tap_random_source(), none));
    struct peer *peer = tunnel_add_peer(&silent, key, none);
    CHECK(peer && !noise_remote_is_usable(&peer->noise, &silent.identity));
    CHECK(tunnel_set_private_key(&silent, key));
    CHECK(noise_remote_is_usable(&peer->noise, &silent.identity));
    tunnel_wipe(&silent);
}

static void test_peers_are_found_added_and_removed(void)
{
    enum { COUNT = 600 };
    static struct peer *peers[COUNT];
    static uint8_t keys[COUNT][32];
    uint8_t none[32] = {0}, message[INITIATION];
    tunnel_pair_init(&pair, false);
    CHECK(!tunnel_add_peer(&a->tunnel, b->tunnel.identity.public_key, none));
    for (unsigned i = 0; i < COUNT; i++) {
        tap_random_bytes(keys[i], 32);
        peers[i] = tunnel_add_peer(&a->tunnel, keys[i], none);
        CHECK(peers[i] && peers[i]->endpoint.address.family == FAMILY_NONE);
        CHECK(!tunnel_add_peer(&a->tunnel, keys[i], none));
        if (i % 50 == 0) /* indices survive growth */
            CHECK_EQUAL(tunnel_create_initiation(peers[i], pair.now, S, message), VERDICT_OK);
    }
    CHECK_EQUAL(a->tunnel.peer_count, COUNT + 1);
    for (unsigned i = 0; i < COUNT; i += 2)
        tunnel_remove_peer(&a->tunnel, peers[i]);
    for (unsigned i = 0; i < COUNT; i++)
        CHECK(tunnel_find_peer(&a->tunnel, keys[i]) == (i % 2 ? peers[i] : NULL));
    tunnel_pair_connect(&pair, a);
    tunnel_pair_wipe(&pair);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_both_ends_derive_the_same_session);
    TAP_RUN(argc, argv, test_other_preshared_key_gives_no_session);
    TAP_RUN(argc, argv, test_lost_messages_are_made_good);
    TAP_RUN(argc, argv, test_duplicates_are_refused);
    TAP_RUN(argc, argv, test_response_after_2_s_of_wrong_ones_is_accepted);
    TAP_RUN(argc, argv, test_superseded_initiation_is_answered_for_rekey_timeout);
    TAP_RUN(argc, argv, test_after_the_newest_the_superseded_is_worth_nothing);
    TAP_RUN(argc, argv, test_rekey_loses_no_late_packet);
    TAP_RUN(argc, argv, test_long_sleep_ends_sessions_and_a_handshake_makes_new_ones);
    TAP_RUN(argc, argv, test_wall_clock_may_jump_anywhere);
    TAP_RUN(argc, argv, test_timestamp_is_tai64n);
    TAP_RUN(argc, argv, test_peer_initiates_at_most_50_times_a_second);
    TAP_RUN(argc, argv, test_own_key_changes_on_a_live_tunnel);
    TAP_RUN(argc, argv, test_a_zero_private_key_is_none);
    TAP_RUN(argc, argv, test_peers_are_found_added_and_removed);
    return tap_done();
}
