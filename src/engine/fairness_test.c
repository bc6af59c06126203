/* SPDX-License-Identifier: MIT */
/* RULES H2: handshake messages of nobody cost other tunnels nothing, and little where they
 * arrive. */
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "crypto/blake2s.h"
#include "engine/lanes.h"
#include "simulation/simulation.h"
#include "wireguard/message.h"

enum { ALPHA, BETA, INSIDE, OTHER, TUNNELS }; /* two roots, and two inside alpha */

#define SERVER_KEY 10
#define FRIEND_KEY 30
#define FRIENDS 6
#define STRANGERS 24

static uint8_t strangers[TUNNELS][STRANGERS][MESSAGE_INITIATION_BYTES];
static uint8_t friends[TUNNELS][FRIENDS][MESSAGE_INITIATION_BYTES];

struct town {
    struct sim *sim;
    struct sim_host *server;
    struct sim_host *relay; /* at the end of alpha */
};

static void craft(unsigned server_key, const uint8_t private_key[32], uint8_t *message)
{
    struct tunnel tunnel;
    uint8_t public_key[32], none[32] = {0};
    sim_public_key(server_key, public_key);
    CHECK(tunnel_init(&tunnel, tap_memory(), tap_random_source(), private_key));
    struct peer *peer = tunnel_add_peer(&tunnel, public_key, none);
    CHECK_EQUAL(tunnel_create_initiation(peer, SIM_START_NS, 1700000000 * NS_PER_S, message),
                VERDICT_OK);
    tunnel_wipe(&tunnel);
}

static void town_init(struct town *town)
{
    static const char *const names[] = {"alpha", "beta", "inside", "other"};
    struct sim_network network;
    uint8_t private_key[32];
    town->sim = sim_new();
    sim_network_init(&network);
    for (unsigned t = 0; t < TUNNELS; t++) {
        char text[48], allowed[48];
        snprintf(text, sizeof(text), "10.%u.0.1", t);
        sim_add_tunnel(&network, names[t], t >= INSIDE ? ALPHA : TUNNEL_NO_CARRIER, SERVER_KEY + t,
                       text);
        network.tunnels[t].listen_port = (uint16_t)(t >= INSIDE ? 61000 + t : 0);
        for (unsigned i = t == ALPHA; i < FRIENDS; i++) {
            snprintf(allowed, sizeof(allowed), "10.%u.1.%u/32", t, i);
            sim_add_peer(&network, (int)t, FRIEND_KEY + t * FRIENDS + i, allowed, NULL);
            sim_private_key(FRIEND_KEY + t * FRIENDS + i, private_key);
            craft(SERVER_KEY + t, private_key, friends[t][i]);
        }
        for (unsigned i = 0; i < STRANGERS; i++) {
            tap_random_bytes(private_key, 32);
            craft(SERVER_KEY + t, private_key, strangers[t][i]);
        }
    }
    sim_add_peer(&network, ALPHA, FRIEND_KEY, "0.0.0.0/0", "203.0.113.9:51820");
    town->server = sim_add_host(town->sim, "server", "203.0.113.1", &network, 1500);
    sim_network_init(&network);
    sim_add_tunnel(&network, "relay", TUNNEL_NO_CARRIER, FRIEND_KEY, "10.0.1.0");
    sim_add_peer(&network, 0, SERVER_KEY, "10.0.0.1/32", "203.0.113.1:51820");
    town->relay = sim_add_host(town->sim, "relay", "203.0.113.9", &network, 1500);
}

/* A message at a socket of the server's: a root's, or through the relay a carried tunnel's. */
static void bring(struct town *town, unsigned tunnel, const uint8_t *message, size_t len,
                  unsigned from)
{
    struct sim_host *server = town->server;
    char text[ENDPOINT_TEXT_BYTES];
    snprintf(text, sizeof(text), "100.%u.%u.7", from >> 8 & 255, from & 255);
    if (tunnel >= INSIDE) {
        static uint8_t bytes[400];
        const struct sample sample = {.source = text, .destination = "10.0.0.1",
                                      .protocol = IP_PROTOCOL_UDP, .source_port = 9,
                                      .destination_port = (uint16_t)(61000 + tunnel),
                                      .len_bytes = 28 + len};
        size_t packet_len = sample_write(&sample, bytes);
        memcpy(bytes + 28, message, len);
        struct engine *engine = town->relay->engine;
        struct packet *packet = pool_take_packet(town->relay->pool);
        memcpy(packet_put(packet, packet_len), bytes, packet_len);
        packet->tos = 0;
        packet->kind = PACKET_DATA;
        outbound_append(&engine->outbound, packet, engine->core.tree.nodes[0]->peers[0]);
        sim_flush(town->relay);
        return;
    }
    struct block *block = pool_take_block(server->pool);
    if (!CHECK(block != NULL))
        return;
    memcpy(block->bytes, message, len);
    const struct udp_train train = {.block = block, .len_bytes = (uint32_t)len,
                                    .source = {.address = sample_address(text), .port = 9}};
    engine_from_udp(server->engine, tunnel, &train, town->sim->now, server->actions);
    server->is_dirty = true;
}

static uint64_t refused(const struct town *town, unsigned tunnel, enum verdict verdict)
{
    return town->server->engine->core.tree.nodes[tunnel]->drops[verdict];
}

/* 16 messages a turn for `flooded`; meanwhile each friend of `quiet` calls once. How many were
 * answered within the second. */
static unsigned answered_beside(struct town *town, unsigned flooded, unsigned quiet,
                                bool has_right_mac1)
{
    uint8_t rubbish[MESSAGE_INITIATION_BYTES];
    unsigned answered = 0, calls = 0;
    struct sample hello = {.source = "10.0.1.0", .destination = "10.0.0.1",
                           .protocol = IP_PROTOCOL_ICMP, .len_bytes = 60};
    sim_send(town->relay, &hello);
    sim_run(town->sim, SIM_S); /* the relay has a session */
    for (unsigned turn = 0; turn < 200; turn++) {
        for (unsigned i = 0; i < 16; i++) {
            memcpy(rubbish, strangers[flooded][(turn + i) % STRANGERS], sizeof(rubbish));
            if (!has_right_mac1)
                rubbish[117 + turn % 4] ^= 1;
            bring(town, flooded, rubbish, sizeof(rubbish), turn * 16 + i);
        }
        if (turn % 20 == 19 && calls < FRIENDS) {
            bring(town, quiet, friends[quiet][calls], MESSAGE_INITIATION_BYTES, 60000 + calls);
            calls++;
        }
        sim_flush(town->server);
        sim_run(town->sim, SIM_S / 200);
    }
    sim_run(town->sim, SIM_S / 10);
    sim_flush(town->server);
    for (unsigned i = 0; i < FRIENDS; i++)
        answered += town->server->engine->core.tree.nodes[quiet]->peers[i]->next != NULL;
    CHECK_EQUAL(calls, FRIENDS);
    return answered;
}

static void h2_a_flood_at_one_tunnel_costs_no_other_a_handshake(void)
{
    static const unsigned pairs[][2] = {
        {ALPHA, BETA}, {BETA, INSIDE}, {INSIDE, OTHER}, {INSIDE, BETA}, {OTHER, INSIDE}};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        for (unsigned right = 0; right < 2; right++) {
            struct town town;
            town_init(&town);
            unsigned flooded = pairs[i][0], quiet = pairs[i][1];
            CHECK_EQUAL(answered_beside(&town, flooded, quiet, right), FRIENDS);
            CHECK_EQUAL(refused(&town, quiet, VERDICT_UNDER_LOAD), 0);
            CHECK_EQUAL(refused(&town, quiet, VERDICT_BACKLOG_FULL), 0);
            if (!right)
                CHECK_EQUAL(refused(&town, flooded, VERDICT_BAD_MAC1), 3200);
            sim_free(town.sim);
        }
    }
}

/* 6 Mbit/s of strangers: what they cost is a hash and a cookie, hardly ever a Diffie-Hellman. */
static void h2_strangers_cost_few_diffie_hellmans(void)
{
    struct town town;
    town_init(&town);
    for (unsigned second = 0; second < 5; second++) {
        for (unsigned i = 0; i < 4260; i++) {
            bring(&town, BETA, strangers[BETA][i % STRANGERS], MESSAGE_INITIATION_BYTES, i);
            if (i % 8 == 7)
                sim_flush(town.server);
        }
        sim_run(town.sim, SIM_S);
    }
    uint64_t looked_into = refused(&town, BETA, VERDICT_HANDSHAKE_REFUSED);
    CHECK(looked_into > 0 && looked_into <= 256 + 6 * 128 + 16);
    CHECK(refused(&town, BETA, VERDICT_UNDER_LOAD) > 15000);
    CHECK_EQUAL(refused(&town, ALPHA, VERDICT_UNDER_LOAD), 0);
    sim_free(town.sim);
}

/* Answers to nothing, right mac1 or not, do not wait; rubbish as long as a cookie neither. */
static void h2_answers_that_answer_nothing_do_not_wait(void)
{
    struct town town;
    uint8_t message[MESSAGE_INITIATION_BYTES] = {MESSAGE_RESPONSE};
    town_init(&town);
    memset(message + 4, 7, 60);
    bring(&town, BETA, message, MESSAGE_RESPONSE_BYTES, 1);
    engine_flush(town.server->engine, town.sim->now, 0, town.server->actions);
    CHECK_EQUAL(refused(&town, BETA, VERDICT_BAD_MAC1), 1);
    uint8_t hash_key[32], key[40] = "mac1----";
    struct blake2s state;
    memcpy(key + 8, town.server->engine->core.tree.nodes[BETA]->tunnel.identity.public_key, 32);
    blake2s_init(&state, 32, NULL, 0);
    blake2s_update(&state, key, sizeof(key));
    blake2s_final(&state, hash_key);
    blake2s_mac(hash_key, 32, message, 60, message + 60);
    bring(&town, BETA, message, MESSAGE_RESPONSE_BYTES, 1);
    message[0] = MESSAGE_COOKIE_REPLY;
    bring(&town, BETA, message, MESSAGE_COOKIE_REPLY_BYTES, 1);
    engine_flush(town.server->engine, town.sim->now, 0, town.server->actions);
    CHECK_EQUAL(refused(&town, BETA, VERDICT_HANDSHAKE_REFUSED), 1);
    CHECK_EQUAL(refused(&town, BETA, VERDICT_COOKIE_REFUSED), 1);
    CHECK_EQUAL(town.server->engine->handshakes.backlog.count, 0);
    sim_free(town.sim);
}

/* A client under a flood of strangers calls its relay: the answer need not come with a cookie. */
static void h2_our_own_call_is_answered_under_load(void)
{
    struct town town;
    town_init(&town);
    struct node *alpha = town.server->engine->core.tree.nodes[ALPHA];
    for (unsigned i = 0; i < 2000; i++)
        bring(&town, ALPHA, strangers[ALPHA][i % STRANGERS], MESSAGE_INITIATION_BYTES, i);
    sim_flush(town.server);
    CHECK(town.sim->now < alpha->under_load_until);
    const struct sample sample = {.source = "10.0.0.1", .destination = "10.0.1.0",
                                  .protocol = IP_PROTOCOL_ICMP, .len_bytes = 60};
    sim_send(town.server, &sample);
    for (unsigned i = 0; i < 40; i++) {
        for (unsigned j = 0; j < 50; j++)
            bring(&town, ALPHA, strangers[ALPHA][j % STRANGERS], MESSAGE_INITIATION_BYTES, j);
        sim_run(town.sim, SIM_S / 100);
    }
    CHECK_EQUAL(sim_peer_state(town.server, ALPHA, FRIENDS - 1), STATUS_PEER_UP);
    CHECK_EQUAL(town.server->sent_of_type[MESSAGE_INITIATION], 1);
    CHECK_EQUAL(town.relay->inbox_count, 1);
    sim_free(town.sim);
}

/* ---- the shares ---- */

#define SHARES 5

/* Random turns: no message is lost or twice, each queue keeps its order, who has less than the
 * largest share is never refused, and nobody waits for more than the others' turns. */
static void h2_the_backlog_is_shared(void)
{
    struct backlog backlog;
    struct backlog_share shares[SHARES];
    uint32_t serial = 0, added = 0, out = 0, last[SHARES][2] = {{0}};
    unsigned counts[SHARES] = {0}, waited[SHARES] = {0};
    CHECK(backlog_init(&backlog, tap_memory()));
    for (unsigned i = 0; i < SHARES; i++)
        backlog_share_init(&shares[i]);
    for (unsigned step = 0; step < 60000; step++) {
        /* share 0 floods, the others seldom have one */
        unsigned who = tap_random_below(4) ? 0 : (unsigned)tap_random_below(SHARES);
        bool is_proven = tap_random_below(3) == 0,
             adds = tap_random_below(step < 40000 ? 8 : 3) > 0;
        if (adds) {
            struct node *evicted;
            unsigned most = 0;
            for (unsigned i = 0; i < SHARES; i++)
                most = counts[i] > most ? counts[i] : most;
            struct backlog_message *message =
                backlog_add(&backlog, &shares[who], is_proven, &evicted);
            CHECK(message || (counts[who] == most && backlog.count == BACKLOG_MESSAGES));
            if (evicted) {
                unsigned from = (unsigned)((uintptr_t)evicted - 1);
                CHECK_EQUAL(counts[from], most);
                counts[from]--;
                out++;
            }
            if (!message)
                continue;
            message->node = (struct node *)(uintptr_t)(who + 1);
            message->interface = ++serial;
            counts[who]++;
            added++;
        } else {
            const struct backlog_message *message = backlog_take(&backlog);
            if (!message)
                continue;
            unsigned from = (unsigned)((uintptr_t)message->node - 1);
            CHECK(message->interface > last[from][message->is_proven]);
            last[from][message->is_proven] = message->interface;
            counts[from]--;
            out++;
            for (unsigned i = 0; i < SHARES; i++)
                waited[i] = i == from || counts[i] == 0 ? 0 : waited[i] + 1;
            for (unsigned i = 0; i < SHARES; i++)
                CHECK(waited[i] < SHARES);
        }
    }
    CHECK_EQUAL(backlog.count, added - out);
    while (backlog_take(&backlog))
        out++;
    CHECK_EQUAL(added, out);
    CHECK(list_is_empty(&backlog.waiting));
    backlog_wipe(&backlog, tap_memory());
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, h2_a_flood_at_one_tunnel_costs_no_other_a_handshake);
    TAP_RUN(argc, argv, h2_strangers_cost_few_diffie_hellmans);
    TAP_RUN(argc, argv, h2_answers_that_answer_nothing_do_not_wait);
    TAP_RUN(argc, argv, h2_our_own_call_is_answered_under_load);
    TAP_RUN(argc, argv, h2_the_backlog_is_shared);
    return tap_done();
}
