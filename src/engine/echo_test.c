/* SPDX-License-Identifier: MIT */
/* Whether a peer takes what it is sent: asked by the program itself, answered to it alone. */
#include "engine/echo.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "engine/engine.h"
#include "simulation/office.h"

#define INSIDE "10.20.0.1"

static uint8_t answer[2000];

static struct peer_handle first_peer(const struct engine *engine, uint32_t tunnel)
{
    return engine_peer_handle(engine, tunnel, (uint32_t)engine_next_peer(engine, tunnel, -1));
}

static enum verdict ask(struct office *office, uint32_t tunnel, const char *to, uint8_t hops,
                        uint32_t *number)
{
    struct engine *engine = office->client->engine;
    const struct echo_request request = {
        .peer = first_peer(engine, tunnel),
        .to = sample_address(to),
        .hops = hops};
    return echo_send(engine_echoes(engine), &request, office->sim->now, number);
}

static const struct echo *find(struct office *office, uint32_t number)
{
    return echo_find(engine_echoes(office->client->engine), number);
}

/* What came out there, of `header` bytes of IP and the message. */
static void take_request(struct sim_host *host, const char *from, const char *to, uint8_t *request,
                         size_t header)
{
    struct sim_packet *packet = sim_take(host);
    if (!CHECK(packet != NULL))
        return;
    CHECK(sample_is_between(packet->bytes, from, to));
    CHECK(sample_sums_are_right(packet->bytes, packet->len_bytes));
    CHECK_EQUAL(packet->len_bytes, header + 8);
    memcpy(request, packet->bytes, packet->len_bytes);
    free(packet);
}

static void send_back(struct office *office, struct sim_host *host, size_t len)
{
    sim_send_bytes(host, answer, len, NULL);
    sim_run(office->sim, SIM_S / 5);
    office_expect_nothing(office->client);
}

static void a_reply_is_kept_with_its_round_trip(void)
{
    struct office office;
    uint32_t number = 0;
    office_init_connected(&office);
    CHECK_EQUAL(ask(&office, OFFICE_OFFICE, INSIDE, 64, &number), VERDICT_OK);
    CHECK_EQUAL(engine_deadline(office.client->engine), 0);
    instant_ns sent = office.sim->now;
    sim_run(office.sim, SIM_S / 5);
    take_request(office.office, "10.9.0.2", INSIDE, answer, 20);
    CHECK_EQUAL(answer[8], 64);
    CHECK_EQUAL(find(&office, number)->answered, 0);
    sample_turn_around(answer);
    answer[20] = 0; /* an echo reply */
    sample_seal(answer, 28);
    send_back(&office, office.office, 28);
    const struct echo *echo = find(&office, number);
    CHECK(echo->answered > sent);
    CHECK(echo->words == NULL);
    struct address expected = sample_address(INSIDE);
    CHECK(address_is_equal(&echo->from, &expected));
    CHECK(sim_is_undisturbed(office.client));
    office_wipe(&office);
}

/* The relay's own address is in nobody's AllowedIPs. */
static void an_error_that_quotes_it_is_an_answer_whoever_sends_it(void)
{
    struct office office;
    uint32_t number = 0, other = 0;
    uint8_t request[64];
    office_init_connected(&office);
    CHECK_EQUAL(ask(&office, OFFICE_OFFICE, INSIDE, 1, &number), VERDICT_OK);
    CHECK_EQUAL(ask(&office, OFFICE_OFFICE, INSIDE, 1, &other), VERDICT_OK);
    CHECK(number != other);
    sim_run(office.sim, SIM_S / 5);
    take_request(office.office, "10.9.0.2", INSIDE, request, 20);
    CHECK_EQUAL(request[8], 1);
    size_t len = sample_write_error("10.9.0.1", "10.9.0.2", 11, 0, 0, request, 28, answer);
    send_back(&office, office.office, len);
    const struct echo *echo = find(&office, number);
    CHECK(echo->answered != 0);
    CHECK(echo->is_out_of_hops);
    CHECK_TEXT(echo->words, "TTL exceeded");
    CHECK_EQUAL(find(&office, other)->answered, 0);
    CHECK(sim_is_undisturbed(office.client));
    sim_forget_inbox(office.office);
    office_wipe(&office);
}

static void over_ipv6_too(void)
{
    struct office office;
    uint32_t number = 0;
    office_init_connected(&office);
    CHECK_EQUAL(ask(&office, OFFICE_LAB, "fd31::7", 9, &number), VERDICT_OK);
    sim_run(office.sim, SIM_S / 5);
    take_request(office.lab[0], "fd30::2", "fd31::7", answer, 40);
    CHECK_EQUAL(answer[7], 9);
    sample_turn_around(answer);
    answer[40] = 129;
    sample_seal(answer, 48);
    send_back(&office, office.lab[0], 48);
    CHECK(find(&office, number)->answered != 0);
    office_wipe(&office);
}

static void c4_what_is_no_answer_goes_its_ordinary_way(void)
{
    struct office office;
    uint32_t number = 0;
    uint8_t request[64];
    office_init_connected(&office);
    CHECK_EQUAL(ask(&office, OFFICE_OFFICE, INSIDE, 64, &number), VERDICT_OK);
    sim_run(office.sim, SIM_S / 5);
    take_request(office.office, "10.9.0.2", INSIDE, request, 20);
    sample_turn_around(request);
    request[20] = 0;
    for (unsigned at = 25; at <= 27; at += 2) { /* another's id, another number */
        memcpy(answer, request, 28);
        answer[at] ^= 1;
        sample_seal(answer, 28);
        sim_send_bytes(office.office, answer, 28, NULL);
        sim_run(office.sim, SIM_S / 5);
        struct sim_packet *packet = sim_take(office.client);
        CHECK(packet != NULL);
        free(packet);
    }
    /* Nor is the right one, from another tunnel's peer. */
    memcpy(answer, request, 28);
    sample_seal(answer, 28);
    sim_send_bytes(office.home, answer, 28, NULL);
    sim_run(office.sim, SIM_S / 5);
    CHECK_EQUAL(find(&office, number)->answered, 0);
    sim_forget_inbox(office.client);
    office_wipe(&office);
}

static void what_cannot_be_sent_is_refused(void)
{
    struct office office;
    uint32_t number = 0;
    office_init_connected(&office);
    struct engine *engine = office.client->engine;
    CHECK_EQUAL(ask(&office, OFFICE_OFFICE, "fd20::1", 64, &number), VERDICT_NO_ADDRESS);
    CHECK_EQUAL(ask(&office, OFFICE_OFFICE, "10.21.0.1", 64, &number), VERDICT_NO_PEER);
    /* That is its other peer's. */
    CHECK_EQUAL(ask(&office, OFFICE_LAB, "10.31.5.1", 64, &number), VERDICT_NO_PEER);
    const struct echo_request nobody = {.peer = {.tunnel = 77}, .to = sample_address(INSIDE)};
    CHECK_EQUAL(echo_send(engine_echoes(engine), &nobody, 0, &number), VERDICT_MOVED);
    CHECK_EQUAL(number, 0);
    CHECK(echo_find(engine_echoes(engine), 0) == NULL);
    office_wipe(&office);
}

/* It begins the handshakes of all hops, and what the peer sent is known from a handshake. */
static void one_to_an_idle_network_begins_its_handshakes(void)
{
    struct office office;
    struct status_peer peer;
    uint32_t number = 0;
    office_init(&office);
    office.sim->link.delay_ns = 20 * NS_PER_MS;
    struct engine *engine = office.client->engine;
    CHECK_EQUAL(ask(&office, OFFICE_OFFICE, INSIDE, 64, &number), VERDICT_OK);
    sim_run(office.sim, SIM_S);
    take_request(office.office, "10.9.0.2", INSIDE, answer, 20);
    uint32_t at = (uint32_t)engine_next_peer(engine, OFFICE_OFFICE, -1);
    status_read_peer(engine, OFFICE_OFFICE, at, office.sim->now, &peer);
    CHECK_EQUAL(peer.state, STATUS_PEER_UP);
    CHECK_EQUAL(peer.last_data, 0);
    /* Its own: without the wait for its carrier's. */
    CHECK(peer.handshake_rtt_ns >= 80 * NS_PER_MS && peer.handshake_rtt_ns < 90 * NS_PER_MS);
    status_read_peer(engine, OFFICE_ENTRY, 0, office.sim->now, &peer);
    CHECK(peer.handshake_rtt_ns >= 40 * NS_PER_MS && peer.handshake_rtt_ns < 50 * NS_PER_MS);
    CHECK(peer.last_data != 0);
    sample_turn_around(answer);
    answer[20] = 0;
    sample_seal(answer, 28);
    send_back(&office, office.office, 28);
    status_read_peer(engine, OFFICE_OFFICE, at, office.sim->now, &peer);
    CHECK(peer.last_data != 0);
    office_wipe(&office);
}

/* Each leg is 50 ms long: the carrier's handshake, the tunnel's, and half of the first round trip
 * through both; 2.5 round trips of each hop in all. */
static void the_first_packet_arrives_after_no_more_than_two_handshakes(void)
{
    struct office office;
    uint32_t number = 0;
    office_init(&office);
    office.sim->link.delay_ns = 50 * NS_PER_MS;
    CHECK_EQUAL(ask(&office, OFFICE_OFFICE, INSIDE, 64, &number), VERDICT_OK);
    sim_run(office.sim, (100 + 200 + 100) * NS_PER_MS);
    take_request(office.office, "10.9.0.2", INSIDE, answer, 20);
    office_wipe(&office);
}

/* As soon as one may, and no second one in between. */
static void a_handshake_that_is_asked_for_begins_when_it_may(void)
{
    struct office office;
    office_init_connected(&office);
    struct engine *engine = office.client->engine;
    uint64_t before = office.client->sent_of_type[1];
    sim_run(office.sim, 6 * SIM_S);
    for (int i = 0; i < 3; i++) {
        engine_initiate(engine, first_peer(engine, OFFICE_HOME), office.sim->now);
        sim_run(office.sim, SIM_S / 10);
    }
    CHECK_EQUAL(office.client->sent_of_type[1], before + 1);
    sim_run(office.sim, 6 * SIM_S);
    CHECK_EQUAL(office.client->sent_of_type[1], before + 2);
    engine_initiate(engine, (struct peer_handle){.tunnel = 77}, office.sim->now);
    office_wipe(&office);
}

/* Of an end whose preshared key is another one. */
static void an_answer_that_does_not_fit_is_counted(void)
{
    struct sim *sim = sim_new();
    struct sim_network network;
    struct status_peer peer;
    sim_network_init(&network);
    sim_add_tunnel(&network, "one", TUNNEL_NO_CARRIER, 1, "10.64.0.2");
    sim_add_peer(&network, 0, 2, "0.0.0.0/0", "203.0.113.1:51820");
    struct sim_host *client = sim_add_host(sim, "client", "192.0.2.1", &network, 1500);
    sim_network_init(&network);
    sim_add_tunnel(&network, "other", TUNNEL_NO_CARRIER, 2, "10.64.0.1");
    sim_add_peer(&network, 0, 1, "10.64.0.2/32", NULL)->preshared_key[3] = 7;
    sim_add_host(sim, "other", "203.0.113.1", &network, 1500);
    engine_initiate(client->engine, first_peer(client->engine, 0), sim->now);
    sim_run(sim, SIM_S);
    status_read_peer(client->engine, 0, 0, sim->now, &peer);
    CHECK_EQUAL(peer.misfits, 1);
    CHECK_EQUAL(peer.handshake_rtt_ns, 0);
    CHECK(!peer.has_session);
    sim_free(sim);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, a_reply_is_kept_with_its_round_trip);
    TAP_RUN(argc, argv, an_error_that_quotes_it_is_an_answer_whoever_sends_it);
    TAP_RUN(argc, argv, over_ipv6_too);
    TAP_RUN(argc, argv, c4_what_is_no_answer_goes_its_ordinary_way);
    TAP_RUN(argc, argv, what_cannot_be_sent_is_refused);
    TAP_RUN(argc, argv, one_to_an_idle_network_begins_its_handshakes);
    TAP_RUN(argc, argv, the_first_packet_arrives_after_no_more_than_two_handshakes);
    TAP_RUN(argc, argv, a_handshake_that_is_asked_for_begins_when_it_may);
    TAP_RUN(argc, argv, an_answer_that_does_not_fit_is_counted);
    return tap_done();
}
