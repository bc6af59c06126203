/* SPDX-License-Identifier: MIT */
/* Time and places: rekeying, keepalives, silence, sleep, roaming, links that go down. */
#include <stdlib.h>

#include "base/bytes.h"
#include "simulation/chain.h"
#include "simulation/office.h"
#include "wireguard/message.h"

static void sim_settle(struct office *office)
{
    sim_run(office->sim, SIM_S / 2);
}

static void speak(struct office *office, const char *destination, struct sim_host *host,
                  const char *source)
{
    const struct sample sample = office_sample(destination, 100, 1);
    sim_send(office->client, &sample);
    sim_settle(office);
    office_expect(host, &sample, source);
}

static void answer(struct office *office, struct sim_host *host, const char *source,
                   const char *destination)
{
    struct sample sample = office_sample(source, 100, 2);
    sample.source = source;
    sample.destination = destination;
    sim_send(host, &sample);
    sim_settle(office);
    sample.destination = OFFICE_CLIENT4;
    office_expect(office->client, &sample, source);
}

static struct endpoint endpoint_of(const struct sim_host *host, uint32_t tunnel)
{
    struct status_peer peer;
    status_read_peer(host->engine, tunnel, 0, host->sim->now, &peer);
    return peer.endpoint;
}

/* ---- roaming ---- */

/* TRAPS 23 */
static void the_client_roams_with_its_data(void)
{
    struct office office;
    office_init_connected(&office);
    sim_move(office.client, "198.51.100.77");
    speak(&office, "10.20.0.1", office.office, "10.9.0.2");
    struct endpoint at = endpoint_of(office.entry, 0),
                    there = sample_endpoint("198.51.100.77:51820");
    CHECK(endpoint_is_equal(&at, &there));
    answer(&office, office.office, "10.20.0.1", "10.9.0.2");
    answer(&office, office.entry, "9.9.9.9", OFFICE_CLIENT4);
    CHECK(sim_is_undisturbed(office.client));
    office_wipe(&office);
}

/* TRAPS 12: the carried peer answers from another port, then from another address. */
static void the_exit_roams(void)
{
    struct office office;
    office_init_connected(&office);
    office.office->ports[0] = 4444;
    answer(&office, office.office, "10.20.0.1", "10.9.0.2");
    struct endpoint at = endpoint_of(office.client, OFFICE_OFFICE);
    CHECK_EQUAL(at.port, 4444);
    speak(&office, "10.20.0.1", office.office, "10.9.0.2");
    sim_move(office.office, "198.51.100.200");
    answer(&office, office.office, "10.20.0.1", "10.9.0.2");
    speak(&office, "10.20.0.1", office.office, "10.9.0.2");
    CHECK(sim_is_undisturbed(office.client));
    office_wipe(&office);
}

/* ---- time ---- */

struct transcript {
    struct sim *sim;
    instant_ns start;
    unsigned of_type[5];
    instant_ns last;
};

static bool note(void *context, struct sim_datagram *datagram)
{
    struct transcript *transcript = context;
    transcript->of_type[message_type(datagram->bytes, datagram->len_bytes)]++;
    transcript->last = transcript->sim->now;
    return true;
}

static void take_notes(struct transcript *transcript, struct sim *sim)
{
    *transcript = (struct transcript){.sim = sim, .start = sim->now};
    sim->hook = note;
    sim->hook_context = transcript;
}

static void connect_chain(struct chain *chain, unsigned depth, uint16_t keepalive_s)
{
    const struct chain_shape shape = {
        .depth = depth, .link_mtu_bytes = 1500, .keepalive_s = keepalive_s};
    chain_init(chain, &shape);
    struct sample sample = office_sample("198.51.100.9", 60, 0);
    sample.source = "10.100.0.2";
    sim_send(chain->client, &sample);
    sim_run(chain->sim, 2 * SIM_S);
    CHECK_EQUAL(chain->exit->inbox_count, 1);
    sim_forget_inbox(chain->exit);
}

static void send_through(struct chain *chain, uint32_t serial)
{
    struct sample sample = office_sample("198.51.100.9", 60, serial);
    sample.source = "10.100.0.2";
    sim_send(chain->client, &sample);
}

/* TRAPS 24. One packet, one passive keepalive for it, and then nothing for an hour. */
static void two_idle_peers_go_quiet(void)
{
    struct chain chain;
    struct transcript transcript;
    connect_chain(&chain, 1, 0);
    size_t with_sessions = tap_memory_balance_bytes();
    sim_run(chain.sim, 30 * SIM_S);
    take_notes(&transcript, chain.sim);
    sim_run(chain.sim, 60 * SIM_S);
    CHECK_EQUAL(transcript.of_type[MESSAGE_DATA], 0);
    send_through(&chain, 1);
    sim_run(chain.sim, 3600 * SIM_S);
    CHECK_EQUAL(transcript.of_type[MESSAGE_DATA], 2);
    CHECK_EQUAL(transcript.of_type[MESSAGE_INITIATION], 0);
    /* The keepalive comes 10 s after the packet was received. */
    CHECK_EQUAL((transcript.last - transcript.start) / NS_PER_S, 70);
    CHECK_EQUAL(engine_deadline(chain.client->engine), INSTANT_NEVER);
    CHECK_EQUAL(engine_deadline(chain.exit->engine), INSTANT_NEVER);
    CHECK(tap_memory_balance_bytes() < with_sessions); /* the keys are gone */
    chain_wipe(&chain);
}

static void persistent_keepalive_is_silent_while_there_is_traffic(void)
{
    struct chain chain;
    struct transcript transcript;
    connect_chain(&chain, 1, 25);
    take_notes(&transcript, chain.sim);
    sim_run(chain.sim, 100 * SIM_S);
    CHECK_EQUAL(transcript.of_type[MESSAGE_DATA], 4);
    take_notes(&transcript, chain.sim);
    for (uint32_t i = 0; i < 10; i++) {
        send_through(&chain, i);
        sim_run(chain.sim, SIM_S);
    }
    CHECK_EQUAL(transcript.of_type[MESSAGE_DATA], 10);
    chain_wipe(&chain);
}

/* A persistent keepalive alone connects the whole path, without any traffic. */
static void persistent_keepalive_connects_a_carried_tunnel(void)
{
    struct chain chain;
    const struct chain_shape shape = {.depth = 3, .link_mtu_bytes = 1500, .keepalive_s = 25};
    chain_init(&chain, &shape);
    sim_run(chain.sim, 3 * SIM_S);
    for (uint32_t i = 0; i < 3; i++)
        CHECK_EQUAL(sim_peer_state(chain.client, i, 0), STATUS_PEER_UP);
    sim_run(chain.sim, 3600 * SIM_S);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_EQUAL(sim_peer_state(chain.client, i, 0), STATUS_PEER_UP);
        CHECK(sim_is_undisturbed(chain.relays[i]));
    }
    CHECK(sim_is_undisturbed(chain.client));
    chain_wipe(&chain);
}

/* Every 120 s, by the initiator, without losing a packet. */
static void rekeys_after_120_s_under_traffic(void)
{
    struct chain chain;
    struct transcript transcript;
    connect_chain(&chain, 2, 0);
    take_notes(&transcript, chain.sim);
    for (uint32_t i = 0; i < 5900; i++) {
        send_through(&chain, i);
        sim_run(chain.sim, SIM_S / 10);
        struct sim_packet *packet = sim_take(chain.exit);
        if (!CHECK(packet != NULL))
            break;
        CHECK_EQUAL(sample_serial(packet->bytes, packet->len_bytes), i);
        free(packet);
    }
    /* 590 s: the entry rekeyed 4 times; the exit's are inside. */
    CHECK_EQUAL(transcript.of_type[MESSAGE_INITIATION], 4 + 4); /* the relay hands on the exit's */
    CHECK_EQUAL(chain.client->sent_of_type[MESSAGE_INITIATION], 5);
    CHECK(sim_is_undisturbed(chain.client));
    CHECK(sim_is_undisturbed(chain.relays[0]));
    CHECK(sim_is_undisturbed(chain.exit));
    chain_wipe(&chain);
}

/* RULES H1: deadlines an hour late. */
static void h1_an_hour_of_sleep_costs_one_handshake_a_tunnel(void)
{
    struct chain chain;
    connect_chain(&chain, 3, 25);
    sim_run(chain.sim, 50 * SIM_S);
    send_through(&chain, 1);
    /* Asleep: nobody's clock is looked at. What flew is lost. */
    while (chain.sim->flying_count)
        free(chain.sim->flying[--chain.sim->flying_count]);
    sim_forget_inbox(chain.exit);
    chain.sim->now += 3600 * SIM_S;
    uint64_t before[4] = {chain.client->sent_of_type[MESSAGE_INITIATION]};
    for (unsigned i = 0; i < 3; i++)
        before[i + 1] = chain.relays[i]->sent_of_type[MESSAGE_INITIATION];
    struct transcript transcript;
    take_notes(&transcript, chain.sim);
    sim_run(chain.sim, 4 * SIM_S);
    CHECK_EQUAL(chain.client->sent_of_type[MESSAGE_INITIATION] - before[0], 1);
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQUAL(sim_peer_state(chain.client, i, 0), STATUS_PEER_UP);
    send_through(&chain, 2);
    sim_run(chain.sim, SIM_S);
    CHECK_EQUAL(chain.exit->inbox_count, 1);
    /* Each level's initiation was seen once at each link it travelled: 1 + 2 + 3, and what the
     * relays themselves began after their sleep finds the same session. */
    CHECK(transcript.of_type[MESSAGE_INITIATION] <= 6);
    chain_wipe(&chain);
}

/* TRAPS 24: both at once converge on one session, and data flows both ways. */
static void both_ends_start_at_once(void)
{
    for (unsigned round = 0; round < 20; round++) {
        struct sim *sim = sim_new();
        struct sim_network network;
        struct sim_host *hosts[2];
        sim->link.jitter_ns = round % 2 ? 30 * NS_PER_MS : 0;
        for (unsigned i = 0; i < 2; i++) {
            sim_network_init(&network);
            sim_add_tunnel(&network, "t", TUNNEL_NO_CARRIER, 1 + i, i ? "10.0.0.2" : "10.0.0.1");
            sim_add_peer(&network, 0, 2 - i, "10.0.0.0/24",
                         i ? "192.0.2.1:51820" : "192.0.2.2:51820");
            hosts[i] = sim_add_host(sim, "end", i ? "192.0.2.2" : "192.0.2.1", &network, 1500);
        }
        struct sample there = office_sample("10.0.0.2", 60, 0),
                      back = office_sample("10.0.0.1", 60, 0);
        there.source = "10.0.0.1";
        back.source = "10.0.0.2";
        for (uint32_t i = 0; i < 50; i++) {
            there.serial = back.serial = i;
            sim_send(hosts[0], &there);
            sim_send(hosts[1], &back);
            sim_run(sim, SIM_S / 4);
        }
        CHECK_EQUAL(hosts[0]->inbox_count, 50);
        CHECK_EQUAL(hosts[1]->inbox_count, 50);
        CHECK(hosts[0]->sent_of_type[MESSAGE_INITIATION] <= 1);
        CHECK(hosts[1]->sent_of_type[MESSAGE_INITIATION] <= 1);
        sim_free(sim);
    }
}

/* ---- the link and the host's network ---- */

static void down_forgets_sessions_and_answers_nobody(void)
{
    struct chain chain;
    connect_chain(&chain, 2, 25);
    engine_set_up(chain.exit->engine, false, chain.sim->now);
    engine_set_up(chain.client->engine, false, chain.sim->now);
    uint64_t sent = chain.client->datagrams_sent;
    sim_run(chain.sim, 600 * SIM_S);
    send_through(&chain, 1); /* a packet that was on its way */
    sim_run(chain.sim, SIM_S);
    CHECK_EQUAL(chain.client->datagrams_sent, sent);
    CHECK_EQUAL(engine_deadline(chain.client->engine), INSTANT_NEVER);
    CHECK_EQUAL(sim_peer_state(chain.client, 1, 0), STATUS_PEER_IDLE);

    engine_set_up(chain.client->engine, true, chain.sim->now);
    sim_run(chain.sim, SIM_S);
    CHECK_EQUAL(sim_peer_state(chain.client, 0, 0), STATUS_PEER_UP);
    CHECK_EQUAL(sim_peer_state(chain.client, 1, 0), STATUS_PEER_HANDSHAKE);
    CHECK_EQUAL(chain.exit->sent_of_type[MESSAGE_RESPONSE], 1); /* long ago */
    engine_set_up(chain.exit->engine, true, chain.sim->now);
    sim_run(chain.sim, 7 * SIM_S);
    CHECK_EQUAL(sim_peer_state(chain.client, 1, 0), STATUS_PEER_UP);
    chain_wipe(&chain);
}

/* F8: at once, but never more often than once in REKEY_TIMEOUT. */
static void a_changed_network_causes_one_handshake(void)
{
    struct chain chain;
    connect_chain(&chain, 1, 0);
    for (unsigned i = 0; i < 3; i++) {
        engine_network_changed(chain.client->engine, 0, chain.sim->now);
        sim_run(chain.sim, SIM_S / 10);
    }
    sim_run(chain.sim, 6 * SIM_S);
    CHECK_EQUAL(chain.client->sent_of_type[MESSAGE_INITIATION], 2);
    CHECK_EQUAL(chain.exit->sent_of_type[MESSAGE_RESPONSE], 2);
    sim_run(chain.sim, 30 * SIM_S);
    engine_network_changed(chain.client->engine, 0, chain.sim->now);
    sim_run(chain.sim, SIM_S);
    CHECK_EQUAL(chain.client->sent_of_type[MESSAGE_INITIATION], 3);
    CHECK(sim_is_undisturbed(chain.client));
    chain_wipe(&chain);
}

/* TRAPS 17: packets wait for the name; the resolved endpoint starts the handshake. */
static void a_name_is_waited_for(void)
{
    struct sim *sim = sim_new();
    struct sim_network network;
    char name[] = "relay.example.net";
    sim_network_init(&network);
    sim_add_tunnel(&network, "t", TUNNEL_NO_CARRIER, 1, "10.0.0.1");
    sim_add_peer(&network, 0, 2, "10.0.0.0/24", NULL)->endpoint_name = name;
    struct sim_host *client = sim_add_host(sim, "client", "192.0.2.1", &network, 1500);
    sim_network_init(&network);
    sim_add_tunnel(&network, "t", TUNNEL_NO_CARRIER, 2, "10.0.0.2");
    sim_add_peer(&network, 0, 1, "10.0.0.0/24", NULL);
    struct sim_host *server = sim_add_host(sim, "server", "192.0.2.2", &network, 1500);
    struct sample sample = office_sample("10.0.0.2", 60, 0);
    sample.source = "10.0.0.1";
    sim_send(client, &sample);
    sim_run(sim, 61 * SIM_S);
    CHECK_EQUAL(sim_peer_state(client, 0, 0), STATUS_PEER_NO_ENDPOINT);
    CHECK_EQUAL(client->datagrams_sent, 0);
    const struct endpoint endpoint = sample_endpoint("192.0.2.2:51820");
    sim_set_endpoint(client, 0, 0, &endpoint);
    sim_run(sim, SIM_S / 10);
    office_expect(server, &sample, "10.0.0.1");
    CHECK(sim_is_undisturbed(client));
    sim_free(sim);
}

/* The first address is dead: what waits does not wait for the next repetition as well. */
static void g2_another_address_is_asked_at_once(void)
{
    struct chain chain;
    const struct chain_shape shape = {.depth = 2, .link_mtu_bytes = 1500};
    const struct endpoint dead = sample_endpoint("203.0.113.99:51820");
    chain_init(&chain, &shape);
    for (uint32_t tunnel = 0; tunnel < 2; tunnel++) {
        struct status_peer peer;
        status_read_peer(chain.client->engine, tunnel, 0, chain.sim->now, &peer);
        const struct endpoint right = peer.endpoint;
        sim_set_endpoint(chain.client, tunnel, 0, &dead);
        struct sample sample = office_sample("198.51.100.9", 60, 0);
        sample.source = "10.100.0.2";
        sim_send(chain.client, &sample);
        sim_run(chain.sim, SIM_S);
        sim_set_endpoint(chain.client, tunnel, 0, &right);
        sim_run(chain.sim, SIM_S / 5);
        CHECK_EQUAL(sim_peer_state(chain.client, tunnel, 0), STATUS_PEER_UP);
    }
    sim_forget_inbox(chain.exit);
    chain_wipe(&chain);
}

/* A5: roamed or resolved to where the carrier does not reach: told, not sent elsewhere. */
static void a5_an_endpoint_outside_the_carrier_is_unroutable(void)
{
    struct sim *sim = sim_new();
    struct sim_network network;
    sim_network_init(&network);
    sim_add_tunnel(&network, "outer", TUNNEL_NO_CARRIER, 1, "10.0.0.1");
    sim_add_peer(&network, 0, 2, "10.0.0.0/24", "192.0.2.2:51820");
    sim_add_tunnel(&network, "inner", 0, 3, "10.1.0.1");
    sim_add_peer(&network, 1, 4, "10.1.0.0/24", "10.0.0.9:51820");
    struct sim_host *client = sim_add_host(sim, "client", "192.0.2.1 2001:db8::1", &network, 1500);
    struct sample sample = office_sample("10.1.0.2", 60, 0);
    sample.source = "10.0.0.1";
    sim_send(client, &sample);
    static const char *const outside[] = {"10.9.0.1:51820", "[2001:db8::9]:51820"};
    for (size_t i = 0; i < 2; i++) {
        const struct endpoint endpoint = sample_endpoint(outside[i]);
        sim_set_endpoint(client, 1, 0, &endpoint);
        sim_run(sim, SIM_S);
        CHECK_EQUAL(sim_peer_state(client, 1, 0), STATUS_PEER_UNROUTABLE);
        uint64_t sent = client->datagrams_sent;
        sim_send(client, &sample);
        CHECK_EQUAL(sim_drops(client, VERDICT_UNROUTABLE), i + 1);
        CHECK_EQUAL(client->datagrams_sent, sent);
        struct engine_route route;
        const struct address destination = sample_address("10.1.0.2");
        engine_route(client->engine, &destination, &route);
        CHECK_EQUAL(route.verdict, VERDICT_UNROUTABLE);
        CHECK_EQUAL(route.tunnel, 1);
    }
    sim_forget_inbox(client);
    /* What waits gives up like any other. */
    sim_run(sim, 120 * SIM_S);
    CHECK_EQUAL(sim_drops(client, VERDICT_STAGE_EXPIRED), 2); /* and the carrier's initiation */
    sim_free(sim);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, the_client_roams_with_its_data);
    TAP_RUN(argc, argv, the_exit_roams);
    TAP_RUN(argc, argv, two_idle_peers_go_quiet);
    TAP_RUN(argc, argv, persistent_keepalive_is_silent_while_there_is_traffic);
    TAP_RUN(argc, argv, persistent_keepalive_connects_a_carried_tunnel);
    TAP_RUN(argc, argv, rekeys_after_120_s_under_traffic);
    TAP_RUN(argc, argv, h1_an_hour_of_sleep_costs_one_handshake_a_tunnel);
    TAP_RUN(argc, argv, both_ends_start_at_once);
    TAP_RUN(argc, argv, down_forgets_sessions_and_answers_nobody);
    TAP_RUN(argc, argv, a_changed_network_causes_one_handshake);
    TAP_RUN(argc, argv, a_name_is_waited_for);
    TAP_RUN(argc, argv, g2_another_address_is_asked_at_once);
    TAP_RUN(argc, argv, a5_an_endpoint_outside_the_carrier_is_unroutable);
    return tap_done();
}
