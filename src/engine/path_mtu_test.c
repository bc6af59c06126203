/* SPDX-License-Identifier: MIT */
/* The way behind a carrier's relay is narrower than its MTU (RULES C6): what is sent arrives all
 * the same, and nobody who forges the news does more harm than that. */
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "engine/lanes.h"
#include "engine/path_mtu.h"
#include "simulation/chain.h"
#include "simulation/way.h"
#include "wireguard/message.h"

static size_t inside(const struct chain *chain)
{
    return engine_mtu(chain->client->engine, chain->depth - 1);
}

/* Sends `count` packets as large as the path takes at each time; returns how many did not arrive,
 * and checks that the rest is unharmed and in order. */
static unsigned send_largest(struct chain *chain, bool is_ipv6, unsigned count)
{
    uint32_t next = 0;
    unsigned come = 0;
    sim_forget_inbox(chain->client);
    sim_forget_inbox(chain->exit);
    for (unsigned i = 0; i < count; i++) {
        const struct sample sample = chain_to_world(is_ipv6, inside(chain), i);
        sim_send(chain->client, &sample);
        sim_run(chain->sim, SIM_S);
    }
    for (struct sim_packet *packet; (packet = sim_take(chain->exit)); free(packet), come++) {
        uint32_t serial = sample_serial(packet->bytes, packet->len_bytes);
        CHECK(serial >= next && serial < count);
        CHECK(sample_sums_are_right(packet->bytes, packet->len_bytes));
        next = serial + 1;
    }
    return count - come;
}

struct narrow_case {
    unsigned depth, families, narrow_at, way;
    uint32_t inside; /* afterwards */
    bool has_fragments;
};

static void pass_the_narrow_way(const struct narrow_case *narrow)
{
    struct chain chain;
    const struct chain_shape shape = {
        .depth = narrow->depth, .families = narrow->families, .link_mtu_bytes = 1500};
    chain_init(&chain, &shape);
    struct sim_host *router = chain.relays[narrow->narrow_at];
    bool carries_ipv6 = inside(&chain) >= 1280;
    const struct sample hello = chain_to_world(false, 100, 0);
    sim_send(chain.client, &hello);
    sim_run(chain.sim, 2 * SIM_S);
    CHECK_EQUAL(chain.exit->inbox_count, 1);
    router->way_mtu_bytes = narrow->way;
    unsigned lost = send_largest(&chain, false, 10);
    CHECK(lost <= 1); /* the one that made the router speak */
    CHECK_EQUAL(inside(&chain), narrow->inside);
    CHECK_EQUAL(carries_ipv6, inside(&chain) >= 1280);
    if (carries_ipv6)
        CHECK_EQUAL(send_largest(&chain, true, 10), 0);
    CHECK_EQUAL(router->fragments > 0, narrow->has_fragments);
    CHECK_EQUAL(sim_drops(chain.client, VERDICT_ICMP_CONSUMED), lost);
    CHECK_EQUAL(router->way_refused, lost);
    chain_wipe(&chain);
}

/* At each hop, over both families. MTUs: 1440 over IPv4, 1420 over IPv6 in the first tunnel. */
static void c6_a_narrow_way_is_no_black_hole(void)
{
    static const struct narrow_case cases[] = {
        {2, 2, 0, 1400, 1320, false}, /* 1400 - 80 */
        {2, 2, 0, 1380, 1300, false},
        {2, 2, 0, 1340, 1280, true}, /* 1260 would carry no IPv6 (E4) */
        {2, 2, 0, 1280, 1280, true},
        {2, 3, 0, 1380, 1300, false},
        {2, 3, 0, 1300, 1280, true},
        {2, 0, 0, 1380, 1380, false}, /* over IPv4 the routers cut */
        {3, 7, 0, 1380, 1220, false}, /* the third has less than 1280 in any case: it goes its
                                       * way */
        {3, 6, 0, 1400, 1280, true},  /* three need 1440, 1360, 1280: all that fits in is cut */
        {3, 6, 1, 1300, 1280, true},
        {3, 6, 1, 1280, 1280, true},
        {3, 2, 0, 1360, 1280, true}, /* the third rides IPv4: 1340 is what it needs */
        {3, 2, 0, 1420, 1280, false},
        {3, 4, 1, 1340, 1280, true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        printf("# depth %u, families %u, way %u behind relay %u\n", cases[i].depth,
               cases[i].families, cases[i].way, cases[i].narrow_at);
        pass_the_narrow_way(&cases[i]);
    }
}

/* ---- who may say so ---- */

#define EVIL_KEY 77

/* A client with a relay and, in the same tunnel, somebody who has a prefix of his own; the exit is
 * carried, over IPv6 or IPv4. The last datagram that the relay handed on is kept. */
struct theatre {
    struct sim *sim;
    struct sim_host *client, *relay, *evil, *exit;
    bool is_ipv6;
    bool is_one_tunnel; /* the exit is a peer beside the relay, and rides it (RULES A8) */
    uint8_t datagram[2000]; /* with its headers */
    size_t datagram_len;
};

static bool keep(void *context, struct sim_datagram *datagram)
{
    struct theatre *theatre = context;
    char source[ADDRESS_TEXT_BYTES], destination[ADDRESS_TEXT_BYTES];
    size_t header = theatre->is_ipv6 ? 48 : 28;
    if (datagram->sender != theatre->relay || datagram->is_raw ||
        datagram->bytes[0] != MESSAGE_DATA || datagram->destination.port != 51820 ||
        address_is_equal(&datagram->destination.address, &theatre->client->ipv4))
        return true;
    const struct sample sample = {
        .source = address_format(&datagram->source.address, source),
        .destination = address_format(&datagram->destination.address, destination),
        .protocol = IP_PROTOCOL_UDP, .source_port = datagram->source.port,
        .destination_port = datagram->destination.port, .may_fragment = true,
        .len_bytes = header + datagram->len_bytes};
    theatre->datagram_len = sample_write(&sample, theatre->datagram);
    memcpy(theatre->datagram + header, datagram->bytes, datagram->len_bytes);
    return true;
}

static void say_hello(struct theatre *theatre)
{
    const struct sample hello = chain_to_world(false, 1200, 0);
    sim_send(theatre->client, &hello);
    sim_run(theatre->sim, 2 * SIM_S);
}

/* The client's own part where the exit is a fellow's rider. */
static void describe_one_tunnel(struct sim_network *network, const char *endpoint)
{
    sim_network_init(network);
    sim_add_tunnel(network, "both", TUNNEL_NO_CARRIER, CHAIN_CLIENT_KEY, "10.100.0.2 fd00:100::2");
    sim_add_peer(network, 0, CHAIN_RELAY_KEY + 1, "0.0.0.0/0 ::/0", endpoint);
    sim_add_peer(network, 0, CHAIN_RELAY_KEY,
                 "203.0.113.2/32 198.51.100.99/32 2001:db8:2::/48 2001:db8:ffff::/48",
                 "203.0.113.1:51820");
    sim_add_peer(network, 0, EVIL_KEY, "10.66.0.0/16 fd66::/32", "203.0.113.66:51820")
        ->persistent_keepalive_s = 25;
}

static void describe_two_tunnels(struct sim_network *network, const char *endpoint)
{
    sim_network_init(network);
    sim_add_tunnel(network, "entry", TUNNEL_NO_CARRIER, CHAIN_CLIENT_KEY, "10.100.0.2 fd00:100::2");
    sim_add_peer(network, 0, CHAIN_RELAY_KEY, "0.0.0.0/0 ::/0", "203.0.113.1:51820");
    sim_add_peer(network, 0, EVIL_KEY, "10.66.0.0/16 fd66::/32", "203.0.113.66:51820")
        ->persistent_keepalive_s = 25;
    sim_add_tunnel(network, "exit", 0, CHAIN_CLIENT_KEY + 1, "10.101.0.2 fd00:101::2");
    sim_add_peer(network, 1, CHAIN_RELAY_KEY + 1, "0.0.0.0/0 ::/0", endpoint);
}

static void theatre_open(struct theatre *theatre, bool is_ipv6, bool is_one_tunnel)
{
    struct sim_network network;
    *theatre = (struct theatre){
        .sim = sim_new(), .is_ipv6 = is_ipv6, .is_one_tunnel = is_one_tunnel};
    struct sim *sim = theatre->sim;
    const char *endpoint = is_ipv6 ? "[2001:db8:2::1]:51820" : "203.0.113.2:51820";
    if (is_one_tunnel)
        describe_one_tunnel(&network, endpoint);
    else
        describe_two_tunnels(&network, endpoint);
    theatre->client = sim_add_host(sim, "client", "192.0.2.1", &network, 1500);
    sim_network_init(&network);
    sim_add_tunnel(&network, "relay", TUNNEL_NO_CARRIER, CHAIN_RELAY_KEY, "10.100.0.1 fd00:100::1");
    sim_add_peer(&network, 0, CHAIN_CLIENT_KEY, "10.100.0.2/32 fd00:100::2/128", NULL);
    theatre->relay = sim_add_host(sim, "relay", "203.0.113.1", &network, 1500);
    sim_network_init(&network);
    sim_add_tunnel(&network, "evil", TUNNEL_NO_CARRIER, EVIL_KEY, "10.66.0.1 fd66::1");
    sim_add_peer(&network, 0, CHAIN_CLIENT_KEY, "10.100.0.2/32 fd00:100::2/128", NULL);
    theatre->evil = sim_add_host(sim, "evil", "203.0.113.66", &network, 1500);
    sim_network_init(&network);
    sim_add_tunnel(&network, "exit", TUNNEL_NO_CARRIER, CHAIN_RELAY_KEY + 1,
                   "10.101.0.1 fd00:101::1");
    if (is_one_tunnel)
        sim_add_peer(&network, 0, CHAIN_CLIENT_KEY, "10.100.0.2/32 fd00:100::2/128", NULL);
    else
        sim_add_peer(&network, 0, CHAIN_CLIENT_KEY + 1, "10.101.0.2/32 fd00:101::2/128", NULL);
    theatre->exit = sim_add_host(sim, "exit", "203.0.113.2 2001:db8:2::1", &network, 1500);
    theatre->relay->forwards = true;
    sim_route(theatre->relay, "10.100.0.2/32");
    sim_route(theatre->relay, "fd00:100::2/128");
    sim->hook = keep;
    sim->hook_context = theatre;
    say_hello(theatre);
    CHECK(theatre->datagram_len > 1200);
}

static void theatre_init(struct theatre *theatre, bool is_ipv6)
{
    theatre_open(theatre, is_ipv6, false);
}

/* Somebody in the first tunnel says that the kept datagram, of which `quoted` bytes are shown, is
 * too big for `mtu`. */
static void claim_from(struct theatre *theatre, struct sim_host *who, const char *source,
                       uint32_t mtu, size_t quoted)
{
    static uint8_t error[2000];
    bool is_ipv6 = theatre->is_ipv6;
    size_t len = sample_write_error(source, is_ipv6 ? "fd00:100::2" : "10.100.0.2", is_ipv6 ? 2 : 3,
                                    is_ipv6 ? 0 : 4, mtu, theatre->datagram, quoted, error);
    sim_send_bytes(who, error, len, NULL);
    sim_run(theatre->sim, SIM_S / 10);
}

static void claim(struct theatre *theatre, uint32_t mtu)
{
    claim_from(theatre, theatre->relay, theatre->is_ipv6 ? "2001:db8:ffff::9" : "198.51.100.99",
               mtu, 100);
}

static uint32_t way_of(const struct theatre *theatre)
{
    struct status_peer peer;
    status_read_peer(theatre->client->engine, !theatre->is_one_tunnel, 0, theatre->sim->now, &peer);
    return peer.path_mtu_bytes;
}

static uint32_t inside_of(const struct theatre *theatre)
{
    struct status_peer peer;
    status_read_peer(theatre->client->engine, !theatre->is_one_tunnel, 0, theatre->sim->now, &peer);
    return peer.mtu_bytes;
}

static void expect_all_arrives(struct theatre *theatre)
{
    sim_forget_inbox(theatre->exit);
    for (unsigned i = 0; i < 10; i++) {
        const struct sample sample = chain_to_world(i & 1, inside_of(theatre), i);
        sim_send(theatre->client, &sample);
        sim_run(theatre->sim, SIM_S / 10);
    }
    CHECK_EQUAL(theatre->exit->inbox_count, 10);
    sim_forget_inbox(theatre->exit);
}

static void c6_a_forged_claim_costs_at_most_a_way_of_1280(void)
{
    for (unsigned is_ipv6 = 0; is_ipv6 < 2; is_ipv6++) {
        static const uint32_t claims[] = {0, 1, 67, 68, 575, 1279, 1280, 0x7fff};
        struct theatre theatre;
        theatre_init(&theatre, is_ipv6);
        uint32_t before = inside_of(&theatre);
        claim(&theatre, 0xffff); /* and more than there is: nothing */
        claim(&theatre, 1440);
        CHECK_EQUAL(way_of(&theatre), 0);
        for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
            claim(&theatre, claims[i]);
            CHECK_EQUAL(way_of(&theatre), 1280);
            CHECK_EQUAL(inside_of(&theatre), 1280); /* IPv6 goes on */
            expect_all_arrives(&theatre);
        }
        sim_run(theatre.sim, 601 * SIM_S);
        CHECK_EQUAL(inside_of(&theatre), before);
        CHECK_EQUAL(way_of(&theatre), 0);
        expect_all_arrives(&theatre);
        sim_free(theatre.sim);
    }
}

static void c6_a_claim_that_does_not_quote_our_datagram_is_nothing(void)
{
    for (unsigned is_ipv6 = 0; is_ipv6 < 2; is_ipv6++) {
        struct theatre theatre;
        theatre_init(&theatre, is_ipv6);
        size_t header = is_ipv6 ? 48 : 28, ports = header - 8;
        const size_t wrong[] = {
            is_ipv6 ? 23 : 15, /* the source */
            is_ipv6 ? 39 : 19, /* the endpoint, its port, our port */
            ports + 3, ports + 1,
            header,     /* no message */
            header + 4, /* the receiver index */
            header + 7,
        };
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
            theatre.datagram[wrong[i]] ^= 0x10;
            claim(&theatre, 1300);
            theatre.datagram[wrong[i]] ^= 0x10;
            CHECK_EQUAL(way_of(&theatre), 0);
        }
        for (size_t quoted = is_ipv6 ? 40 : 20; quoted < header + (is_ipv6 ? 8 : 0); quoted++) {
            claim_from(&theatre, theatre.relay, is_ipv6 ? "2001:db8:ffff::9" : "198.51.100.99",
                       1300, quoted); /* cut off before what would prove it */
            CHECK_EQUAL(way_of(&theatre), 0);
        }
        /* the right datagram, but out of the wrong peer's session */
        claim_from(&theatre, theatre.evil, is_ipv6 ? "fd66::9" : "10.66.0.9", 1300, 100);
        CHECK_EQUAL(way_of(&theatre), 0);
        claim(&theatre, 1400);
        CHECK_EQUAL(way_of(&theatre), 1400);
        sim_free(theatre.sim);
    }
}

/* One byte less each time: some of them, then 1280, and nothing is computed any more. */
static void c6_a_flood_of_claims_costs_nothing(void)
{
    struct theatre theatre;
    theatre_init(&theatre, true);
    const struct tree *tree = &theatre.client->engine->core.tree;
    uint32_t before = tree->mtu_changes;
    for (uint32_t mtu = 1430; mtu > 1290; mtu--)
        claim(&theatre, mtu);
    CHECK_EQUAL(way_of(&theatre), 1280);
    CHECK(tree->mtu_changes - before <= 9);
    expect_all_arrives(&theatre);
    sim_free(theatre.sim);
}

/* RULES E1: where the peer has moved to, another way begins. */
static void c6_another_endpoint_is_another_way(void)
{
    struct theatre theatre;
    theatre_init(&theatre, true);
    claim(&theatre, 1300);
    CHECK_EQUAL(inside_of(&theatre), 1280);
    const struct endpoint same = sample_endpoint("[2001:db8:2::1]:51820");
    sim_set_endpoint(theatre.client, 1, 0, &same);
    CHECK_EQUAL(way_of(&theatre), 0);
    CHECK_EQUAL(inside_of(&theatre), 1360);
    expect_all_arrives(&theatre);
    sim_free(theatre.sim);
}

/* TCP as large as it may be, in super-packets: the fragments keep the order, none is lost. */
static void c6_super_packets_leave_in_fragments_in_order(void)
{
    static uint8_t super[SAMPLE_MOST_BYTES];
    struct theatre theatre;
    theatre_init(&theatre, true);
    claim(&theatre, 1280);
    CHECK_EQUAL(inside_of(&theatre), 1280);
    struct sample sample = chain_to_world(true, 60 + 1220 * 45, 1);
    sample.protocol = IP_PROTOCOL_TCP;
    sample.tcp_flags = 0x10;
    size_t len = sample_write(&sample, super), at = 60;
    const struct vnet_header vnet = sample_to_super(super, len, 1220);
    sim_forget_inbox(theatre.exit);
    unsigned before = theatre.relay->fragments;
    for (unsigned i = 0; i < 3; i++) /* more than a turn's batch */
        sim_write(theatre.client, super, len, &vnet);
    sim_run(theatre.sim, SIM_S);
    for (struct sim_packet *packet; (packet = sim_take(theatre.exit)); free(packet)) {
        size_t payload = packet->len_bytes - 60;
        if (CHECK(at + payload <= len))
            CHECK_BYTES(packet->bytes + 60, super + at, payload);
        at = at + payload == len ? 60 : at + payload;
    }
    CHECK_EQUAL(at, 60);
    CHECK_EQUAL(theatre.relay->fragments - before, 2 * 3 * 45);
    CHECK_EQUAL(sim_drops(theatre.client, VERDICT_POOL_EMPTY), 0);
    sim_free(theatre.sim);
}

/* RULES A8: two hops in one tunnel. */
static void c6_a8_the_way_of_a_fellows_rider(void)
{
    for (unsigned is_ipv6 = 0; is_ipv6 < 2; is_ipv6++) {
        struct theatre theatre;
        theatre_open(&theatre, is_ipv6, true);
        claim_from(&theatre, theatre.evil, is_ipv6 ? "fd66::9" : "10.66.0.9", 1300, 100);
        CHECK_EQUAL(way_of(&theatre), 0);
        claim(&theatre, 1400);
        CHECK_EQUAL(way_of(&theatre), 1400);
        CHECK_EQUAL(inside_of(&theatre), is_ipv6 ? 1320 : 1340);
        expect_all_arrives(&theatre);
        claim(&theatre, 1290);
        CHECK_EQUAL(inside_of(&theatre), 1280);
        unsigned before = theatre.relay->fragments;
        expect_all_arrives(&theatre);
        CHECK_EQUAL(theatre.relay->fragments - before, is_ipv6 ? 20 : 0);
        sim_free(theatre.sim);
    }
}

/* An ICMP error about a carried datagram is told in words. */
static void c6_an_error_on_the_way_is_shown_in_words(void)
{
    struct theatre theatre;
    struct status_peer peer;
    static uint8_t error[2000];
    theatre_init(&theatre, false);
    size_t len = sample_write_error("198.51.100.99", "10.100.0.2", 3, 1, 0, theatre.datagram, 28,
                                    error);
    sim_send_bytes(theatre.relay, error, len, NULL);
    sim_run(theatre.sim, SIM_S);
    status_read_peer(theatre.client->engine, 1, 0, theatre.sim->now, &peer);
    CHECK_TEXT(peer.error, "host unreachable");
    const struct address router = sample_address("198.51.100.99");
    CHECK(address_is_equal(&peer.error_source, &router));
    CHECK(peer.error_ns >= SIM_S / 2 && peer.error_ns <= SIM_S);
    CHECK_EQUAL(way_of(&theatre), 0);
    sim_run(theatre.sim, 200 * SIM_S);
    status_read_peer(theatre.client->engine, 1, 0, theatre.sim->now, &peer);
    CHECK(peer.error == NULL); /* that was long ago */
    sim_free(theatre.sim);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, c6_a_narrow_way_is_no_black_hole);
    TAP_RUN(argc, argv, c6_a_forged_claim_costs_at_most_a_way_of_1280);
    TAP_RUN(argc, argv, c6_a_claim_that_does_not_quote_our_datagram_is_nothing);
    TAP_RUN(argc, argv, c6_a_flood_of_claims_costs_nothing);
    TAP_RUN(argc, argv, c6_another_endpoint_is_another_way);
    TAP_RUN(argc, argv, c6_super_packets_leave_in_fragments_in_order);
    TAP_RUN(argc, argv, c6_a8_the_way_of_a_fellows_rider);
    TAP_RUN(argc, argv, c6_an_error_on_the_way_is_shown_in_words);
    return tap_done();
}
