/* SPDX-License-Identifier: MIT */
/* What strangers, forgers and floods send changes nothing. */
#include "rigs/tunnel_pair.h"

#define INITIATION MESSAGE_INITIATION_BYTES
#define RESPONSE MESSAGE_RESPONSE_BYTES

static struct tunnel_pair pair;
static struct tunnel_end *const a = &pair.a, *const b = &pair.b;

/* All that a message could change: the tunnel, its peer and its sessions. */
struct state {
    struct tunnel tunnel;
    struct peer peer;
    struct session sessions[3];
};

static void remember(const struct tunnel_end *end, struct state *state)
{
    const struct session *sessions[] = {end->peer->current, end->peer->previous, end->peer->next};
    memset(state, 0, sizeof(*state));
    /* Of both ends' keys alone, whoever asks first. */
    noise_remote_is_usable(&end->peer->noise, &end->tunnel.identity);
    memcpy(&state->tunnel, &end->tunnel, sizeof(state->tunnel));
    memcpy(&state->peer, end->peer, sizeof(state->peer));
    for (unsigned i = 0; i < 3; i++) {
        if (sessions[i])
            memcpy(&state->sessions[i], sessions[i], sizeof(struct session));
    }
}

static bool is_as_before(const struct tunnel_end *end, const struct state *before)
{
    static struct state after;
    remember(end, &after);
    return CHECK_BYTES(&after, before, sizeof(after));
}

static enum verdict deliver(struct tunnel_end *to, const uint8_t *message, size_t len,
                            struct handshake_result *result)
{
    return tunnel_pair_deliver(&pair, to, message, len, false, result);
}

/* Every bit of a message flipped, without and with a right mac1. `free_from` to `free_to`: the
 * sender's index, which nothing but mac1 protects. mac2 counts only under load. */
static void check_forgeries_change_nothing(struct tunnel_end *to, const uint8_t *genuine,
                                           size_t len)
{
    static struct state before;
    uint8_t forged[INITIATION];
    struct handshake_result result;
    remember(to, &before);
    for (size_t bit = 0; bit < (len - 16) * 8; bit++) {
        memcpy(forged, genuine, len);
        forged[bit / 8] ^= (uint8_t)(1 << bit % 8);
        enum verdict expected = bit < 32 ? VERDICT_BAD_MESSAGE : VERDICT_BAD_MAC1;
        CHECK_EQUAL(deliver(to, forged, len, &result), expected);
        CHECK(!result.peer && !result.reply_bytes && !result.moves_endpoint);
        if (!is_as_before(to, &before))
            return;
        /* the sender's index is not in the transcript: only mac1 protects it */
        if (bit < 64 || bit >= (len - 32) * 8)
            continue;
        tunnel_pair_forge_mac1(to, forged, len);
        CHECK_EQUAL(deliver(to, forged, len, &result), VERDICT_HANDSHAKE_REFUSED);
        CHECK(!result.peer && !result.reply_bytes && !result.moves_endpoint);
        if (!is_as_before(to, &before))
            return;
    }
    for (size_t short_len = 0; short_len < len; short_len++) {
        CHECK_EQUAL(deliver(to, genuine, short_len, &result), VERDICT_BAD_MESSAGE);
        is_as_before(to, &before);
    }
}

static void test_forged_bit_anywhere_changes_nothing(void)
{
    for (unsigned round = 0; round < 2; round++) {
        uint8_t initiation[INITIATION];
        struct handshake_result there, back;
        tunnel_pair_init(&pair, round == 1);
        if (round == 1)
            tunnel_pair_connect(&pair, b);
        pair.now += REKEY_TIMEOUT_NS;
        CHECK_EQUAL(tunnel_pair_initiate(&pair, a, initiation), VERDICT_OK);
        check_forgeries_change_nothing(b, initiation, INITIATION);
        CHECK_EQUAL(deliver(b, initiation, INITIATION, &there), VERDICT_OK);
        pair.now += 2 * S;
        check_forgeries_change_nothing(a, there.reply, RESPONSE);
        CHECK_EQUAL(deliver(a, there.reply, RESPONSE, &back), VERDICT_OK);
        CHECK_EQUAL(tunnel_pair_speak(&pair, a), VERDICT_OK);
        CHECK_EQUAL(tunnel_pair_speak(&pair, b), VERDICT_OK);
        tunnel_pair_wipe(&pair);
    }
}

static void test_forged_cookie_reply_changes_nothing(void)
{
    static struct state before;
    uint8_t initiation[INITIATION], forged[MESSAGE_COOKIE_REPLY_BYTES];
    struct handshake_result cookie, result;
    tunnel_pair_init(&pair, false);
    CHECK_EQUAL(tunnel_pair_initiate(&pair, a, initiation), VERDICT_OK);
    CHECK_EQUAL(tunnel_pair_deliver(&pair, b, initiation, INITIATION, true, &cookie),
                VERDICT_UNDER_LOAD);
    CHECK_EQUAL(cookie.reply_bytes, MESSAGE_COOKIE_REPLY_BYTES);
    remember(a, &before);
    for (unsigned bit = 0; bit < sizeof(forged) * 8; bit++) {
        memcpy(forged, cookie.reply, sizeof(forged));
        forged[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK_EQUAL(deliver(a, forged, sizeof(forged), &result),
                    bit < 32 ? VERDICT_BAD_MESSAGE : VERDICT_COOKIE_REFUSED);
        is_as_before(a, &before);
    }
    CHECK_EQUAL(deliver(a, cookie.reply, cookie.reply_bytes, &result), VERDICT_OK);
    CHECK(result.peer == a->peer);
    CHECK(!result.moves_endpoint); /* TRAPS 23 */
    CHECK_EQUAL(deliver(a, cookie.reply, cookie.reply_bytes, &result), VERDICT_COOKIE_REFUSED);
    tunnel_pair_wipe(&pair);
}

static void test_stranger_gets_no_answer(void)
{
    static struct state before;
    uint8_t key[32], none[32] = {0}, initiation[INITIATION];
    struct handshake_result result;
    struct tunnel stranger;
    tunnel_pair_init(&pair, false);
    tunnel_pair_random_private_key(key);
    CHECK(tunnel_init(&stranger, tap_memory(), tap_random_source(), key));
    struct peer *peer = tunnel_add_peer(&stranger, b->tunnel.identity.public_key, none);
    CHECK_EQUAL(tunnel_create_initiation(peer, pair.now, S, initiation), VERDICT_OK);
    remember(b, &before);
    CHECK_EQUAL(deliver(b, initiation, INITIATION, &result), VERDICT_HANDSHAKE_REFUSED);
    CHECK(!result.peer && !result.reply_bytes && !result.moves_endpoint);
    is_as_before(b, &before);
    tunnel_wipe(&stranger);
    tunnel_pair_wipe(&pair);
}

/* TRAPS 21: the points of small order, as RFC 7748's curve has them, also not reduced. */
static const char *const low_order[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
};

static void test_low_order_key_never_causes_a_packet(void)
{
    uint8_t key[32], none[32] = {0}, message[INITIATION];
    for (unsigned i = 0; i < sizeof(low_order) / sizeof(low_order[0]); i++) {
        tunnel_pair_init(&pair, false);
        tap_hex(low_order[i], key, sizeof(key));
        struct peer *peer = tunnel_add_peer(&a->tunnel, key, none);
        if (CHECK(peer)) {
            for (unsigned try = 0; try < 3; try++) {
                CHECK_EQUAL(tunnel_create_initiation(peer, pair.now, S, message),
                            VERDICT_NO_SESSION);
                pair.now += REKEY_TIMEOUT_NS;
            }
            CHECK_EQUAL(timers_next(&peer->timers), INSTANT_NEVER);
        }
        tunnel_pair_wipe(&pair);
    }
}

static void test_low_order_ephemeral_is_refused(void)
{
    static struct state before;
    uint8_t initiation[INITIATION], forged[INITIATION];
    struct handshake_result there, back;
    tunnel_pair_init(&pair, false);
    CHECK_EQUAL(tunnel_pair_initiate(&pair, a, initiation), VERDICT_OK);
    for (unsigned i = 0; i < sizeof(low_order) / sizeof(low_order[0]); i++) {
        memcpy(forged, initiation, INITIATION);
        tap_hex(low_order[i], forged + 8, 32);
        tunnel_pair_forge_mac1(b, forged, INITIATION);
        remember(b, &before);
        CHECK_EQUAL(deliver(b, forged, INITIATION, &there), VERDICT_HANDSHAKE_REFUSED);
        is_as_before(b, &before);
    }
    CHECK_EQUAL(deliver(b, initiation, INITIATION, &there), VERDICT_OK);
    for (unsigned i = 0; i < sizeof(low_order) / sizeof(low_order[0]); i++) {
        memcpy(forged, there.reply, RESPONSE);
        tap_hex(low_order[i], forged + 12, 32);
        tunnel_pair_forge_mac1(a, forged, RESPONSE);
        remember(a, &before);
        CHECK_EQUAL(deliver(a, forged, RESPONSE, &back), VERDICT_HANDSHAKE_REFUSED);
        is_as_before(a, &before);
    }
    CHECK_EQUAL(deliver(a, there.reply, RESPONSE, &back), VERDICT_OK);
    tunnel_pair_wipe(&pair);
}

/* TRAPS 22: mac1, then mac2, then the rate limit, and only then keys. */
static void test_under_load_a_cookie_comes_first(void)
{
    uint8_t initiation[INITIATION];
    struct handshake_result cookie, there, back, result;
    tunnel_pair_init(&pair, false);
    CHECK_EQUAL(tunnel_pair_initiate(&pair, a, initiation), VERDICT_OK);
    initiation[8] ^= 1;
    CHECK_EQUAL(tunnel_pair_deliver(&pair, b, initiation, INITIATION, true, &cookie),
                VERDICT_BAD_MAC1);
    CHECK_EQUAL(cookie.reply_bytes, 0);
    initiation[8] ^= 1;
    CHECK_EQUAL(tunnel_pair_deliver(&pair, b, initiation, INITIATION, true, &cookie),
                VERDICT_UNDER_LOAD);
    CHECK(!b->peer->next && !cookie.peer);
    CHECK_EQUAL(deliver(a, cookie.reply, cookie.reply_bytes, &result), VERDICT_OK);
    pair.now += REKEY_TIMEOUT_NS;
    CHECK_EQUAL(tunnel_pair_initiate(&pair, a, initiation), VERDICT_OK);
    struct endpoint here = a->endpoint;
    a->endpoint.port++; /* another port of the same address gets a cookie of its own */
    CHECK_EQUAL(tunnel_pair_deliver(&pair, b, initiation, INITIATION, true, &cookie),
                VERDICT_UNDER_LOAD);
    a->endpoint = here;
    CHECK_EQUAL(tunnel_pair_deliver(&pair, b, initiation, INITIATION, true, &there), VERDICT_OK);
    /* the same for the response, when the initiator is under load */
    CHECK_EQUAL(tunnel_pair_deliver(&pair, a, there.reply, RESPONSE, true, &cookie),
                VERDICT_UNDER_LOAD);
    CHECK_EQUAL(deliver(b, cookie.reply, cookie.reply_bytes, &result), VERDICT_OK);
    pair.now += REKEY_TIMEOUT_NS;
    CHECK_EQUAL(tunnel_pair_initiate(&pair, a, initiation), VERDICT_OK);
    CHECK_EQUAL(tunnel_pair_deliver(&pair, b, initiation, INITIATION, true, &there), VERDICT_OK);
    CHECK_EQUAL(tunnel_pair_deliver(&pair, a, there.reply, RESPONSE, true, &back), VERDICT_OK);
    CHECK_EQUAL(tunnel_pair_speak(&pair, a), VERDICT_OK);
    tunnel_pair_wipe(&pair);
}

static void test_behind_a_cookie_the_rate_is_limited(void)
{
    uint8_t initiation[INITIATION];
    struct handshake_result result, cookie;
    tunnel_pair_init(&pair, false);
    CHECK_EQUAL(tunnel_pair_initiate(&pair, a, initiation), VERDICT_OK);
    /* spoofed ones without a cookie cost the true owner of the address nothing */
    for (unsigned i = 0; i < 100; i++)
        CHECK_EQUAL(tunnel_pair_deliver(&pair, b, initiation, INITIATION, true, &cookie),
                    VERDICT_UNDER_LOAD);
    CHECK_EQUAL(deliver(a, cookie.reply, cookie.reply_bytes, &result), VERDICT_OK);
    pair.now += REKEY_TIMEOUT_NS;
    CHECK_EQUAL(tunnel_pair_initiate(&pair, a, initiation), VERDICT_OK);
    CHECK_EQUAL(tunnel_pair_deliver(&pair, b, initiation, INITIATION, true, &result), VERDICT_OK);
    for (unsigned i = 1; i < RATELIMIT_BURST; i++)
        CHECK_EQUAL(tunnel_pair_deliver(&pair, b, initiation, INITIATION, true, &result),
                    VERDICT_HANDSHAKE_REPLAYED);
    CHECK_EQUAL(tunnel_pair_deliver(&pair, b, initiation, INITIATION, true, &result),
                VERDICT_RATE_LIMITED);
    pair.now += RATELIMIT_INTERVAL_NS;
    CHECK_EQUAL(tunnel_pair_deliver(&pair, b, initiation, INITIATION, true, &result),
                VERDICT_HANDSHAKE_REPLAYED);
    tunnel_pair_wipe(&pair);
}

static void test_flood_leaves_a_peer_its_way_in(void)
{
    uint8_t initiation[INITIATION], spoofed[INITIATION];
    struct handshake_result cookie, result;
    tunnel_pair_init(&pair, false);
    tunnel_pair_connect(&pair, a); /* memory as it is in life */
    for (unsigned round = 0; round < 3; round++) {
        size_t memory = 0;
        pair.now += REKEY_TIMEOUT_NS;
        CHECK_EQUAL(tunnel_pair_initiate(&pair, a, initiation), VERDICT_OK);
        for (unsigned i = 0; i < 3000; i++) {
            struct endpoint source = {.address.family = FAMILY_IPV4, .port = 1};
            tap_random_bytes(source.address.bytes, 4);
            tap_random_bytes(spoofed, sizeof(spoofed));
            store_le32(spoofed, MESSAGE_INITIATION);
            tunnel_pair_forge_mac1(b, spoofed, INITIATION);
            CHECK_EQUAL(tunnel_consume_handshake(&b->tunnel, spoofed, INITIATION, &source, true,
                                                 pair.now, S, &result),
                        VERDICT_UNDER_LOAD);
            memory = memory ? memory : tap_memory_balance_bytes();
            CHECK_EQUAL(tap_memory_balance_bytes(), memory);
        }
        enum verdict verdict = tunnel_pair_deliver(&pair, b, initiation, INITIATION, true, &cookie);
        CHECK_EQUAL(verdict, round ? VERDICT_OK : VERDICT_UNDER_LOAD);
        CHECK_EQUAL(deliver(a, cookie.reply, cookie.reply_bytes, &result), VERDICT_OK);
    }
    tunnel_pair_wipe(&pair);
}

static unsigned allowed_takes;

static void *take_some(void *context, size_t bytes)
{
    (void)context;
    return allowed_takes && allowed_takes-- ? memory_take(tap_memory(), bytes) : NULL;
}

static void give(void *context, void *pointer, size_t bytes)
{
    (void)context;
    memory_give(tap_memory(), pointer, bytes);
}

static void test_without_memory_nothing_is_half_done(void)
{
    const struct memory scarce = {.take = take_some, .give = give};
    static const uint8_t key[32] = {1}, other[32] = {9}, none[32] = {0};
    struct tunnel tunnel;
    for (unsigned takes = 0;; takes++) {
        allowed_takes = takes;
        if (!tunnel_init(&tunnel, &scarce, tap_random_source(), key)) {
            CHECK_EQUAL(tap_memory_balance_bytes(), 0);
            continue;
        }
        bool is_added = tunnel_add_peer(&tunnel, other, none);
        CHECK_EQUAL(is_added, tunnel.peer_count);
        tunnel_wipe(&tunnel);
        CHECK_EQUAL(tap_memory_balance_bytes(), 0);
        if (is_added)
            break;
    }
    uint8_t initiation[INITIATION];
    struct handshake_result there, back;
    tunnel_pair_init(&pair, false);
    const struct memory *plenty = a->tunnel.memory;
    allowed_takes = 0;
    b->tunnel.indices.memory = &scarce;
    CHECK_EQUAL(tunnel_pair_initiate(&pair, a, initiation), VERDICT_OK);
    CHECK_EQUAL(deliver(b, initiation, INITIATION, &there), VERDICT_POOL_EMPTY);
    CHECK(!there.peer && !there.reply_bytes && !b->peer->next);
    b->tunnel.indices.memory = plenty;
    pair.now += REKEY_TIMEOUT_NS;
    CHECK_EQUAL(tunnel_pair_initiate(&pair, a, initiation), VERDICT_OK);
    CHECK_EQUAL(deliver(b, initiation, INITIATION, &there), VERDICT_OK);
    a->tunnel.indices.memory = &scarce;
    CHECK_EQUAL(deliver(a, there.reply, RESPONSE, &back), VERDICT_POOL_EMPTY);
    a->tunnel.indices.memory = plenty;
    CHECK_EQUAL(deliver(a, there.reply, RESPONSE, &back), VERDICT_OK);
    CHECK_EQUAL(tunnel_pair_speak(&pair, a), VERDICT_OK);
    tunnel_pair_wipe(&pair);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_forged_bit_anywhere_changes_nothing);
    TAP_RUN(argc, argv, test_forged_cookie_reply_changes_nothing);
    TAP_RUN(argc, argv, test_stranger_gets_no_answer);
    TAP_RUN(argc, argv, test_low_order_key_never_causes_a_packet);
    TAP_RUN(argc, argv, test_low_order_ephemeral_is_refused);
    TAP_RUN(argc, argv, test_under_load_a_cookie_comes_first);
    TAP_RUN(argc, argv, test_behind_a_cookie_the_rate_is_limited);
    TAP_RUN(argc, argv, test_flood_leaves_a_peer_its_way_in);
    TAP_RUN(argc, argv, test_without_memory_nothing_is_half_done);
    return tap_done();
}
