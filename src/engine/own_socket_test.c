/* SPDX-License-Identifier: MIT */
/* Datagrams of the program's own from inside a tunnel (RULES G1, C1, C4). */
#include "engine/own_socket.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "engine/lanes.h"
#include "packet/ip.h"
#include "simulation/living.h"

#define SERVER "10.20.0.53"

static uint8_t bytes[2000];

struct answers {
    unsigned count;
    struct endpoint source;
    size_t len;
    uint8_t bytes[2000];
};

static void keep(void *context, const struct endpoint *source, const uint8_t *answer, size_t len)
{
    struct answers *answers = context;
    answers->count++;
    answers->source = *source;
    answers->len = len;
    if (len)
        memcpy(answers->bytes, answer, len);
}

static int open_own(struct sim_host *host, uint32_t tunnel, struct answers *answers)
{
    return own_socket_open(engine_own_sockets(host->engine),
                           engine_tunnel_handle(host->engine, tunnel), keep, answers);
}

static struct endpoint server(const char *address)
{
    return (struct endpoint){.address = sample_address(address), .port = 53};
}

static enum verdict ask(struct office *office, int number, const char *address, size_t len)
{
    struct endpoint to = server(address);
    memset(bytes, 'q', len);
    return own_socket_send(engine_own_sockets(office->client->engine), number, &to, bytes, len);
}

/* The query as it left the office tunnel; the port that it came from. */
static uint16_t expect_query(struct office *office, size_t len)
{
    struct sim_packet *packet = sim_take(office->office);
    if (!CHECK(packet != NULL))
        return 0;
    CHECK(sample_is_between(packet->bytes, "10.9.0.2", SERVER));
    CHECK(sample_sums_are_right(packet->bytes, packet->len_bytes));
    CHECK_EQUAL(packet->len_bytes, IPV4_HEADER_BYTES + UDP_HEADER_BYTES + len);
    CHECK_EQUAL(load_be16(packet->bytes + 22), 53);
    CHECK(packet->bytes[28] == 'q');
    uint16_t port = load_be16(packet->bytes + 20);
    CHECK(port >= 61000);
    free(packet);
    return port;
}

static size_t write_answer(const char *source, uint16_t port)
{
    struct sample sample = {.source = source, .destination = "10.9.0.2", .source_port = 53,
                            .destination_port = port, .protocol = IP_PROTOCOL_UDP,
                            .len_bytes = 80, .may_fragment = true};
    return sample_write(&sample, bytes);
}

static void send_answer(struct office *office, size_t len)
{
    sim_send_bytes(office->office, bytes, len, NULL);
    sim_run(office->sim, SIM_S / 5);
    office_expect_nothing(office->client);
}

static void g1_a_query_travels_inside_and_its_answer_never_reaches_the_tun(void)
{
    struct office office;
    struct answers answers = {0};
    office_init_connected(&office);
    int own = open_own(office.client, OFFICE_OFFICE, &answers);
    CHECK(own >= 0);
    CHECK_EQUAL(ask(&office, own, SERVER, 40), VERDICT_OK);
    CHECK_EQUAL(engine_deadline(office.client->engine), 0);
    sim_run(office.sim, SIM_S / 5);
    uint16_t port = expect_query(&office, 40);
    send_answer(&office, write_answer(SERVER, port));
    CHECK_EQUAL(answers.count, 1);
    struct endpoint expected = server(SERVER);
    CHECK(endpoint_is_equal(&answers.source, &expected));
    CHECK_EQUAL(answers.len, 80 - IPV4_HEADER_BYTES - UDP_HEADER_BYTES);
    CHECK(memcmp(answers.bytes, bytes + 28, answers.len) == 0);
    CHECK(sim_is_undisturbed(office.client));

    own_socket_close(engine_own_sockets(office.client->engine), own);
    send_answer(&office, write_answer(SERVER, port));
    CHECK_EQUAL(answers.count, 1);
    CHECK_EQUAL(sim_drops(office.client, VERDICT_NOT_ASKED), 1);
    office_wipe(&office);
}

static void g1_a_query_waits_for_the_first_session(void)
{
    struct office office;
    struct answers answers = {0};
    office_init(&office);
    int own = open_own(office.client, OFFICE_OFFICE, &answers);
    CHECK_EQUAL(ask(&office, own, SERVER, 33), VERDICT_OK);
    sim_run(office.sim, 2 * SIM_S);
    expect_query(&office, 33);
    office_wipe(&office);
}

static void c4_only_what_the_tunnel_allows_reaches_the_socket(void)
{
    struct office office;
    struct answers answers = {0};
    office_init_connected(&office);
    int own = open_own(office.client, OFFICE_OFFICE, &answers);
    ask(&office, own, SERVER, 40);
    sim_run(office.sim, SIM_S / 5);
    uint16_t port = expect_query(&office, 40);
    send_answer(&office, write_answer("10.31.0.53", port));
    CHECK_EQUAL(sim_drops(office.client, VERDICT_SOURCE_NOT_ALLOWED), 1);

    size_t len = write_answer(SERVER, port);
    store_be16(bytes + 24, 81); /* longer than the packet */
    send_answer(&office, len);
    store_be16(bytes + 24, 7); /* shorter than its header */
    send_answer(&office, len);
    CHECK_EQUAL(sim_drops(office.client, VERDICT_MALFORMED), 2);

    sim_send_bytes(office.lab[0], bytes, write_answer("10.31.0.53", port), NULL);
    sim_run(office.sim, SIM_S / 5); /* another tunnel: no socket there, and not its address */
    CHECK_EQUAL(sim_drops(office.client, VERDICT_MISDIRECTED), 1);
    CHECK_EQUAL(answers.count, 0);
    office_expect_nothing(office.client);
    office_wipe(&office);
}

static void c1_an_application_may_not_use_the_port(void)
{
    struct office office;
    struct answers answers = {0};
    office_init_connected(&office);
    int own = open_own(office.client, OFFICE_OFFICE, &answers);
    ask(&office, own, SERVER, 40);
    sim_run(office.sim, SIM_S / 5);
    struct sample sample = office_sample("10.20.0.9", 100, 1);
    sample.source_port = expect_query(&office, 40);
    sim_send(office.client, &sample);
    sim_run(office.sim, SIM_S / 5);
    CHECK_EQUAL(sim_drops(office.client, VERDICT_PORT_TAKEN), 1);
    CHECK(sim_take(office.office) == NULL);
    office_wipe(&office);
}

static void what_cannot_be_sent_is_refused(void)
{
    struct office office;
    struct answers answers = {0};
    office_init_connected(&office);
    struct engine *engine = office.client->engine;
    int own = open_own(office.client, OFFICE_OFFICE, &answers);
    size_t most = engine_mtu(engine, OFFICE_OFFICE) - IPV4_HEADER_BYTES - UDP_HEADER_BYTES;
    CHECK_EQUAL(ask(&office, own, "fd20::53", 40), VERDICT_NO_ADDRESS); /* it is IPv4 only */
    CHECK_EQUAL(ask(&office, own, "10.21.0.53", 40), VERDICT_NO_PEER);
    CHECK_EQUAL(ask(&office, own, SERVER, most + 1), VERDICT_TOO_BIG);
    CHECK_EQUAL(ask(&office, own, SERVER, most), VERDICT_OK);
    sim_run(office.sim, SIM_S / 5);
    expect_query(&office, most);
    office_wipe(&office);
}

static void sockets_are_limited_and_closed_ones_are_taken_in_turn(void)
{
    struct office office;
    struct answers answers = {0};
    office_init(&office);
    struct engine *engine = office.client->engine;
    int numbers[OWN_SOCKETS];
    for (int i = 0; i < OWN_SOCKETS; i++)
        numbers[i] = open_own(office.client, OFFICE_OFFICE, &answers);
    CHECK_EQUAL(open_own(office.client, OFFICE_OFFICE, &answers), -1);
    own_socket_close(engine_own_sockets(engine), numbers[7]);
    own_socket_close(engine_own_sockets(engine), numbers[3]);
    for (int i = 3; i <= 7; i += 4) {
        int again = open_own(office.client, OFFICE_OFFICE, &answers);
        CHECK_EQUAL(again % OWN_SOCKETS, i);
        CHECK(again != numbers[i]); /* whose holder may not know yet */
    }
    office_wipe(&office);
}

static unsigned draws;

/* For a while always the same. */
static void draw(void *context, uint8_t *drawn, size_t len)
{
    (void)context;
    memset(drawn, draws++ < 8 ? 5 : (int)draws, len);
}

static void c1_a_tunnel_chooses_no_port_that_one_of_them_has(void)
{
    struct office office;
    struct answers answers = {0};
    office_init_connected(&office);
    struct core *core = &office.client->engine->core;
    struct own_sockets *sockets = engine_own_sockets(office.client->engine);
    const struct random_source *random = core->random;
    const struct random_source same = {.fill = draw};
    const struct tunnel_description any = {.listen_port = 0};
    const struct change choose = {.kind = CHANGE_TUNNEL_SET, .tunnel = "office",
                                  .fields = CHANGE_LISTEN_PORT, .description = &any};
    draws = 0;
    core->random = core->tree.random = &same;
    int own = open_own(office.client, OFFICE_ENTRY, &answers);
    living_apply_one(office.client, &choose);
    core->random = core->tree.random = random;
    CHECK(draws > 8); /* both drew the same, and one drew again */
    struct status_tunnel tunnel;
    status_read_tunnel(office.client->engine, OFFICE_OFFICE, &tunnel);
    CHECK(tunnel.listen_port >= 61000);
    CHECK(own >= 0 && sockets->items[own % OWN_SOCKETS].port != tunnel.listen_port);
    office_wipe(&office);
}

/* RULES G1: what asks inside a tunnel asks nowhere else, also where it has not heard yet that the
 * tunnel is gone, and another one has its number. */
static void g1_nothing_is_asked_inside_another_tunnel(void)
{
    struct office office;
    struct answers answers = {0};
    office_init_connected(&office);
    struct engine *engine = office.client->engine;
    struct own_sockets *sockets = engine_own_sockets(engine);
    int own = open_own(office.client, OFFICE_LAB, &answers);
    const struct tunnel_handle lab = engine_tunnel_handle(engine, OFFICE_LAB);
    const struct change remove = {.kind = CHANGE_TUNNEL_REMOVE, .tunnel = "lab"};
    living_apply_one(office.client, &remove);
    CHECK_EQUAL(open_own(office.client, OFFICE_LAB, &answers), -1);
    CHECK_EQUAL(open_own(office.client, 99, &answers), -1);
    CHECK_EQUAL(ask(&office, own, "10.31.0.53", 40), VERDICT_MOVED);
    own_socket_close(sockets, own);
    struct address address = sample_address("10.30.0.2");
    struct prefix allowed = living_prefix("10.31.0.0/16");
    struct peer_description peer = living_peer(13);
    peer.has_endpoint = true;
    peer.endpoint = sample_endpoint("203.0.113.3:51820");
    peer.allowed_ips = &allowed;
    peer.allowed_ips_count = 1;
    struct tunnel_description other = {.name = "other", .addresses = &address,
                                       .address_count = 1, .peers = &peer, .peer_count = 1,
                                       .routes_are_default = true};
    sim_private_key(3, other.private_key);
    const struct change add = {.kind = CHANGE_TUNNEL_ADD, .tunnel = "other", .carrier = "entry",
                               .description = &other};
    living_apply_one(office.client, &add);
    CHECK_EQUAL(engine_find_tunnel(engine, "other"), OFFICE_LAB);
    CHECK_EQUAL(own_socket_open(sockets, lab, keep, &answers), -1);
    for (int i = 0; i < OWN_SOCKETS; i++)
        CHECK(open_own(office.client, OFFICE_LAB, &answers) >= 0);
    CHECK_EQUAL(ask(&office, own, "10.31.0.53", 40), VERDICT_MOVED);
    own_socket_close(sockets, own); /* is none of the new ones */
    CHECK_EQUAL(open_own(office.client, OFFICE_LAB, &answers), -1);
    sim_run(office.sim, SIM_S);
    office_expect_nothing(office.lab[0]);
    office_wipe(&office);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, g1_a_query_travels_inside_and_its_answer_never_reaches_the_tun);
    TAP_RUN(argc, argv, g1_a_query_waits_for_the_first_session);
    TAP_RUN(argc, argv, c4_only_what_the_tunnel_allows_reaches_the_socket);
    TAP_RUN(argc, argv, c1_an_application_may_not_use_the_port);
    TAP_RUN(argc, argv, c1_a_tunnel_chooses_no_port_that_one_of_them_has);
    TAP_RUN(argc, argv, what_cannot_be_sent_is_refused);
    TAP_RUN(argc, argv, g1_nothing_is_asked_inside_another_tunnel);
    TAP_RUN(argc, argv, sockets_are_limited_and_closed_ones_are_taken_in_turn);
    return tap_done();
}
