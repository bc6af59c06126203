/* SPDX-License-Identifier: MIT */
/* One tunnel with one peer behind a line protocol, for an independent implementation to talk to.
 * All bytes in hex, times in seconds; the random numbers are the same in each run.
 *
 *     init PRIVATE PUBLIC PRESHARED    → ok
 *     initiate SECONDS                 → initiation HEX | refused VERDICT
 *     consume SECONDS LOAD HEX         → VERDICT HEX|-     (the reply, if any)
 *     seal SECONDS HEX|-               → data HEX | none
 *     open SECONDS HEX                 → VERDICT HEX|- */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/aead.h"
#include "wireguard/tunnel.h"

#define WALL_NS (1800000000 * NS_PER_S) /* at second 0 */
#define LINE_BYTES 8192
#define MESSAGE_MOST (LINE_BYTES / 2)

static struct tunnel tunnel;
static struct peer *peer;
static uint64_t random_state = 1;

static void fill(void *context, uint8_t *bytes, size_t len)
{
    (void)context;
    for (size_t i = 0; i < len; i++) {
        random_state = random_state * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = (uint8_t)(random_state >> 56);
    }
}

static void *take(void *context, size_t bytes)
{
    (void)context;
    return calloc(1, bytes);
}

static void give(void *context, void *pointer, size_t bytes)
{
    (void)context;
    (void)bytes;
    free(pointer);
}

static const struct random_source random_source = {.fill = fill};
static const struct memory memory = {.take = take, .give = give};
static const struct endpoint source = {.address = {.family = FAMILY_IPV4, .bytes = {192, 0, 2, 1}},
                                       .port = 1234};

/* The next word in hex ("-": nothing). */
static size_t read_bytes(uint8_t *bytes, size_t capacity)
{
    const char *word = strtok(NULL, " \n");
    size_t len = 0;
    if (!word || strcmp(word, "-") == 0)
        return 0;
    for (unsigned value; len < capacity && sscanf(word + 2 * len, "%2x", &value) == 1; len++)
        bytes[len] = (uint8_t)value;
    return len;
}

static instant_ns read_instant(void)
{
    const char *word = strtok(NULL, " \n");
    return word ? (instant_ns)(strtod(word, NULL) * 1e9) : 0;
}

static void answer(const char *word, const uint8_t *bytes, size_t len)
{
    printf("%s %s", word, len ? "" : "-");
    for (size_t i = 0; i < len; i++)
        printf("%02x", bytes[i]);
    printf("\n");
    fflush(stdout);
}

static void command_init(void)
{
    uint8_t private_key[32], public_key[32], preshared_key[32];
    read_bytes(private_key, 32);
    read_bytes(public_key, 32);
    read_bytes(preshared_key, 32);
    if (peer)
        tunnel_wipe(&tunnel);
    bool is_ready = tunnel_init(&tunnel, &memory, &random_source, private_key) &&
                    (peer = tunnel_add_peer(&tunnel, public_key, preshared_key));
    answer(is_ready ? "ok" : "failed", NULL, 0);
}

static void command_initiate(void)
{
    uint8_t message[MESSAGE_INITIATION_BYTES];
    instant_ns now = read_instant();
    enum verdict verdict = tunnel_create_initiation(peer, now, WALL_NS + now, message);
    if (verdict == VERDICT_OK)
        answer("initiation", message, sizeof(message));
    else
        answer("refused", NULL, 0);
}

static void command_consume(void)
{
    uint8_t message[MESSAGE_MOST];
    struct handshake_result result;
    instant_ns now = read_instant();
    bool is_under_load = read_instant() > 0;
    size_t len = read_bytes(message, sizeof(message));
    enum verdict verdict = tunnel_consume_handshake(&tunnel, message, len, &source, is_under_load,
                                                    now, WALL_NS + now, &result);
    answer(verdict_name(verdict), result.reply, result.reply_bytes);
}

static void command_seal(void)
{
    uint8_t plaintext[MESSAGE_MOST], message[MESSAGE_MOST + 32];
    instant_ns now = read_instant();
    size_t len = read_bytes(plaintext, sizeof(plaintext));
    struct session *session = peer_sending_session(peer, now);
    if (!session) {
        answer("none", NULL, 0);
        return;
    }
    uint64_t counter = session_next_counter(session);
    message_write_data_header(message, session->remote_index, counter);
    aead_seal_with_data(session->send_key, counter, plaintext, len, NULL, 0, message + 16);
    answer("data", message, len + 32);
}

static enum verdict open_data(const uint8_t *message, size_t len, instant_ns now, uint8_t *out)
{
    if (message_type(message, len) != MESSAGE_DATA)
        return VERDICT_BAD_MESSAGE;
    struct session *session = tunnel_find_session(&tunnel, message_receiver_index(message));
    uint64_t counter = message_counter(message);
    if (!session)
        return VERDICT_UNKNOWN_INDEX;
    if (!session_may_receive(session, counter, now))
        return VERDICT_SESSION_EXPIRED;
    if (!aead_open_with_data(session->receive_key, counter, message + 16, len - 16, NULL, 0, out))
        return VERDICT_BAD_TAG;
    if (!replay_accept(&session->replay, counter))
        return VERDICT_REPLAYED;
    peer_confirm_session(session->peer, session);
    return VERDICT_OK;
}

static void command_open(void)
{
    uint8_t message[MESSAGE_MOST], plaintext[MESSAGE_MOST];
    instant_ns now = read_instant();
    size_t len = read_bytes(message, sizeof(message));
    enum verdict verdict = open_data(message, len, now, plaintext);
    answer(verdict_name(verdict), plaintext, verdict == VERDICT_OK ? len - 32 : 0);
}

int main(void)
{
    static const struct {
        const char *name;
        void (*run)(void);
        bool needs_peer;
    } commands[] = {
        {"init", command_init, false},      {"initiate", command_initiate, true},
        {"consume", command_consume, true}, {"seal", command_seal, true},
        {"open", command_open, true},
    };
    char line[LINE_BYTES];
    while (fgets(line, sizeof(line), stdin)) {
        const char *name = strtok(line, " \n");
        size_t at = 0, count = sizeof(commands) / sizeof(commands[0]);
        while (name && at < count && strcmp(commands[at].name, name) != 0)
            at++;
        if (!name || at == count || (commands[at].needs_peer && !peer))
            return 2;
        commands[at].run();
    }
    if (peer)
        tunnel_wipe(&tunnel);
    return 0;
}
