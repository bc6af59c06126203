/* SPDX-License-Identifier: MIT */
/* Both ends start at once: every order of arrival, then losses, duplicates and reordering. */
#include "rigs/tunnel_pair.h"

#define MAIL_MOST 64

/* Messages on their way, per direction in order of sending. */
struct mail {
    uint8_t bytes[MESSAGE_HANDSHAKE_MOST_BYTES];
    size_t len;
};

struct road {
    struct mail mails[MAIL_MOST];
    unsigned count;
};

static struct tunnel_pair pair;
static struct road to_a, to_b;

static struct road *road_to(const struct tunnel_end *end)
{
    return end == &pair.a ? &to_a : &to_b;
}

static void post(struct tunnel_end *from, const uint8_t *bytes, size_t len)
{
    struct road *road = road_to(tunnel_pair_other(&pair, from));
    if (road->count == MAIL_MOST)
        return;
    struct mail *mail = &road->mails[road->count++];
    memcpy(mail->bytes, bytes, len);
    mail->len = len;
}

static void initiate(struct tunnel_end *from)
{
    uint8_t message[MESSAGE_INITIATION_BYTES];
    if (tunnel_pair_initiate(&pair, from, message) == VERDICT_OK)
        post(from, message, sizeof(message));
}

static void speak(struct tunnel_end *from)
{
    uint8_t message[32];
    if (tunnel_pair_seal(&pair, from, message))
        post(from, message, sizeof(message));
}

static void take_away(struct road *road, unsigned at)
{
    road->count--;
    memmove(&road->mails[at], &road->mails[at + 1], (road->count - at) * sizeof(struct mail));
}

/* What the engine does with a datagram. */
static void arrive(struct tunnel_end *to, unsigned at, bool is_kept)
{
    struct road *road = road_to(to);
    struct mail mail = road->mails[at];
    if (!is_kept)
        take_away(road, at);
    if (message_type(mail.bytes, mail.len) == MESSAGE_DATA) {
        tunnel_pair_open(&pair, to, mail.bytes);
        return;
    }
    struct handshake_result result;
    if (tunnel_pair_deliver(&pair, to, mail.bytes, mail.len, false, &result) != VERDICT_OK)
        return;
    if (result.reply_bytes)
        post(to, result.reply, result.reply_bytes);
    if (result.session_is_ready)
        speak(to);
}

static void check_shape(const struct tunnel_end *end)
{
    const struct session *sessions[] = {end->peer->current, end->peer->previous, end->peer->next};
    for (unsigned i = 0; i < 3; i++) {
        if (!sessions[i])
            continue;
        CHECK(tunnel_find_session(&end->tunnel, sessions[i]->local_index) == sessions[i]);
        for (unsigned j = 0; j < i; j++)
            CHECK(sessions[j] != sessions[i]);
    }
}

static void begin(void)
{
    tunnel_pair_init(&pair, false);
    to_a.count = to_b.count = 0;
    if (tap_random_below(2)) /* clocks that differ */
        pair.b.wall_ns += tap_random_below(7200) * S - 3600 * S;
}

/* TRAPS 24: with order kept and nothing lost, both ends send with one session in the end. */
static void test_every_order_of_arrival_converges(void)
{
    for (unsigned order = 0; order < 1024; order++) {
        begin();
        if (order & 512) /* they had a session before */
            tunnel_pair_connect(&pair, tap_random_below(2) ? &pair.a : &pair.b);
        pair.now += 130 * S;
        initiate(&pair.a);
        if (tap_random_below(2))
            pair.now += tap_random_below(40) * NS_PER_MS;
        initiate(&pair.b);
        for (unsigned turn = order; to_a.count + to_b.count > 0; turn >>= 1) {
            struct tunnel_end *to = (turn & 1 && to_a.count) || !to_b.count ? &pair.a : &pair.b;
            pair.now += tap_random_below(2) * NS_PER_MS;
            arrive(to, 0, false);
            check_shape(&pair.a);
            check_shape(&pair.b);
        }
        bool agrees = tunnel_pair_agrees(&pair);
        if (!CHECK(agrees))
            CHECK_EQUAL(order, -1); /* names the order */
        CHECK_EQUAL(tunnel_pair_speak(&pair, &pair.a), VERDICT_OK);
        CHECK_EQUAL(tunnel_pair_speak(&pair, &pair.b), VERDICT_OK);
        CHECK_EQUAL(pair.a.peer->timers.retransmit, INSTANT_NEVER);
        CHECK_EQUAL(pair.b.peer->timers.retransmit, INSTANT_NEVER);
        tunnel_pair_wipe(&pair);
    }
}

static void anything_happens(void)
{
    struct tunnel_end *end = tap_random_below(2) ? &pair.a : &pair.b;
    struct road *road = road_to(end);
    unsigned at = road->count ? (unsigned)tap_random_below(road->count) : 0;
    switch (tap_random_below(10)) {
    case 0:
        initiate(end);
        break;
    case 1:
        speak(end);
        break;
    case 2:
        if (road->count)
            take_away(road, at);
        break;
    case 3:
        if (road->count)
            arrive(end, at, true);
        break;
    case 4:
        pair.now += tap_random_below(7 * S);
        break;
    case 5:
        if (tap_random_below(20) == 0)
            peer_forget_sessions(end->peer);
        break;
    default:
        pair.now += tap_random_below(30) * NS_PER_MS;
        if (road->count)
            arrive(end, at, false);
    }
}

static void test_losses_duplicates_and_disorder_never_wedge(void)
{
    for (unsigned round = 0; round < 60; round++) {
        begin();
        for (unsigned step = 0; step < 150; step++) {
            anything_happens();
            check_shape(&pair.a);
            check_shape(&pair.b);
        }
        /* from any state one quiet handshake is enough, and what still travels does no harm */
        pair.now += REKEY_TIMEOUT_NS;
        struct tunnel_end *from = round & 1 ? &pair.a : &pair.b;
        tunnel_pair_connect(&pair, from);
        CHECK(tunnel_pair_agrees(&pair));
        while (to_a.count + to_b.count > 0)
            arrive(to_a.count ? &pair.a : &pair.b, 0, false);
        CHECK_EQUAL(tunnel_pair_speak(&pair, &pair.a), VERDICT_OK);
        CHECK_EQUAL(tunnel_pair_speak(&pair, &pair.b), VERDICT_OK);
        tunnel_pair_wipe(&pair);
    }
}

/* A peer that restarts right after a handshake has a new session at once, whatever its clock. */
static void test_restarted_peer_is_heard_at_once(void)
{
    for (unsigned round = 0; round < 2; round++) {
        begin();
        pair.b.wall_ns = pair.a.wall_ns + 1 - round * 3600 * S;
        uint8_t key[32];
        memcpy(key, pair.b.tunnel.identity.private_key, 32);
        tunnel_pair_connect(&pair, &pair.a);
        pair.now += S;
        tunnel_wipe(&pair.b.tunnel);
        CHECK(tunnel_init(&pair.b.tunnel, tap_memory(), tap_random_source(), key));
        pair.b.peer = tunnel_add_peer(&pair.b.tunnel, pair.a.tunnel.identity.public_key,
                                      (const uint8_t[32]){0});
        tunnel_pair_connect(&pair, &pair.b);
        CHECK(tunnel_pair_agrees(&pair));
        tunnel_pair_wipe(&pair);
    }
}

/* Only two indices are free to draw from at a time: they are never given twice. */
static void fill_few(void *context, uint8_t *bytes, size_t len)
{
    (void)context;
    tap_random_bytes(bytes, len);
    if (len == 4)
        store_le32(bytes, (uint32_t)tap_random_below(8) << 16);
}

static void test_indices_are_unique(void)
{
    const struct random_source few = {.fill = fill_few};
    begin();
    pair.a.tunnel.random = &few;
    pair.b.tunnel.random = &few;
    for (unsigned step = 0; step < 1000; step++) {
        anything_happens();
        check_shape(&pair.a);
        check_shape(&pair.b);
        for (unsigned slot = 0; slot < NOISE_INITIATIONS; slot++) {
            const struct noise_initiation *initiation = &pair.a.peer->noise.initiations[slot];
            if (initiation->is_pending)
                CHECK(!tunnel_find_session(&pair.a.tunnel, initiation->local_index));
        }
    }
    tunnel_pair_wipe(&pair);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_every_order_of_arrival_converges);
    TAP_RUN(argc, argv, test_losses_duplicates_and_disorder_never_wedge);
    TAP_RUN(argc, argv, test_restarted_peer_is_heard_at_once);
    TAP_RUN(argc, argv, test_indices_are_unique);
    return tap_done();
}
