/* SPDX-License-Identifier: MIT */
/* RULES A8: one interface, several hops. A client's root tunnel (or one that is carried) has peers
 * whose endpoints lie in each other's AllowedIPs; each datagram that leaves its socket is looked
 * at. */
#include <stdio.h>
#include <stdlib.h>

#include "simulation/living.h"
#include "wireguard/message.h"

#define LINK_MTU 1500
#define CLIENT4 "10.64.0.2"
#define CLIENT6 "fc00:bbbb::2"

/* Peers in this order: each rides the one behind it, the last one is the entry. */
struct row {
    struct sim *sim;
    struct sim_network network; /* of the client */
    struct sim_host *client;
    struct sim_host *relays[3]; /* the first is the exit; relay i is 203.0.113.(i + 1) */
    unsigned count;
    int tunnel;           /* the one with these peers */
    unsigned straight[3]; /* datagrams that left the client's socket for the relay */
};

static const char *const at4[] = {"203.0.113.1", "203.0.113.2", "203.0.113.3"};
static const char *const at6[] = {"2001:db8:1::1", "2001:db8:2::1", "2001:db8:3::1"};
static const char *const only4[] = {"203.0.113.1/32", "203.0.113.2/32"};
static const char *const only6[] = {"2001:db8:1::1/128", "2001:db8:2::1/128"};

static const char *port_of(bool is_ipv6, unsigned relay, char text[64])
{
    snprintf(text, 64, is_ipv6 ? "[%s]:51820" : "%s:51820", is_ipv6 ? at6[relay] : at4[relay]);
    return text;
}

/* What relay `number` sends back to the client's tunnel address comes to the relay in front of it,
 * which masquerades its client, and into its tunnel. */
static bool return_to_tunnel(struct row *row, unsigned number, const struct sim_datagram *datagram)
{
    static uint8_t packet[2000];
    const struct address *to = &datagram->destination.address;
    const struct address client4 = sample_address(CLIENT4), client6 = sample_address(CLIENT6);
    if (number + 1 >= row->count ||
        !(address_is_equal(to, &client4) || address_is_equal(to, &client6)))
        return false;
    struct ip_outer outer = {.source = datagram->source.address, .destination = *to,
                             .source_port = datagram->source.port,
                             .destination_port = datagram->destination.port,
                             .tos = datagram->tos};
    size_t header = ip_outer_bytes((enum family)to->family);
    memcpy(packet + header, datagram->bytes, datagram->len_bytes);
    ip_write_outer(packet, &outer, datagram->len_bytes);
    sim_send_bytes(row->relays[number + 1], packet, header + datagram->len_bytes, NULL);
    return true;
}

static bool watch(void *context, struct sim_datagram *datagram)
{
    struct row *row = context;
    const struct address *to = &datagram->destination.address;
    for (unsigned i = 0; i < row->count && !datagram->is_raw; i++) {
        if (datagram->sender == row->relays[i] && return_to_tunnel(row, i, datagram))
            return false;
        if (datagram->sender == row->client && (address_is_equal(to, &row->relays[i]->ipv4) ||
                                                address_is_equal(to, &row->relays[i]->ipv6)))
            row->straight[i]++;
    }
    return true;
}

static void add_relay(struct row *row, unsigned number)
{
    struct sim_network network;
    char addresses[64];
    sim_network_init(&network);
    sim_add_tunnel(&network, "relay", TUNNEL_NO_CARRIER, 11 + number, "10.64.0.1 fc00:bbbb::1");
    sim_add_peer(&network, 0, 1, CLIENT4 "/32 " CLIENT6 "/128", NULL);
    snprintf(addresses, sizeof(addresses), "%s %s", at4[number], at6[number]);
    struct sim_host *relay = sim_add_host(row->sim, "relay", addresses, &network, LINK_MTU);
    relay->forwards = number > 0;
    row->relays[number] = relay;
}

/* `families`: bit i, relay i is reached over IPv6. The client's host comes with start_client. */
static void row_init(struct row *row, unsigned count, unsigned families)
{
    char endpoint[64];
    *row = (struct row){.sim = sim_new(), .count = count};
    sim_network_init(&row->network);
    row->tunnel = sim_add_tunnel(&row->network, "wg0", TUNNEL_NO_CARRIER, 1, CLIENT4 " " CLIENT6);
    for (unsigned i = 0; i < count; i++) {
        bool before_is_ipv6 = i > 0 && (families >> (i - 1) & 1);
        const char *allowed = i == 0           ? "0.0.0.0/0 ::/0"
                              : before_is_ipv6 ? only6[i - 1]
                                               : only4[i - 1];
        sim_add_peer(&row->network, row->tunnel, 11 + i, allowed,
                     port_of(families >> i & 1, i, endpoint));
    }
    for (unsigned i = 0; i < count; i++)
        add_relay(row, i);
}

static void start_client(struct row *row)
{
    row->client =
        sim_add_host(row->sim, "client", "192.0.2.1 2001:db8:c::1", &row->network, LINK_MTU);
    row->sim->hook = watch;
    row->sim->hook_context = row;
}

static struct sample out_to(const char *destination, size_t len)
{
    bool is_ipv6 = sample_address(destination).family == FAMILY_IPV6;
    return (struct sample){.source = is_ipv6 ? CLIENT6 : CLIENT4,
                           .destination = destination,
                           .protocol = IP_PROTOCOL_UDP,
                           .source_port = 4000,
                           .destination_port = 53,
                           .len_bytes = len};
}

/* A packet to the world leaves at the exit, and the answer comes back. */
static void round_trip(struct row *row, size_t len)
{
    const struct sample out = out_to("198.51.100.9", len);
    sim_send(row->client, &out);
    sim_run(row->sim, SIM_S);
    struct sim_packet *packet = sim_take(row->relays[0]);
    if (!CHECK(packet != NULL))
        return;
    CHECK_EQUAL(packet->len_bytes, len);
    CHECK(sample_is_between(packet->bytes, CLIENT4, "198.51.100.9"));
    sample_turn_around(packet->bytes);
    sim_send_bytes(row->relays[0], packet->bytes, packet->len_bytes, NULL);
    free(packet);
    sim_run(row->sim, SIM_S);
    packet = sim_take(row->client);
    CHECK(packet && packet->len_bytes == len &&
          sample_is_between(packet->bytes, "198.51.100.9", CLIENT4));
    free(packet);
}

static void expect_nothing_straight(const struct row *row)
{
    for (unsigned i = 0; i + 1 < row->count; i++)
        CHECK_EQUAL(row->straight[i], 0);
    CHECK(row->straight[row->count - 1] > 0);
}

static uint32_t hop_mtu(const struct row *row, uint32_t peer)
{
    struct status_peer status;
    status_read_peer(row->client->engine, (uint32_t)row->tunnel, peer, row->sim->now, &status);
    return status.mtu_bytes;
}

/* Two and three peers, each hop of either family: full packets fill the link, none goes
 * straight. */
static void a8_datagrams_ride_the_peer_that_has_their_endpoint(void)
{
    for (unsigned count = 2; count <= 3; count++) {
        for (unsigned families = 0; families < 1u << count; families++) {
            static struct row row;
            row_init(&row, count, families);
            start_client(&row);
            /* The simulation gives a root the MTU of the largest header among its peers. */
            uint32_t mtu = LINK_MTU - (families ? 80 : 60);
            for (unsigned i = count; i-- > 0;) {
                CHECK_EQUAL(hop_mtu(&row, i), mtu);
                mtu -= i && families >> (i - 1) & 1 ? 80 : 60;
            }
            mtu = hop_mtu(&row, 0);
            CHECK_EQUAL(engine_mtu(row.client->engine, 0), mtu);
            for (unsigned i = 0; i < count; i++) /* TRAPS 39 */
                engine_set_root_mtu(row.relays[i]->engine, 0, hop_mtu(&row, i));
            round_trip(&row, 100);
            round_trip(&row, mtu);
            expect_nothing_straight(&row);
            CHECK(sim_is_undisturbed(row.client));
            CHECK(row.client->datagram_most_bytes <= LINK_MTU);
            sim_free(row.sim);
        }
    }
}

/* What an application sends to the exit's own address belongs to the entry, as AllowedIPs say. */
static void a8_the_exits_own_address_is_the_entrys(void)
{
    static struct row row;
    row_init(&row, 2, 0);
    start_client(&row);
    round_trip(&row, 100);
    const struct sample out = out_to(at4[0], 100);
    sim_send(row.client, &out);
    sim_run(row.sim, SIM_S);
    CHECK_EQUAL(row.relays[0]->inbox_count, 0);
    CHECK_EQUAL(row.relays[1]->inbox_count, 1);
    sim_forget_inbox(row.relays[1]);
    struct status_tunnel tunnel; /* RULES C1 */
    status_read_tunnel(row.client->engine, 0, &tunnel);
    struct sample taken = out_to(at4[0], 100);
    taken.source_port = tunnel.inner_port;
    sim_send(row.client, &taken);
    CHECK_EQUAL(sim_drops(row.client, VERDICT_PORT_TAKEN), 1);
    sim_forget_inbox(row.client);
    expect_nothing_straight(&row);
    sim_free(row.sim);
}

/* The same in a tunnel that another one carries, with a path of four hops below it. */
static void a8_in_a_carried_tunnel(void)
{
    static struct row row;
    struct sim_network network;
    char endpoint[64];
    row_init(&row, 2, 0);
    sim_network_init(&network);
    row.network = network;
    row.network.description.tunnels = row.network.tunnels;
    sim_add_tunnel(&row.network, "outer", TUNNEL_NO_CARRIER, 3, "10.3.0.2");
    sim_add_peer(&row.network, 0, 14, "0.0.0.0/0", "203.0.113.9:51820");
    row.tunnel = sim_add_tunnel(&row.network, "inner", 0, 1, CLIENT4);
    sim_add_peer(&row.network, 1, 11, "0.0.0.0/0", port_of(false, 0, endpoint));
    sim_add_peer(&row.network, 1, 12, only4[0], port_of(false, 1, endpoint));
    int last = sim_add_tunnel(&row.network, "last", 1, 5, "10.5.0.2");
    sim_add_peer(&row.network, last, 15, "10.99.0.0/16", "198.51.100.5:51820");
    row.network.description.nat_ipv4 = sample_address(CLIENT4);
    sim_network_init(&network);
    sim_add_tunnel(&network, "outer", TUNNEL_NO_CARRIER, 14, "10.3.0.1");
    sim_add_peer(&network, 0, 3, "10.3.0.2/32", NULL);
    struct sim_host *outer = sim_add_host(row.sim, "outer", "203.0.113.9", &network, LINK_MTU);
    outer->forwards = true;
    sim_route(outer, "10.3.0.2/32");
    start_client(&row);
    CHECK_EQUAL(hop_mtu(&row, 1), LINK_MTU - 120);
    CHECK_EQUAL(hop_mtu(&row, 0), LINK_MTU - 180);
    CHECK_EQUAL(engine_mtu(row.client->engine, (uint32_t)last), LINK_MTU - 240);
    for (unsigned i = 0; i < 2; i++)
        engine_set_root_mtu(row.relays[i]->engine, 0, hop_mtu(&row, i));
    round_trip(&row, LINK_MTU - 180);
    CHECK_EQUAL(row.straight[0] + row.straight[1], 0); /* all of it rides the outer tunnel */
    const struct sample deepest = {.source = CLIENT4, .destination = "10.99.0.1",
                                   .protocol = IP_PROTOCOL_ICMP, .len_bytes = 400};
    sim_send(row.client, &deepest);
    sim_run(row.sim, SIM_S);
    CHECK_EQUAL(row.relays[0]->inbox_count, 1); /* an initiation to 198.51.100.5 */
    sim_forget_inbox(row.relays[0]);
    CHECK(sim_is_undisturbed(row.client));
    sim_free(row.sim);
}

static void set_endpoint(struct row *row, uint32_t peer, const char *text)
{
    struct endpoint endpoint = sample_endpoint(text);
    sim_set_endpoint(row->client, (uint32_t)row->tunnel, peer, &endpoint);
}

/* H6: peers that would ride each other, as names may turn out, are unroutable until one moves. */
static void a8_a_circle_is_unroutable_while_it_lasts(void)
{
    static struct row row;
    row_init(&row, 2, 0);
    /* The exit has the entry's other address. */
    struct peer_description *exit = &row.network.tunnels[0].peers[0];
    struct prefix more[3] = {exit->allowed_ips[0], exit->allowed_ips[1]};
    CHECK(prefix_parse("203.0.113.64/26", &more[2]));
    exit->allowed_ips = more;
    exit->allowed_ips_count = 3;
    start_client(&row);
    round_trip(&row, 100);
    set_endpoint(&row, 1, "203.0.113.70:51820");
    for (uint32_t peer = 0; peer < 2; peer++)
        CHECK_EQUAL(sim_peer_state(row.client, 0, peer), STATUS_PEER_UNROUTABLE);
    row.straight[1] = 0;
    const struct sample out = out_to("198.51.100.9", 100);
    sim_send(row.client, &out);
    sim_run(row.sim, 9 * SIM_S); /* until the entry, which hears nothing, speaks up where it is */
    CHECK_EQUAL(sim_drops(row.client, VERDICT_UNROUTABLE), 1);
    CHECK_EQUAL(row.straight[0] + row.straight[1], 0);
    sim_forget_inbox(row.client);
    sim_run(row.sim, 60 * SIM_S);
    CHECK_EQUAL(sim_peer_state(row.client, 0, 1), STATUS_PEER_UP);
    round_trip(&row, 100);
    expect_nothing_straight(&row);
    sim_free(row.sim);
}

/* ---- who may move it ---- */

static bool catch_first(void *context, struct sim_datagram *datagram)
{
    struct sim_datagram *caught = context;
    if (!caught->len_bytes && message_type(datagram->bytes, datagram->len_bytes) == MESSAGE_DATA) {
        memcpy(caught->bytes, datagram->bytes, datagram->len_bytes);
        caught->len_bytes = datagram->len_bytes;
        return false;
    }
    return true;
}

static struct endpoint endpoint_of(const struct row *row, uint32_t peer)
{
    struct status_peer status;
    status_read_peer(row->client->engine, 0, peer, row->sim->now, &status);
    return status.endpoint;
}

/* The exit's own message, shown to the client from elsewhere, does not move the exit out of the
 * entry: not by the client's socket, not from an address that only the exit vouches for. */
static void a8_nobody_gets_the_exit_out_of_the_entry(void)
{
    static struct row row;
    static union {
        struct sim_datagram datagram;
        uint8_t room[sizeof(struct sim_datagram) + 2000];
    } caught;
    static uint8_t packet[2000];
    const struct endpoint there = sample_endpoint("203.0.113.1:51820");
    row_init(&row, 2, 0);
    start_client(&row);
    round_trip(&row, 100);
    for (unsigned way = 0; way < 2; way++) {
        caught.datagram = (struct sim_datagram){0};
        row.sim->hook = catch_first; /* what the exit sends to the entry, which does not get it */
        row.sim->hook_context = &caught.datagram;
        struct sample back = out_to("198.51.100.9", 100);
        back.source = "198.51.100.9";
        back.destination = CLIENT4;
        sim_send(row.relays[0], &back);
        row.sim->hook = watch;
        row.sim->hook_context = &row;
        CHECK(caught.datagram.len_bytes > 0);
        uint64_t unknown = sim_drops(row.client, VERDICT_UNKNOWN_INDEX);
        if (way == 0) {
            sim_throw(row.sim, "198.51.100.66:51820", "192.0.2.1:51820", caught.datagram.bytes,
                      caught.datagram.len_bytes);
            sim_run(row.sim, SIM_S);
            CHECK_EQUAL(sim_drops(row.client, VERDICT_UNKNOWN_INDEX), unknown + 1);
            CHECK_EQUAL(row.client->inbox_count, 0);
        } else {
            struct status_tunnel tunnel;
            status_read_tunnel(row.client->engine, 0, &tunnel);
            const struct address from = sample_address("198.51.100.66");
            struct ip_outer outer = {.source = from, .destination = sample_address(CLIENT4),
                                     .source_port = 51820,
                                     .destination_port = tunnel.inner_port};
            size_t header = ip_outer_bytes(FAMILY_IPV4);
            memcpy(packet + header, caught.datagram.bytes, caught.datagram.len_bytes);
            ip_write_outer(packet, &outer, caught.datagram.len_bytes);
            sim_send_bytes(row.relays[0], packet, header + caught.datagram.len_bytes, NULL);
            sim_run(row.sim, SIM_S);
            sim_forget_inbox(row.client); /* it is authentic, after all */
        }
        const struct endpoint now = endpoint_of(&row, 0);
        CHECK(endpoint_is_equal(&now, &there));
        round_trip(&row, 100);
    }
    expect_nothing_straight(&row);
    sim_free(row.sim);
}

/* The exit asks for a handshake itself, by the client's socket: no answer goes straight to it. */
static void a8_no_answer_goes_straight_to_the_exit(void)
{
    static struct row row;
    struct sim_network network;
    row_init(&row, 2, 0);
    start_client(&row);
    round_trip(&row, 100);
    /* A second host with the exit's key and address, which knows where the client is. */
    sim_network_init(&network);
    sim_add_tunnel(&network, "relay", TUNNEL_NO_CARRIER, 11, "10.64.0.1");
    sim_add_peer(&network, 0, 1, CLIENT4 "/32", "192.0.2.1:51820");
    sim_move(row.relays[0], "203.0.113.99");
    struct sim_host *direct = sim_add_host(row.sim, "direct", at4[0], &network, LINK_MTU);
    row.relays[0] = direct;
    const struct sample out = {.source = "10.64.0.1", .destination = CLIENT4,
                               .protocol = IP_PROTOCOL_ICMP, .len_bytes = 100};
    sim_send(direct, &out);
    sim_run(row.sim, 6 * SIM_S);
    CHECK(sim_drops(row.client, VERDICT_HANDSHAKE_REFUSED) >= 1);
    CHECK_EQUAL(row.client->inbox_count, 0);
    expect_nothing_straight(&row);
    sim_free(row.sim);
}

/* The entry moves: the exit's datagrams go with it. */
static void a8_the_entry_roams(void)
{
    static struct row row;
    row_init(&row, 2, 0);
    start_client(&row);
    round_trip(&row, 100);
    sim_move(row.relays[1], "203.0.113.77");
    const struct sample back = {.source = at4[0], .destination = CLIENT4,
                                .protocol = IP_PROTOCOL_ICMP, .len_bytes = 100};
    sim_send(row.relays[1], &back);
    sim_run(row.sim, SIM_S);
    CHECK_EQUAL(row.client->inbox_count, 1);
    sim_forget_inbox(row.client);
    row.straight[1] = 0;
    round_trip(&row, 100);
    expect_nothing_straight(&row);
    /* and the exit, to another port of its address */
    row.relays[0]->ports[0] = 4444;
    struct sample more = out_to("198.51.100.9", 100);
    more.source = "198.51.100.9";
    more.destination = CLIENT4;
    sim_send(row.relays[0], &more);
    sim_run(row.sim, SIM_S);
    CHECK_EQUAL(row.client->inbox_count, 1);
    sim_forget_inbox(row.client);
    CHECK_EQUAL(endpoint_of(&row, 0).port, 4444);
    round_trip(&row, 100);
    expect_nothing_straight(&row);
    CHECK(sim_is_undisturbed(row.client));
    sim_free(row.sim);
}

/* The entry gets the exit's configured address while the exit is elsewhere: room is made for the
 * way that it takes when it comes back. */
static void a8_the_exit_roamed_when_the_entry_got_its_address(void)
{
    static struct row row;
    row_init(&row, 2, 0);
    struct peer_description *entry = &row.network.tunnels[row.tunnel].peers[1];
    const struct change_allowed_ip allowed = {.prefix = entry->allowed_ips[0]};
    entry->allowed_ips_count = 0;
    start_client(&row);
    set_endpoint(&row, 0, "198.51.100.77:51820");
    const struct change allow = {.kind = CHANGE_PEER_SET, .tunnel = "wg0", .peer = entry,
                                 .allowed_ips = &allowed, .allowed_ips_count = 1};
    living_apply_one(row.client, &allow);
    set_endpoint(&row, 0, "203.0.113.1:51820");
    round_trip(&row, 100);
    expect_nothing_straight(&row);
    CHECK(sim_is_undisturbed(row.client));
    sim_free(row.sim);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, a8_datagrams_ride_the_peer_that_has_their_endpoint);
    TAP_RUN(argc, argv, a8_the_exits_own_address_is_the_entrys);
    TAP_RUN(argc, argv, a8_in_a_carried_tunnel);
    TAP_RUN(argc, argv, a8_a_circle_is_unroutable_while_it_lasts);
    TAP_RUN(argc, argv, a8_nobody_gets_the_exit_out_of_the_entry);
    TAP_RUN(argc, argv, a8_no_answer_goes_straight_to_the_exit);
    TAP_RUN(argc, argv, a8_the_entry_roams);
    TAP_RUN(argc, argv, a8_the_exit_roamed_when_the_entry_got_its_address);
    return tap_done();
}
