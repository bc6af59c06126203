/* SPDX-License-Identifier: MIT */
/* Any bytes as a life of two tunnels: handshakes, forgeries, time and data in any order. What must
 * hold: a message with a changed bit that matters is never accepted, every session stands in the
 * table, a reply belongs to its verdict, memory balances, and after all that one quiet handshake
 * makes a session that works both ways.
 *
 * An input is a list of operations, one byte each (modulo OPERATIONS) and what it takes. */
#include <stdlib.h>

#include "crypto/aead.h"
#include "crypto/blake2s.h"
#include "wireguard/tunnel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OPERATIONS_MOST 64

struct party {
    struct tunnel tunnel;
    struct peer *peer;
    struct endpoint endpoint;
};

struct life {
    const uint8_t *data;
    size_t size;
    instant_ns now;
    uint64_t wall_ns;
    uint64_t random_state;
    size_t taken_bytes;
    struct memory memory;
    struct random_source random;
    struct party parties[2];
    uint8_t letter[MESSAGE_HANDSHAKE_MOST_BYTES]; /* the last genuine message */
    size_t letter_bytes;                          /* 0: none */
    unsigned letter_to;
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static uint8_t next_byte(struct life *life)
{
    if (!life->size)
        return 0;
    life->size--;
    return *life->data++;
}

static void fill(void *context, uint8_t *bytes, size_t len)
{
    struct life *life = context;
    for (size_t i = 0; i < len; i++) {
        life->random_state = life->random_state * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = (uint8_t)(life->random_state >> 56);
    }
}

static void *take(void *context, size_t bytes)
{
    ((struct life *)context)->taken_bytes += bytes;
    return calloc(1, bytes);
}

static void give(void *context, void *pointer, size_t bytes)
{
    ((struct life *)context)->taken_bytes -= bytes;
    free(pointer);
}

static void begin(struct life *life)
{
    static const uint8_t preshared_key[32] = {7};
    life->memory = (struct memory){.take = take, .give = give, .context = life};
    life->random = (struct random_source){.fill = fill, .context = life};
    life->now = 1000 * NS_PER_S;
    life->wall_ns = 1800000000 * NS_PER_S;
    for (unsigned i = 0; i < 2; i++) {
        struct party *party = &life->parties[i];
        uint8_t key[32] = {[5] = (uint8_t)(i + 1)};
        require(tunnel_init(&party->tunnel, &life->memory, &life->random, key));
        party->endpoint.address =
            (struct address){.family = FAMILY_IPV4, .bytes = {192, 0, 2, (uint8_t)i}};
        party->endpoint.port = 51820;
    }
    for (unsigned i = 0; i < 2; i++) {
        life->parties[i].peer = tunnel_add_peer(
            &life->parties[i].tunnel, life->parties[!i].tunnel.identity.public_key, preshared_key);
        require(life->parties[i].peer);
    }
}

static void check_party(const struct party *party)
{
    const struct session *sessions[] = {party->peer->current, party->peer->previous,
                                        party->peer->next};
    for (unsigned i = 0; i < 3; i++)
        require(!sessions[i] ||
                tunnel_find_session(&party->tunnel, sessions[i]->local_index) == sessions[i]);
}

static enum verdict deliver(struct life *life, unsigned to, const uint8_t *message, size_t len,
                            bool is_under_load)
{
    struct handshake_result result;
    enum verdict verdict = tunnel_consume_handshake(&life->parties[to].tunnel, message, len,
                                                    &life->parties[!to].endpoint, is_under_load,
                                                    life->now, life->wall_ns, &result);
    require(!result.reply_bytes || verdict == VERDICT_OK || verdict == VERDICT_UNDER_LOAD);
    require((result.peer != NULL) == (verdict == VERDICT_OK));
    require(verdict == VERDICT_OK || (!result.moves_endpoint && !result.session_is_ready));
    if (result.reply_bytes) {
        memcpy(life->letter, result.reply, result.reply_bytes);
        life->letter_bytes = result.reply_bytes;
        life->letter_to = !to;
    }
    return verdict;
}

static enum verdict initiate(struct life *life, unsigned from)
{
    uint8_t message[MESSAGE_INITIATION_BYTES];
    enum verdict verdict =
        tunnel_create_initiation(life->parties[from].peer, life->now, life->wall_ns, message);
    if (verdict == VERDICT_OK) {
        memcpy(life->letter, message, sizeof(message));
        life->letter_bytes = sizeof(message);
        life->letter_to = !from;
    }
    return verdict;
}

static void mend_mac1(const struct party *to, uint8_t *message, size_t len)
{
    if (len > 32)
        blake2s_mac(to->tunnel.checker.mac1_key, 32, message, len - 32, message + len - 32);
}

static void deliver_forged(struct life *life)
{
    uint8_t message[MESSAGE_HANDSHAKE_MOST_BYTES];
    unsigned to = life->letter_to, flags = next_byte(life);
    size_t len = life->letter_bytes, at = next_byte(life);
    uint8_t bits = next_byte(life);
    if (!len || at >= len || !bits)
        return;
    memcpy(message, life->letter, len);
    message[at] ^= bits;
    if (flags & 1 && len != MESSAGE_COOKIE_REPLY_BYTES)
        mend_mac1(&life->parties[to], message, len);
    enum verdict verdict = deliver(life, to, message, len, flags & 2);
    /* nothing but mac1 protects the indices (a response to an initiation whose index was forged is
     * forged back), nothing at all a mac2 that is not asked for */
    bool is_index = at >= 4 && at < (len == MESSAGE_RESPONSE_BYTES ? 12 : 8);
    bool may_pass = len != MESSAGE_COOKIE_REPLY_BYTES &&
                    (at >= len - 16 || (flags & 1 && (is_index || at >= len - 32)));
    require(verdict != VERDICT_OK || may_pass);
}

static void deliver_raw(struct life *life)
{
    uint8_t message[256] = {0};
    unsigned flags = next_byte(life);
    size_t len = next_byte(life);
    for (size_t i = 0; i < len; i++)
        message[i] = next_byte(life);
    if (flags & 4 && len >= 4)
        store_le32(message, 1 + (flags >> 4) % 3);
    if (flags & 8 && len >= 12 && life->parties[flags & 1].peer->noise.initiations[0].is_pending)
        store_le32(message + 8, life->parties[flags & 1].peer->noise.initiations[0].local_index);
    if (flags & 1)
        mend_mac1(&life->parties[flags & 1], message, len);
    deliver(life, flags & 1, message, len, flags & 2);
}

/* An empty data message; false: there is no session, or the other party could not open it. */
static bool speak(struct life *life, unsigned from)
{
    struct session *session = peer_sending_session(life->parties[from].peer, life->now);
    uint8_t tag[16], nothing[1];
    if (!session)
        return false;
    uint64_t counter = session_next_counter(session);
    aead_seal_with_data(session->send_key, counter, NULL, 0, NULL, 0, tag);
    struct session *other =
        tunnel_find_session(&life->parties[!from].tunnel, session->remote_index);
    if (!other || !session_may_receive(other, counter, life->now) ||
        !aead_open_with_data(other->receive_key, counter, tag, 16, NULL, 0, nothing))
        return false;
    require(replay_accept(&other->replay, counter));
    peer_confirm_session(other->peer, other);
    return true;
}

static void operate(struct life *life)
{
    enum { PASS, INITIATE, DELIVER, FORGE, RAW, SPEAK, TICK, FORGET, WALL, OPERATIONS };
    uint8_t byte = next_byte(life);
    unsigned which = byte >> 7;
    struct peer *peer = life->parties[which].peer;
    switch ((byte & 127) % OPERATIONS) {
    case PASS:
        life->now += next_byte(life) * NS_PER_S / 16;
        break;
    case INITIATE:
        initiate(life, which);
        break;
    case DELIVER:
        if (life->letter_bytes)
            deliver(life, life->letter_to, life->letter, life->letter_bytes, which);
        break;
    case FORGE:
        deliver_forged(life);
        break;
    case RAW:
        deliver_raw(life);
        break;
    case SPEAK:
        speak(life, which);
        break;
    case TICK:
        if (timers_take_due(&peer->timers, life->now) & TIMERS_DUE_INITIATION)
            initiate(life, which);
        break;
    case FORGET:
        peer_forget_sessions(peer);
        break;
    default:
        life->wall_ns = (1700000000 + (uint64_t)next_byte(life) * 1000000) * NS_PER_S;
    }
    check_party(&life->parties[0]);
    check_party(&life->parties[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct life life = {.data = data, .size = size, .random_state = 1};
    begin(&life);
    for (unsigned i = 0; i < OPERATIONS_MOST && life.size; i++)
        operate(&life);
    life.now += REKEY_TIMEOUT_NS;
    unsigned from = size & 1;
    require(initiate(&life, from) == VERDICT_OK);
    require(deliver(&life, !from, life.letter, life.letter_bytes, false) == VERDICT_OK);
    require(deliver(&life, from, life.letter, life.letter_bytes, false) == VERDICT_OK);
    require(speak(&life, from) && speak(&life, !from));
    tunnel_wipe(&life.parties[0].tunnel);
    tunnel_wipe(&life.parties[1].tunnel);
    require(life.taken_bytes == 0);
    return 0;
}
