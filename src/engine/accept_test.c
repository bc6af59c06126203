/* SPDX-License-Identifier: MIT */
/* What may come out of a tunnel (RULES C): the other ends send what they like. */
#include <stdlib.h>

#include "base/bytes.h"
#include "engine/lanes.h"
#include "packet/checksum.h"
#include "simulation/office.h"
#include "wireguard/message.h"

static uint8_t bytes[2000];

static struct sample from(const char *source, const char *destination)
{
    return (struct sample){.source = source,
                           .destination = destination,
                           .source_port = 53,
                           .protocol = IP_PROTOCOL_UDP,
                           .destination_port = 4000,
                           .len_bytes = 120};
}

static void settle(struct office *office)
{
    sim_run(office->sim, SIM_S / 5);
}

static void pass(struct office *office, struct sim_host *host, const struct sample *sample)
{
    bool is_ipv6 = sample_address(sample->source).family == FAMILY_IPV6;
    sim_send(host, sample);
    settle(office);
    struct sample translated = *sample;
    translated.destination = is_ipv6 ? OFFICE_CLIENT6 : OFFICE_CLIENT4;
    office_expect(office->client, &translated, sample->source);
}

static void refuse_bytes(struct office *office, struct sim_host *host, size_t len,
                         enum verdict verdict)
{
    uint64_t before = sim_drops(office->client, verdict), sent = office->client->datagrams_sent;
    sim_send_bytes(host, bytes, len, NULL);
    settle(office);
    CHECK_EQUAL(sim_drops(office->client, verdict), before + 1);
    CHECK_EQUAL(office->client->datagrams_sent, sent); /* no answer */
    office_expect_nothing(office->client);
}

static void refuse(struct office *office, struct sim_host *host, const char *source,
                   const char *destination, enum verdict verdict)
{
    const struct sample sample = from(source, destination);
    refuse_bytes(office, host, sample_write(&sample, bytes), verdict);
}

static void c4_each_tunnel_answers_from_its_own_prefixes(void)
{
    struct office office;
    office_init_connected(&office);
    struct sample sample = from("10.20.1.1", "10.9.0.2");
    pass(&office, office.office, &sample);
    sample = from("fd31::9", "fd30::2");
    pass(&office, office.lab[0], &sample);
    sample = from("192.168.1.1", "172.16.0.2");
    pass(&office, office.home, &sample);
    sample = from("9.9.9.9", OFFICE_CLIENT4);
    pass(&office, office.entry, &sample);
    sample = from("2620:fe::9", OFFICE_CLIENT6);
    pass(&office, office.entry, &sample);
    CHECK(sim_is_undisturbed(office.client));
    office_wipe(&office);
}

static void c4_misdirected_with_nat_on(void)
{
    struct office office;
    office_init_connected(&office);
    refuse(&office, office.office, "10.20.1.1", "10.9.0.3", VERDICT_MISDIRECTED);
    refuse(&office, office.office, "10.20.1.1", OFFICE_CLIENT4, VERDICT_MISDIRECTED);
    refuse(&office, office.lab[0], "10.31.0.1", "10.9.0.2", VERDICT_MISDIRECTED);
    refuse(&office, office.lab[0], "fd31::1", OFFICE_CLIENT6, VERDICT_MISDIRECTED);
    refuse(&office, office.home, "192.168.0.1", "172.16.0.3", VERDICT_MISDIRECTED);
    office_wipe(&office);
}

static void c4_a_source_of_another_tunnel_is_spoofed(void)
{
    struct office office;
    office_init_connected(&office);
    refuse(&office, office.entry, "10.20.1.1", OFFICE_CLIENT4, VERDICT_SPOOFED);
    refuse(&office, office.entry, "192.168.1.1", OFFICE_CLIENT4, VERDICT_SPOOFED);
    refuse(&office, office.entry, "fd31::1", OFFICE_CLIENT6, VERDICT_SPOOFED);
    refuse(&office, office.lab[0], "10.99.0.1", "10.30.0.2", VERDICT_SPOOFED);
    office_wipe(&office);
}

static void c4_allowed_ips_come_first(void)
{
    struct office office;
    office_init_connected(&office);
    refuse(&office, office.office, "10.31.0.1", "10.9.0.2", VERDICT_SOURCE_NOT_ALLOWED);
    refuse(&office, office.office, "9.9.9.9", "10.9.0.3", VERDICT_SOURCE_NOT_ALLOWED);
    office_wipe(&office);
}

static void traps_27_overlapping_prefixes_of_two_peers(void)
{
    struct office office;
    office_init_connected(&office);
    struct sample sample = from("10.31.5.7", "10.30.0.2");
    pass(&office, office.lab[1], &sample);
    sample = from("10.31.6.7", "10.30.0.2");
    pass(&office, office.lab[0], &sample);
    refuse(&office, office.lab[0], "10.31.5.7", "10.30.0.2", VERDICT_SOURCE_NOT_ALLOWED);
    refuse(&office, office.lab[1], "10.31.6.7", "10.30.0.2", VERDICT_SOURCE_NOT_ALLOWED);
    office_wipe(&office);
}

/* Whoever sends it, what reaches the virtual socket is the carried tunnel's and never the TUN's. */
static void c1_the_virtual_socket_takes_its_datagrams(void)
{
    struct office office;
    office_init_connected(&office);
    struct sample sample = from("9.9.9.9", OFFICE_CLIENT4);
    sample.destination_port = OFFICE_PORT;
    refuse_bytes(&office, office.entry, sample_write(&sample, bytes), VERDICT_BAD_MESSAGE);
    sample.len_bytes = 28; /* empty */
    refuse_bytes(&office, office.entry, sample_write(&sample, bytes), VERDICT_BAD_MESSAGE);
    sample = from("2620:fe::9", OFFICE_CLIENT6); /* as a dual-stack socket */
    sample.destination_port = OFFICE_PORT;
    refuse_bytes(&office, office.entry, sample_write(&sample, bytes), VERDICT_BAD_MESSAGE);
    /* A UDP length that exceeds the packet. */
    sample = from("9.9.9.9", OFFICE_CLIENT4);
    sample.destination_port = OFFICE_PORT;
    size_t len = sample_write(&sample, bytes);
    store_be16(bytes + 24, (uint16_t)(len - 19));
    refuse_bytes(&office, office.entry, len, VERDICT_MALFORMED);
    store_be16(bytes + 24, 7);
    refuse_bytes(&office, office.entry, len, VERDICT_MALFORMED);
    /* A first fragment of 100 bytes, which is no multiple of 8 (C5). */
    store_be16(bytes + 24, (uint16_t)(len - 20));
    store_be16(bytes + 6, 0x2000);
    store_be16(bytes + 10, 0);
    refuse_bytes(&office, office.entry, len, VERDICT_FRAGMENT_REFUSED);

    sample.protocol = IP_PROTOCOL_TCP;
    pass(&office, office.entry, &sample);
    sample = from("9.9.9.9", "10.64.0.9"); /* another host's port is nobody's socket */
    sample.destination_port = OFFICE_PORT;
    sim_send(office.entry, &sample);
    settle(&office);
    office_expect(office.client, &sample, "9.9.9.9");
    office_wipe(&office);
}

/* TRAPS 13: a later fragment's bytes are no ports. */
static void c1_a_later_fragment_is_not_matched_by_its_bytes(void)
{
    struct office office;
    office_init_connected(&office);
    struct sample sample = from("9.9.9.9", OFFICE_CLIENT4);
    sample.destination_port = OFFICE_PORT;
    sample.may_fragment = true;
    size_t len = sample_write(&sample, bytes);
    store_be16(bytes + 6, 100);
    checksum_set_ipv4(bytes, IPV4_HEADER_BYTES);
    sim_send_bytes(office.entry, bytes, len, NULL);
    settle(&office);
    CHECK_EQUAL(office.client->inbox_count, 0); /* the first one will tell */
    sample.destination_port = 4000;
    sample.len_bytes = 100;
    len = sample_write(&sample, bytes);
    store_be16(bytes + 6, 0x2000);
    checksum_set_ipv4(bytes, IPV4_HEADER_BYTES);
    sim_send_bytes(office.entry, bytes, len, NULL);
    settle(&office);
    CHECK_EQUAL(office.client->inbox_count, 2);
    sim_forget_inbox(office.client);
    office_wipe(&office);
}

/* What a hook keeps of the last data message from one host. */
struct tape {
    const struct sim_host *from;
    uint8_t bytes[2000];
    size_t len;
};

static bool record(void *context, struct sim_datagram *datagram)
{
    struct tape *tape = context;
    if (datagram->sender == tape->from && datagram->bytes[0] == MESSAGE_DATA) {
        tape->len = datagram->len_bytes;
        memcpy(tape->bytes, datagram->bytes, datagram->len_bytes);
        return false;
    }
    return true;
}

static void c3_a_carried_tunnel_accepts_only_through_its_carrier(void)
{
    struct office office;
    struct tape tape = {0};
    office_init_connected(&office);
    tape.from = office.office;
    office.sim->hook = record;
    office.sim->hook_context = &tape;
    const struct sample sample = from("10.20.1.1", "10.9.0.2");
    sim_send(office.office, &sample);
    settle(&office);
    CHECK(tape.len > 0);
    office_expect_nothing(office.client);
    office.sim->hook = NULL;
    sim_throw(office.sim, "203.0.113.2:51820", "192.0.2.1:51820", tape.bytes, tape.len);
    sim_throw(office.sim, "203.0.113.2:51820", "192.0.2.1:51823", tape.bytes, tape.len);
    settle(&office);
    CHECK_EQUAL(sim_drops(office.client, VERDICT_UNKNOWN_INDEX), 2);
    office_expect_nothing(office.client);
    sim_throw(office.sim, "203.0.113.2:51820", OFFICE_CLIENT4 ":61111", tape.bytes, tape.len);
    settle(&office);
    struct sample translated = sample;
    translated.destination = OFFICE_CLIENT4;
    office_expect(office.client, &translated, "10.20.1.1");
    office_wipe(&office);
}

/* ---- C6 ---- */

/* An error about a packet of `source` to `destination`. */
static size_t error_about(const char *router, const char *to, const char *source,
                          const char *destination, uint16_t source_port, size_t quoted_len)
{
    static uint8_t quoted[300];
    bool is_ipv6 = sample_address(to).family == FAMILY_IPV6;
    struct sample sample = from(source, destination);
    sample.source_port = source_port;
    size_t len = sample_write(&sample, quoted);
    return sample_write_error(router, to, is_ipv6 ? 1 : 3, is_ipv6 ? 4 : 3, 0, quoted,
                              len < quoted_len ? len : quoted_len, bytes);
}

static void pass_error(struct office *office, struct sim_host *host, size_t len, const char *source,
                       const char *quoted_destination)
{
    sim_send_bytes(host, bytes, len, NULL);
    settle(office);
    struct sim_packet *packet = sim_take(office->client);
    if (!CHECK(packet != NULL))
        return;
    bool is_ipv6 = packet->bytes[0] >> 4 == 6;
    const char *client = is_ipv6 ? OFFICE_CLIENT6 : OFFICE_CLIENT4;
    const uint8_t *quote = packet->bytes + (is_ipv6 ? 48 : 28);
    CHECK_EQUAL(packet->len_bytes, len);
    CHECK(sample_is_between(packet->bytes, source, client));
    CHECK(sample_is_between(quote, client, quoted_destination));
    CHECK(sample_sums_are_right(packet->bytes, len));
    free(packet);
}

static void c6_errors_reach_the_socket_they_are_about(void)
{
    struct office office;
    office_init_connected(&office);
    for (size_t quoted = 28; quoted <= 120; quoted += 23) {
        size_t len = error_about("10.20.0.254", "10.9.0.2", "10.9.0.2", "10.20.1.1", 4000, quoted);
        pass_error(&office, office.office, len, "10.20.0.254", "10.20.1.1");
        /* From a router that the tunnel may speak for but that is not routed there. */
        len = error_about("10.99.0.1", "10.30.0.2", "10.30.0.2", "10.31.0.1", 4000, quoted);
        pass_error(&office, office.lab[0], len, "10.31.0.1", "10.31.0.1");
        len = error_about("fd31::ffff", "fd30::2", "fd30::2", "fd31::1", 4000, quoted + 20);
        pass_error(&office, office.lab[0], len, "fd31::ffff", "fd31::1");
    }
    CHECK(sim_is_undisturbed(office.client));
    office_wipe(&office);
}

static void c6_errors_about_others_are_refused(void)
{
    struct office office;
    office_init_connected(&office);
    size_t len = error_about("10.20.0.254", "10.9.0.2", "10.9.0.9", "10.20.1.1", 4000, 100);
    refuse_bytes(&office, office.office, len, VERDICT_ICMP_REFUSED);
    len = error_about("10.20.0.254", "10.9.0.2", "10.9.0.2", "10.31.0.1", 4000, 100);
    refuse_bytes(&office, office.office, len, VERDICT_ICMP_REFUSED);
    len = error_about("10.20.0.254", "10.9.0.3", "10.9.0.2", "10.20.1.1", 4000, 100);
    refuse_bytes(&office, office.office, len, VERDICT_MISDIRECTED);
    len = error_about("10.20.0.254", "10.9.0.2", "10.9.0.2", "10.20.1.1", 4000, 19);
    refuse_bytes(&office, office.office, len, VERDICT_ICMP_REFUSED);
    office_wipe(&office);
}

/* As refuse_bytes, but what the other end's own rules would not let out. */
static void refuse_unruly(struct office *office, struct sim_host *host, size_t len,
                          enum verdict verdict)
{
    struct engine *engine = host->engine;
    uint64_t before = sim_drops(office->client, verdict), sent = office->client->datagrams_sent;
    struct packet *packet = pool_take_packet(engine->core.pool);
    memcpy(packet_put(packet, len), bytes, len);
    packet->tos = 0;
    packet->kind = PACKET_DATA;
    outbound_append(&engine->outbound, packet, engine->core.tree.nodes[0]->peers[0]);
    sim_flush(host);
    settle(office);
    CHECK_EQUAL(sim_drops(office->client, verdict), before + 1);
    CHECK_EQUAL(office->client->datagrams_sent, sent);
    office_expect_nothing(office->client);
}

/* A redirect orders the host to another next hop: no tunnel has one, whoever asks. */
static void c6_redirects_are_refused_in_both_families(void)
{
    struct office office;
    office_init_connected(&office);
    size_t len = error_about("10.20.0.254", "10.9.0.2", "10.9.0.2", "10.20.1.1", 4000, 100);
    bytes[20] = 5; /* its sum is not looked at */
    refuse_unruly(&office, office.office, len, VERDICT_REDIRECT);
    len = error_about("9.9.9.9", OFFICE_CLIENT4, OFFICE_CLIENT4, "9.9.9.8", 4000, 100);
    bytes[20] = 5; /* NAT is off */
    refuse_unruly(&office, office.entry, len, VERDICT_REDIRECT);
    len = error_about("fd31::ffff", "fd30::2", "fd30::2", "fd31::1", 4000, 100);
    bytes[40] = 137;
    refuse_unruly(&office, office.lab[0], len, VERDICT_REDIRECT);
    len = error_about("2620:fe::9", OFFICE_CLIENT6, OFFICE_CLIENT6, "2620:fe::8", 4000, 100);
    bytes[40] = 137;
    refuse_unruly(&office, office.entry, len, VERDICT_REDIRECT);
    office_wipe(&office);
}

/* An entry with ::/0 could else be the host's router: advertisements are believed from a link-local
 * source with a hop limit of 255, which a tunnel does not lower. */
static void f6_a_default_route_brings_no_link_local_sources(void)
{
    static const char *const sources[][2] = {{"fe80::1", OFFICE_CLIENT6},
                                             {"fe80::1", "ff02::1"},
                                             {"ff02::1", OFFICE_CLIENT6},
                                             {"169.254.0.1", OFFICE_CLIENT4},
                                             {"224.0.0.1", OFFICE_CLIENT4},
                                             {"0.0.0.0", "255.255.255.255"}};
    struct office office;
    office_init_connected(&office);
    for (size_t i = 0; i < 6; i++) {
        const struct sample sample = from(sources[i][0], sources[i][1]);
        refuse_unruly(&office, office.entry, sample_write(&sample, bytes), VERDICT_SCOPE);
    }
    office_wipe(&office);
}

/* A forged too-big about a carried datagram cuts nothing. */
/* What kernels call martian: an entry with a default route may say much, but not that. */
static void f1_nothing_comes_from_this_host_itself(void)
{
    static const char *const sources[][2] = {{"127.0.0.1", OFFICE_CLIENT4},
                                             {"0.0.0.0", OFFICE_CLIENT4},
                                             {"0.9.9.9", OFFICE_CLIENT4},
                                             {OFFICE_CLIENT4, OFFICE_CLIENT4},
                                             {"::1", OFFICE_CLIENT6},
                                             {"::", OFFICE_CLIENT6},
                                             {"::ffff:198.51.100.1", OFFICE_CLIENT6},
                                             {OFFICE_CLIENT6, OFFICE_CLIENT6}};
    struct office office;
    office_init_connected(&office);
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        const struct sample sample = from(sources[i][0], sources[i][1]);
        refuse_unruly(&office, office.entry, sample_write(&sample, bytes), VERDICT_SCOPE);
    }
    /* nor goes there, whatever route_localnet says; with NAT on it is somebody else's anyway */
    struct sample sample = from("9.9.9.9", "127.0.0.1");
    refuse_unruly(&office, office.entry, sample_write(&sample, bytes), VERDICT_SCOPE);
    sample = from("2620:fe::9", "::1");
    refuse_unruly(&office, office.entry, sample_write(&sample, bytes), VERDICT_SCOPE);
    sample = from("192.168.0.1", "127.0.0.1");
    refuse_unruly(&office, office.home, sample_write(&sample, bytes), VERDICT_MISDIRECTED);
    office_wipe(&office);
}

/* An error's source needs no route, but it must be one that a router can have: about the socket of
 * an application, or about a carried datagram. */
static void c6_f6_errors_come_from_no_source_out_of_scope(void)
{
    static const char *const sources[] = {"127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255",
                                          "169.254.1.1", OFFICE_CLIENT4};
    static const char *const sources6[] = {"fe80::1", "ff02::1", "::1", "::", OFFICE_CLIENT6};
    struct office office;
    office_init_connected(&office);
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        size_t len =
            error_about(sources[i], OFFICE_CLIENT4, OFFICE_CLIENT4, "9.9.9.9", 4000, 100);
        refuse_unruly(&office, office.entry, len, VERDICT_SCOPE);
        len = error_about(sources[i], OFFICE_CLIENT4, OFFICE_CLIENT4, "203.0.113.2", OFFICE_PORT,
                          100);
        refuse_unruly(&office, office.entry, len, VERDICT_SCOPE);
    }
    for (size_t i = 0; i < sizeof(sources6) / sizeof(sources6[0]); i++) {
        size_t len =
            error_about(sources6[i], OFFICE_CLIENT6, OFFICE_CLIENT6, "2620:fe::9", 4000, 100);
        refuse_unruly(&office, office.entry, len, VERDICT_SCOPE);
    }
    office_wipe(&office);
}

static void c6_errors_about_carried_datagrams_are_consumed(void)
{
    struct office office;
    office_init_connected(&office);
    uint32_t mtu = engine_mtu(office.client->engine, OFFICE_OFFICE);
    size_t len = error_about("203.0.113.77", OFFICE_CLIENT4, OFFICE_CLIENT4, "203.0.113.2",
                             OFFICE_PORT, 100);
    bytes[21] = 4; /* too big; its sum is not looked at here */
    refuse_bytes(&office, office.entry, len, VERDICT_ICMP_CONSUMED);
    CHECK_EQUAL(engine_mtu(office.client->engine, OFFICE_OFFICE), mtu);
    CHECK_EQUAL(sim_peer_state(office.client, OFFICE_OFFICE, 0), STATUS_PEER_UP);
    len = error_about("203.0.113.77", OFFICE_CLIENT4, OFFICE_CLIENT4, "203.0.113.2", 4000, 100);
    pass_error(&office, office.entry, len, "203.0.113.77", "203.0.113.2");
    office_wipe(&office);
}

/* ---- ECN: RFC 6040, and C2 ---- */

struct marks {
    uint8_t mark; /* what a congested router makes of ECT; 0: none */
    uint8_t seen; /* the last datagram's TOS at the client's socket */
    const struct sim_host *client;
};

static bool mark(void *context, struct sim_datagram *datagram)
{
    struct marks *marks = context;
    if (datagram->sender == marks->client) {
        marks->seen = datagram->tos;
        if (marks->mark)
            datagram->tos = (uint8_t)(datagram->tos | marks->mark);
    }
    return true;
}

static void c2_ecn_travels_through_both_hops_and_dscp_does_not(void)
{
    struct office office;
    struct marks marks = {0};
    office_init(&office);
    marks.client = office.client;
    office.sim->hook = mark;
    office.sim->hook_context = &marks;
    const struct sample hello = office_sample("10.20.0.1", 100, 0);
    sim_send(office.client, &hello);
    CHECK_EQUAL(marks.seen, 0x88); /* as the kernel marks an initiation */
    sim_run(office.sim, 25 * NS_PER_MS);
    CHECK_EQUAL(office.client->sent_of_type[MESSAGE_DATA], 1); /* office's, inside */
    CHECK_EQUAL(marks.seen, 0);
    settle(&office);
    office_expect(office.office, &hello, "10.9.0.2");
    struct sample sample = office_sample("10.20.0.1", 100, 1);
    sample.tos = 0xb8 | 2; /* EF, ECT(0) */
    sim_send(office.client, &sample);
    settle(&office);
    CHECK_EQUAL(marks.seen, 2);
    office_expect(office.office, &sample, "10.9.0.2");

    marks.mark = 3;
    sim_send(office.client, &sample);
    settle(&office);
    sample.tos |= 3;
    office_expect(office.office, &sample, "10.9.0.2");

    sample.tos = 0xb8; /* not ECN capable: a mark can only mean a drop */
    sim_send(office.client, &sample);
    settle(&office);
    office_expect_nothing(office.office);
    CHECK_EQUAL(marks.seen, 0);
    office_wipe(&office);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, c4_each_tunnel_answers_from_its_own_prefixes);
    TAP_RUN(argc, argv, c4_misdirected_with_nat_on);
    TAP_RUN(argc, argv, c4_a_source_of_another_tunnel_is_spoofed);
    TAP_RUN(argc, argv, c4_allowed_ips_come_first);
    TAP_RUN(argc, argv, traps_27_overlapping_prefixes_of_two_peers);
    TAP_RUN(argc, argv, c1_the_virtual_socket_takes_its_datagrams);
    TAP_RUN(argc, argv, c1_a_later_fragment_is_not_matched_by_its_bytes);
    TAP_RUN(argc, argv, c3_a_carried_tunnel_accepts_only_through_its_carrier);
    TAP_RUN(argc, argv, c6_errors_reach_the_socket_they_are_about);
    TAP_RUN(argc, argv, c6_errors_about_others_are_refused);
    TAP_RUN(argc, argv, c6_redirects_are_refused_in_both_families);
    TAP_RUN(argc, argv, f6_a_default_route_brings_no_link_local_sources);
    TAP_RUN(argc, argv, f1_nothing_comes_from_this_host_itself);
    TAP_RUN(argc, argv, c6_f6_errors_come_from_no_source_out_of_scope);
    TAP_RUN(argc, argv, c6_errors_about_carried_datagrams_are_consumed);
    TAP_RUN(argc, argv, c2_ecn_travels_through_both_hops_and_dscp_does_not);
    return tap_done();
}
