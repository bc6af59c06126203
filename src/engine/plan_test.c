/* SPDX-License-Identifier: MIT */
/* What a packet from the TUN meets: the tunnel, the peer, the address, or a refusal aloud. */
#include <stdlib.h>

#include "base/bytes.h"
#include "simulation/office.h"
#include "wireguard/message.h"

enum { UNREACHABLE4 = 3, UNREACHABLE6 = 1, TOO_BIG6 = 2 };

static void settle(struct office *office)
{
    sim_run(office->sim, SIM_S / 5);
}

/* A2: the carried tunnel's prefixes leave its carrier's default; B2, B3: each source by its
 * tunnel. */
static void a2_each_destination_takes_its_tunnel(void)
{
    struct office office;
    office_init_connected(&office);
    const struct {
        const char *destination, *source;
        struct sim_host *host;
    } cases[] = {
        {"9.9.9.9", OFFICE_CLIENT4, office.entry},  {"2620:fe::9", OFFICE_CLIENT6, office.entry},
        {"10.20.7.7", "10.9.0.2", office.office},   {"10.31.4.1", "10.30.0.2", office.lab[0]},
        {"fd31::1", "fd30::2", office.lab[0]},      {"10.31.5.9", "10.30.0.2", office.lab[1]},
        {"192.168.3.4", "172.16.0.2", office.home}, {"10.21.0.1", OFFICE_CLIENT4, office.entry},
        {"10.9.0.1", OFFICE_CLIENT4, office.entry},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct sample sample = office_sample(cases[i].destination, 200, (uint32_t)i);
        sim_send(office.client, &sample);
        settle(&office);
        office_expect(cases[i].host, &sample, cases[i].source);
    }
    CHECK(sim_is_undisturbed(office.client));
    office_wipe(&office);
}

/* The one answer in the client's inbox: from the refused packet's destination (D1), quoting it as
 * it was sent (D4). Returns the second word of the ICMP header. */
static uint32_t expect_error(struct office *office, const struct sample *refused, uint8_t type,
                             uint8_t code)
{
    static uint8_t bytes[SAMPLE_MOST_BYTES];
    size_t len = sample_write(refused, bytes);
    struct sim_packet *error = sim_take(office->client);
    office_expect_nothing(office->client);
    if (!CHECK(error != NULL))
        return 0;
    bool is_ipv6 = sample_address(refused->source).family == FAMILY_IPV6;
    size_t at = is_ipv6 ? 40 : 20, most = is_ipv6 ? 1280 : 576;
    CHECK(sample_is_between(error->bytes, refused->destination, refused->source));
    CHECK_EQUAL(is_ipv6 ? error->bytes[6] : error->bytes[9], is_ipv6 ? 58 : 1);
    CHECK_EQUAL(error->bytes[at], type);
    CHECK_EQUAL(error->bytes[at + 1], code);
    CHECK(error->len_bytes <= most);
    CHECK_EQUAL(error->len_bytes, at + 8 + len < most ? at + 8 + len : most);
    CHECK_BYTES(error->bytes + at + 8, bytes, error->len_bytes - at - 8);
    CHECK(sample_sums_are_right(error->bytes, error->len_bytes));
    uint32_t rest = load_be32(error->bytes + at + 4);
    free(error);
    return rest;
}

static void refuse(struct office *office, const struct sample *sample, enum verdict verdict,
                   uint8_t type, uint8_t code)
{
    uint64_t before = sim_drops(office->client, verdict), sent = office->client->datagrams_sent;
    sim_send(office->client, sample);
    CHECK_EQUAL(sim_drops(office->client, verdict), before + 1);
    CHECK_EQUAL(office->client->datagrams_sent, sent);
    if (type)
        expect_error(office, sample, type, code);
    else
        office_expect_nothing(office->client);
}

static void a4_routed_but_in_no_peer(void)
{
    struct office office;
    office_init_connected(&office);
    const struct sample sample = office_sample("172.20.0.5", 100, 0);
    refuse(&office, &sample, VERDICT_NO_PEER, UNREACHABLE4, 1);
    office_wipe(&office);
}

static void a7_no_address_of_the_family_is_refused_not_leaked(void)
{
    struct office office;
    office_init_connected(&office);
    const struct sample sample = office_sample("fd20::5", 100, 0);
    refuse(&office, &sample, VERDICT_NO_ADDRESS, UNREACHABLE6, 0);
    office_wipe(&office);
}

static void a7_no_route_and_no_endpoint(void)
{
    struct sim *sim = sim_new();
    struct sim_network network;
    sim_network_init(&network);
    sim_add_tunnel(&network, "t", TUNNEL_NO_CARRIER, 1, "10.0.0.2");
    sim_add_peer(&network, 0, 2, "10.1.0.0/16", NULL);
    struct office office = {.sim = sim};
    office.client = sim_add_host(sim, "client", "192.0.2.1", &network, 1500);
    struct sample sample = office_sample("11.0.0.1", 60, 0);
    sample.source = "10.0.0.2";
    refuse(&office, &sample, VERDICT_NO_ROUTE, UNREACHABLE4, 0);
    sample.destination = "10.1.0.1";
    refuse(&office, &sample, VERDICT_NO_ENDPOINT, UNREACHABLE4, 1);
    sim_free(sim);
}

/* RULES F1: what a rule of somebody's sends here although it never leaves a host goes nowhere.
 * Nobody is told: the kernel would drop an answer from there. */
static void f1_destinations_of_this_host_never_enter_a_tunnel(void)
{
    static const char *const destinations[] = {
        "127.0.0.1", "127.255.255.254", "127.0.0.53", "0.0.0.0", "0.1.2.3", OFFICE_CLIENT4,
        "::1", "::", "::ffff:127.0.0.1", "::ffff:198.51.100.1", OFFICE_CLIENT6,
    };
    struct office office;
    office_init_connected(&office);
    uint64_t sent = office.client->datagrams_sent;
    for (size_t i = 0; i < sizeof(destinations) / sizeof(destinations[0]); i++) {
        bool is_ipv6 = strchr(destinations[i], ':');
        struct engine_route route;
        struct sample sample = office_sample(destinations[i], 100, 0);
        const struct address to = sample_address(destinations[i]);
        sample.source = is_ipv6 ? OFFICE_CLIENT6 : OFFICE_CLIENT4;
        uint64_t before = sim_drops(office.client, VERDICT_SCOPE);
        engine_route(office.client->engine, &to, &route);
        sim_send(office.client, &sample);
        CHECK_EQUAL(sim_drops(office.client, VERDICT_SCOPE), before + 1);
        CHECK_EQUAL(route.verdict, VERDICT_SCOPE);
        CHECK_EQUAL(office.client->inbox_count, 0);
    }
    settle(&office);
    CHECK_EQUAL(office.client->datagrams_sent, sent);
    struct sample sample = office_sample("128.0.0.1", 100, 0); /* the neighbours are anybody's */
    sim_send(office.client, &sample);
    sample.destination = "1.0.0.1";
    sim_send(office.client, &sample);
    sample.destination = "10.9.0.2"; /* what the office calls us, and only the office (NAT) */
    sim_send(office.client, &sample);
    settle(&office);
    CHECK_EQUAL(office.entry->inbox_count, 3);
    office_wipe(&office);
}

/* The same of what only the host knows to be its own, until it is no more; by prefixes too. */
static void f1_what_the_host_says_is_its_own_enters_no_tunnel(void)
{
    static const char *const places[] = {"198.18.5.5", "10.20.7.7", "198.18.77.3", "2620:fe::9"};
    struct office office;
    office_init_connected(&office);
    struct engine *engine = office.client->engine;
    struct prefix own[] = {prefix_host(&(struct address){0}), prefix_host(&(struct address){0}),
                           {0}, prefix_host(&(struct address){0})};
    for (size_t i = 0; i < 4; i++) {
        const struct address place = sample_address(places[i]);
        own[i] = prefix_host(&place);
    }
    own[2].len_bits = 24;
    own[2].address.bytes[3] = 0;
    const struct { size_t count; enum verdict verdict; } told[] = {
        {4, VERDICT_SCOPE}, {0, VERDICT_OK}, {4, VERDICT_SCOPE}};
    for (size_t t = 0; t < sizeof(told) / sizeof(*told); t++) {
        CHECK(engine_set_host(engine, own, told[t].count));
        uint64_t sent = office.client->datagrams_sent;
        for (size_t i = 0; i < 4; i++) {
            struct engine_route route;
            const struct address to = sample_address(places[i]);
            const struct sample sample = office_sample(places[i], 100, 0);
            engine_route(engine, &to, &route);
            CHECK_EQUAL(route.verdict, told[t].verdict);
            sim_send(office.client, &sample);
        }
        settle(&office);
        CHECK_EQUAL(office.client->datagrams_sent - sent >= 4, told[t].verdict == VERDICT_OK);
        const struct sample other = office_sample("198.18.6.6", 100, 0);
        sent = office.client->datagrams_sent;
        sim_send(office.client, &other);
        settle(&office);
        CHECK(office.client->datagrams_sent > sent);
    }
    office_wipe(&office);
}

/* A tunnel without any route there says the same, and one that has exactly that prefix. */
static void f1_routes_of_ones_own_change_nothing(void)
{
    struct sim *sim = sim_new();
    struct sim_network network;
    sim_network_init(&network);
    sim_add_tunnel(&network, "t", TUNNEL_NO_CARRIER, 1, "10.0.0.2 fd00::2");
    sim_add_peer(&network, 0, 2, "127.0.0.0/8 10.0.0.0/24 ::1/128", "192.0.2.9:51820");
    sim_add_tunnel(&network, "nat", 0, 3, "10.5.0.2 fd05::2");
    sim_add_peer(&network, 1, 4, "10.5.0.0/16 fd05::/32", "10.0.0.9:51820");
    struct office office = {.sim = sim};
    office.client = sim_add_host(sim, "client", "192.0.2.1", &network, 1500);
    static const char *const destinations[] = {"127.0.0.1", "10.0.0.2", "0.0.0.0",  "::1",
                                               "fd00::2",   "10.5.0.2", "fd05::2"};
    for (unsigned i = 0; i < 7; i++) {
        struct sample sample = office_sample(destinations[i], 60, i);
        sample.source = strchr(destinations[i], ':') ? "fd00::2" : "10.0.0.2";
        sim_send(office.client, &sample);
        CHECK_EQUAL(sim_drops(office.client, VERDICT_SCOPE), i + 1);
    }
    CHECK_EQUAL(office.client->datagrams_sent, 0);
    sim_free(sim);
}

/* A tunnel that is down stages, and nothing of it leaves elsewhere. */
static void a7_without_a_session_nothing_but_handshakes_leaves(void)
{
    struct office office;
    office_init(&office);
    for (uint32_t i = 0; i < 20; i++) {
        const struct sample sample = office_sample(i % 2 ? "10.20.0.1" : "9.9.9.9", 100, i);
        sim_send(office.client, &sample);
    }
    CHECK_EQUAL(office.client->datagrams_sent, office.client->sent_of_type[MESSAGE_INITIATION]);
    CHECK_EQUAL(office.client->datagrams_sent, 1);
    office_wipe(&office);
}

/* TRAPS 10 */
static void b2_a_source_that_is_not_the_interfaces_is_refused(void)
{
    static const char *const sources[] = {"192.168.1.77", "10.9.0.2", "10.30.0.2", "172.16.0.2"};
    struct office office;
    office_init_connected(&office);
    for (size_t i = 0; i < 4; i++) {
        struct sample sample = office_sample("10.20.0.1", 100, 0);
        sample.source = sources[i];
        refuse(&office, &sample, VERDICT_NAT_SOURCE, UNREACHABLE4, 13);
    }
    struct sample sample = office_sample("fd31::1", 100, 0);
    sample.source = "fd00::77";
    refuse(&office, &sample, VERDICT_NAT_SOURCE, UNREACHABLE6, 5);
    office_wipe(&office);
}

static void b3_nat_off_passes_sources_but_another_tunnels(void)
{
    struct office office;
    office_init_connected(&office);
    struct sample sample = office_sample("9.9.9.9", 100, 7);
    sample.source = "198.18.0.7"; /* a host behind the client, which entry allows */
    sim_send(office.client, &sample);
    settle(&office);
    office_expect(office.entry, &sample, "198.18.0.7");
    sample.source = "172.16.0.2"; /* home's */
    refuse(&office, &sample, VERDICT_NAT_SOURCE, UNREACHABLE4, 13);
    office_wipe(&office);
}

/* TRAPS 13: only what would leave as the carried tunnel's own socket is refused. */
static void c1_a_carried_tunnels_port_is_taken(void)
{
    struct office office;
    office_init_connected(&office);
    struct sample sample = office_sample("203.0.113.2", 100, 0);
    sample.source_port = OFFICE_PORT;
    sample.destination_port = 51820;
    refuse(&office, &sample, VERDICT_PORT_TAKEN, UNREACHABLE4, 13);
    sample.destination = "9.9.9.9";
    refuse(&office, &sample, VERDICT_PORT_TAKEN, UNREACHABLE4, 13);

    sample.source_port = 51820;
    sample.destination_port = OFFICE_PORT;
    sim_send(office.client, &sample);
    sample.source_port = OFFICE_PORT;
    sample.protocol = IP_PROTOCOL_TCP;
    sim_send(office.client, &sample);
    sample.protocol = IP_PROTOCOL_UDP;
    sample.source = "198.18.0.7";
    sim_send(office.client, &sample);
    settle(&office);
    CHECK_EQUAL(office.entry->inbox_count, 3);
    office_wipe(&office);
}

/* TRAPS 15 */
static void d1_d4_too_big_quotes_the_packet_before_nat(void)
{
    struct office office;
    office_init_connected(&office);
    struct sample sample = office_sample("10.20.0.1", 1381, 5);
    refuse(&office, &sample, VERDICT_TOO_BIG, UNREACHABLE4, 4);
    sim_send(office.client, &sample);
    CHECK_EQUAL(expect_error(&office, &sample, UNREACHABLE4, 4), 1500 - 60 - 60);
    sample.len_bytes = 1380;
    sim_send(office.client, &sample);
    settle(&office);
    office_expect(office.office, &sample, "10.9.0.2");

    sample = office_sample("fd31::1", 1400, 6);
    sim_send(office.client, &sample);
    CHECK_EQUAL(expect_error(&office, &sample, TOO_BIG6, 0), 1380);
    office_wipe(&office);
}

static void d2_never_about_errors_fragments_or_multicast(void)
{
    static uint8_t quoted[100], bytes[1500];
    struct office office;
    office_init_connected(&office);
    struct sample sample = office_sample("172.20.0.5", 60, 0);
    struct sample inner = office_sample("10.64.0.2", 60, 0);
    inner.source = "172.20.0.5";
    size_t len = sample_write_error(OFFICE_CLIENT4, "172.20.0.5", 3, 1, 0, quoted,
                                    sample_write(&inner, quoted), bytes);
    sim_send_bytes(office.client, bytes, len, NULL);
    CHECK_EQUAL(sim_drops(office.client, VERDICT_NO_PEER), 1);
    len = sample_write(&sample, bytes);
    store_be16(bytes + 6, 100); /* a later fragment */
    sim_send_bytes(office.client, bytes, len, NULL);
    CHECK_EQUAL(sim_drops(office.client, VERDICT_NO_PEER), 2);
    static const char *const silent[] = {"224.0.0.251", "255.255.255.255", "169.254.1.1",
                                         "ff02::fb", "fe80::1"};
    for (size_t i = 0; i < 5; i++) {
        sample = office_sample(silent[i], 80, 0);
        refuse(&office, &sample, VERDICT_SCOPE, 0, 0);
    }
    office_expect_nothing(office.client);
    office_wipe(&office);
}

static void c6_redirects_do_not_enter_a_tunnel(void)
{
    static uint8_t quoted[100], bytes[1500];
    struct office office;
    office_init_connected(&office);
    for (unsigned is_ipv6 = 0; is_ipv6 < 2; is_ipv6++) {
        const char *client = is_ipv6 ? OFFICE_CLIENT6 : OFFICE_CLIENT4;
        for (unsigned i = 0; i < 2; i++) { /* with NAT and without */
            const char *place = is_ipv6 ? (i ? "fd31::1" : "2620:fe::9")
                                        : (i ? "10.31.0.1" : "9.9.9.9");
            struct sample inner = office_sample(client, 60, 0);
            inner.source = place;
            size_t len = sample_write_error(client, place, is_ipv6 ? 137 : 5, 1, 0, quoted,
                                            sample_write(&inner, quoted), bytes);
            sim_send_bytes(office.client, bytes, len, NULL);
            CHECK_EQUAL(sim_drops(office.client, VERDICT_REDIRECT), 2 * is_ipv6 + i + 1);
        }
    }
    settle(&office);
    office_expect_nothing(office.client);
    office_expect_nothing(office.entry);
    office_expect_nothing(office.lab[0]);
    office_wipe(&office);
}

static void d3_errors_have_buckets_of_their_own(void)
{
    struct office office;
    office_init_connected(&office);
    const struct sample big = office_sample("10.20.0.1", 1400, 0);
    for (unsigned i = 0; i < 1000; i++)
        sim_send(office.client, &big);
    CHECK(office.client->inbox_count >= 100 && office.client->inbox_count < 500);
    CHECK_EQUAL(sim_drops(office.client, VERDICT_TOO_BIG), 1000);
    sim_forget_inbox(office.client);
    struct sample alien = office_sample("10.20.0.1", 100, 0);
    alien.source = "192.168.1.77";
    refuse(&office, &alien, VERDICT_NAT_SOURCE, UNREACHABLE4, 13);
    sim_run(office.sim, 2 * SIM_S);
    refuse(&office, &big, VERDICT_TOO_BIG, UNREACHABLE4, 4);
    office_wipe(&office);
}

/* Without DF: cut after NAT, and whole again when the pieces are put together. */
static void d5_ipv4_without_df_is_fragmented(void)
{
    static uint8_t expected[2000], whole[2000];
    struct office office;
    office_init_connected(&office);
    struct sample sample = office_sample("10.20.0.1", 1499, 9);
    sample.may_fragment = true;
    sim_send(office.client, &sample);
    settle(&office);
    CHECK_EQUAL(office.office->inbox_count, 2);
    size_t len = 20;
    for (struct sim_packet *packet; (packet = sim_take(office.office)); free(packet)) {
        size_t at = 20 + (size_t)(load_be16(packet->bytes + 6) & 0x1fff) * 8;
        CHECK(packet->len_bytes <= 1380 && at + packet->len_bytes - 20 <= 1499);
        CHECK_EQUAL(load_be16(packet->bytes + 6) >> 13, at == 20 ? 1 : 0);
        CHECK(sample_is_between(packet->bytes, "10.9.0.2", "10.20.0.1"));
        memcpy(whole + at, packet->bytes + 20, packet->len_bytes - 20);
        len += packet->len_bytes - 20;
    }
    sample.source = "10.9.0.2";
    CHECK_EQUAL(len, sample_write(&sample, expected));
    CHECK_BYTES(whole + 20, expected + 20, len - 20);
    CHECK(sim_is_undisturbed(office.client));
    office_wipe(&office);
}

static void e4_a_narrow_path_carries_no_ipv6(void)
{
    struct office office;
    office_init_connected(&office);
    engine_set_root_mtu(office.client->engine, OFFICE_ENTRY, 1339);
    CHECK_EQUAL(engine_mtu(office.client->engine, OFFICE_LAB), 1279);
    struct sample sample = office_sample("fd31::1", 100, 0);
    refuse(&office, &sample, VERDICT_NARROW_PATH, UNREACHABLE6, 0);
    sample = office_sample("10.31.0.1", 100, 0);
    sim_send(office.client, &sample);
    settle(&office);
    office_expect(office.lab[0], &sample, "10.30.0.2");
    /* An MTU that is not known, or absurd, is never told to anybody. */
    engine_set_root_mtu(office.client->engine, OFFICE_ENTRY, 0);
    refuse(&office, &sample, VERDICT_NO_MTU, UNREACHABLE4, 0);
    engine_set_root_mtu(office.client->engine, OFFICE_ENTRY, 1340);
    sample = office_sample("fd31::1", 100, 0);
    sim_send(office.client, &sample);
    settle(&office);
    office_expect(office.lab[0], &sample, "fd30::2");
    office_wipe(&office);
}

static uint16_t mss_of(const struct sim_packet *packet)
{
    size_t at = packet->bytes[0] >> 4 == 6 ? 40 : 20;
    return packet->bytes[at + 20] == 2 ? load_be16(packet->bytes + at + 22) : 0;
}

static void c8_the_mss_is_lowered_both_ways(void)
{
    struct office office;
    office_init_connected(&office);
    for (unsigned i = 0; i < 4; i++) {
        struct sample sample = office_sample(i % 2 ? "fd31::1" : "10.31.0.1", 64, 0);
        sample.protocol = IP_PROTOCOL_TCP;
        sample.tcp_flags = 0x02;
        sample.mss = 1460;
        struct sim_host *from = office.client, *to = office.lab[0];
        if (i / 2) {
            sample.tcp_flags = 0x12;
            sample.source = sample.destination;
            sample.destination = i % 2 ? "fd30::2" : "10.30.0.2";
            from = office.lab[0];
            to = office.client;
        }
        sim_send(from, &sample);
        settle(&office);
        struct sim_packet *packet = sim_take(to);
        if (CHECK(packet != NULL))
            CHECK_EQUAL(mss_of(packet), 1380 - (i % 2 ? 60 : 40));
        free(packet);
    }
    office_wipe(&office);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, a2_each_destination_takes_its_tunnel);
    TAP_RUN(argc, argv, a4_routed_but_in_no_peer);
    TAP_RUN(argc, argv, a7_no_address_of_the_family_is_refused_not_leaked);
    TAP_RUN(argc, argv, a7_no_route_and_no_endpoint);
    TAP_RUN(argc, argv, f1_destinations_of_this_host_never_enter_a_tunnel);
    TAP_RUN(argc, argv, f1_what_the_host_says_is_its_own_enters_no_tunnel);
    TAP_RUN(argc, argv, f1_routes_of_ones_own_change_nothing);
    TAP_RUN(argc, argv, a7_without_a_session_nothing_but_handshakes_leaves);
    TAP_RUN(argc, argv, b2_a_source_that_is_not_the_interfaces_is_refused);
    TAP_RUN(argc, argv, b3_nat_off_passes_sources_but_another_tunnels);
    TAP_RUN(argc, argv, c1_a_carried_tunnels_port_is_taken);
    TAP_RUN(argc, argv, d1_d4_too_big_quotes_the_packet_before_nat);
    TAP_RUN(argc, argv, d2_never_about_errors_fragments_or_multicast);
    TAP_RUN(argc, argv, c6_redirects_do_not_enter_a_tunnel);
    TAP_RUN(argc, argv, d3_errors_have_buckets_of_their_own);
    TAP_RUN(argc, argv, d5_ipv4_without_df_is_fragmented);
    TAP_RUN(argc, argv, e4_a_narrow_path_carries_no_ipv6);
    TAP_RUN(argc, argv, c8_the_mss_is_lowered_both_ways);
    return tap_done();
}
