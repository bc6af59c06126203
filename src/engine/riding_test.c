/* SPDX-License-Identifier: MIT */
/* RULES H6, TRAPS 18: the host routes datagrams of ours into the interface again. */
#include <stdlib.h>

#include "simulation/simulation.h"

enum { X, Y };

/* Two roots, each of which may take the endpoint of the other's peer; the host routes into the
 * interface what goes to the listed ones. */
struct circle {
    struct sim *sim;
    struct sim_host *client;
    struct sim_host *relays[2];
    bool is_looped[2];
    unsigned fed;
    uint8_t waiting[64][2000]; /* datagrams for the interface, as packets */
    size_t lengths[64];
    unsigned waiting_count;
};

static const char *const endpoints[] = {"203.0.113.1", "203.0.113.2"};

static struct sim_host *add_relay(struct sim *sim, unsigned number, const char *client)
{
    struct sim_network network;
    sim_network_init(&network);
    sim_add_tunnel(&network, "relay", TUNNEL_NO_CARRIER, 11 + number,
                   number ? "10.2.0.1" : "10.1.0.1");
    sim_add_peer(&network, 0, 1, client, NULL);
    struct sim_host *relay = sim_add_host(sim, "relay", endpoints[number], &network, 1500);
    relay->forwards = number == X; /* what Y's datagrams need when they ride X */
    return relay;
}

/* What the kernel would do with a datagram whose route leads into the interface. */
static bool loop_back(void *context, struct sim_datagram *datagram)
{
    struct circle *circle = context;
    bool is_looped = false;
    for (unsigned i = 0; i < 2; i++) {
        struct address address = sample_address(endpoints[i]);
        is_looped |=
            circle->is_looped[i] && address_is_equal(&address, &datagram->destination.address);
    }
    if (datagram->sender != circle->client || datagram->is_raw || !is_looped)
        return true;
    if (!CHECK(circle->waiting_count < 64))
        return false;
    uint8_t *bytes = circle->waiting[circle->waiting_count];
    size_t header = ip_outer_bytes(FAMILY_IPV4);
    struct ip_outer outer = {.source = datagram->source.address,
                             .destination = datagram->destination.address,
                             .source_port = datagram->source.port,
                             .destination_port = datagram->destination.port};
    memcpy(bytes + header, datagram->bytes, datagram->len_bytes);
    ip_write_outer(bytes, &outer, datagram->len_bytes);
    circle->lengths[circle->waiting_count++] = header + datagram->len_bytes;
    return false;
}

static void run(struct circle *circle, duration_ns duration, duration_ns step)
{
    for (instant_ns end = circle->sim->now + duration; circle->sim->now < end;) {
        unsigned count = circle->waiting_count;
        for (unsigned i = 0; i < count; i++)
            sim_write(circle->client, circle->waiting[i], circle->lengths[i], NULL);
        circle->fed += count;
        circle->waiting_count = 0;
        if (!CHECK(circle->fed < 1000)) /* a loop without an end */
            return;
        sim_flush(circle->client);
        sim_run(circle->sim, step);
    }
}

static void circle_init(struct circle *circle)
{
    struct sim_network network;
    *circle = (struct circle){.sim = sim_new()};
    sim_network_init(&network);
    for (int i = 0; i < 2; i++) {
        sim_add_tunnel(&network, i ? "y" : "x", TUNNEL_NO_CARRIER, 1, "10.0.0.2");
        sim_set_nat_off(&network, i);
    }
    sim_add_peer(&network, X, 11, "10.1.0.0/16 203.0.113.2/32", "203.0.113.1:51820");
    sim_add_peer(&network, Y, 12, "10.2.0.0/16 203.0.113.1/32", "203.0.113.2:51820");
    circle->client = sim_add_host(circle->sim, "client", "192.0.2.1", &network, 1500);
    circle->relays[X] = add_relay(circle->sim, X, "10.0.0.2/32 192.0.2.1/32");
    circle->relays[Y] = add_relay(circle->sim, Y, "10.0.0.2/32 192.0.2.1/32");
    sim_route(circle->relays[X], "192.0.2.9/32");
    circle->sim->hook = loop_back;
    circle->sim->hook_context = circle;
}

static void say(struct circle *circle, unsigned relay)
{
    const struct sample sample = {.source = "10.0.0.2",
                                  .destination = relay == X ? "10.1.0.1" : "10.2.0.1",
                                  .protocol = IP_PROTOCOL_ICMP, .len_bytes = 100};
    sim_send(circle->client, &sample);
    run(circle, SIM_S / 2, SIM_S / 100);
}

static void connect_rig(struct circle *circle)
{
    circle_init(circle);
    for (unsigned i = 0; i < 2; i++) {
        say(circle, i);
        CHECK_EQUAL(sim_peer_state(circle->client, i, 0), STATUS_PEER_UP);
        CHECK_EQUAL(circle->relays[i]->inbox_count, 1);
        sim_forget_inbox(circle->relays[i]);
    }
}

static void h6_a_peer_does_not_ride_itself(void)
{
    struct sim *sim = sim_new();
    struct sim_network network;
    static struct circle circle;
    circle = (struct circle){.sim = sim, .is_looped = {true, false}};
    sim_network_init(&network);
    sim_add_tunnel(&network, "root", TUNNEL_NO_CARRIER, 1, "10.0.0.2");
    sim_add_peer(&network, 0, 11, "0.0.0.0/0", "203.0.113.1:51820");
    circle.client = sim_add_host(sim, "client", "192.0.2.1", &network, 1500);
    circle.relays[X] = add_relay(sim, X, "10.0.0.2/32");
    say(&circle, X);
    CHECK_EQUAL(sim_peer_state(circle.client, 0, 0), STATUS_PEER_UP);
    sim_forget_inbox(circle.relays[X]);
    sim->hook = loop_back;
    sim->hook_context = &circle;
    uint64_t sent = circle.client->datagrams_sent;
    for (unsigned i = 0; i < 10; i++)
        say(&circle, X);
    CHECK_EQUAL(circle.fed, 10);
    CHECK_EQUAL(sim_drops(circle.client, VERDICT_LOOP), 10);
    CHECK_EQUAL(circle.client->datagrams_sent, sent + 10);
    CHECK_EQUAL(circle.client->inbox_count, 0);
    /* handshakes too, for hours */
    run(&circle, 3600 * SIM_S, SIM_S / 10);
    CHECK(circle.fed < 100);
    circle.is_looped[X] = false; /* the route is mended */
    say(&circle, X);
    sim_run(sim, 10 * SIM_S);
    CHECK(circle.relays[X]->inbox_count >= 1);
    sim_forget_inbox(circle.relays[X]);
    sim_free(sim);
}

static void h6_two_peers_do_not_ride_each_other(void)
{
    static struct circle circle;
    connect_rig(&circle);
    circle.is_looped[X] = circle.is_looped[Y] = true;
    for (unsigned i = 0; i < 10; i++)
        say(&circle, i % 2);
    CHECK_EQUAL(sim_drops(circle.client, VERDICT_LOOP), 10);
    CHECK(circle.fed <= 20);
    run(&circle, 3600 * SIM_S, SIM_S / 10);
    CHECK(circle.fed < 300);
    for (unsigned i = 0; i < 2; i++)
        sim_forget_inbox(circle.relays[i]);
    sim_free(circle.sim);
}

/* The kernel nests what is routed so. */
static void h6_nested_peers_of_one_interface_work(void)
{
    static struct circle circle;
    connect_rig(&circle);
    sim_route(circle.relays[X], "192.0.2.1/32");
    circle.is_looped[Y] = true;
    for (unsigned i = 0; i < 10; i++)
        say(&circle, Y);
    CHECK_EQUAL(circle.relays[Y]->inbox_count, 10);
    CHECK_EQUAL(sim_drops(circle.client, VERDICT_LOOP), 0);
    /* and the other way round, once that was long enough ago */
    sim_forget_inbox(circle.relays[Y]);
    circle.is_looped[Y] = false;
    sim_run(circle.sim, 20 * SIM_S);
    circle.relays[X]->forwards = false;
    circle.relays[Y]->forwards = true;
    sim_forget_inbox(circle.relays[X]);
    circle.is_looped[X] = true;
    say(&circle, X);
    CHECK_EQUAL(circle.relays[X]->inbox_count, 1);
    CHECK_EQUAL(sim_drops(circle.client, VERDICT_LOOP), 0);
    for (unsigned i = 0; i < 2; i++)
        sim_forget_inbox(circle.relays[i]);
    sim_free(circle.sim);
}

/* Another program's WireGuard to the same server is nobody's loop. */
static void h6_what_others_send_to_a_peers_endpoint_rides_on(void)
{
    static struct circle circle;
    connect_rig(&circle);
    uint8_t bytes[200] = {0};
    size_t header = ip_outer_bytes(FAMILY_IPV4);
    struct ip_outer outer = {.source = sample_address("10.0.0.2"),
                             .destination = sample_address("203.0.113.2"),
                             .source_port = 51820, .destination_port = 51820};
    uint64_t sent = circle.client->datagrams_sent;
    for (uint8_t type = 0; type < 6; type++) {
        bytes[header] = type;
        bytes[header + 4] = 0x77;
        ip_write_outer(bytes, &outer, sizeof(bytes) - header);
        sim_send_bytes(circle.client, bytes, sizeof(bytes), NULL);
    }
    sim_run(circle.sim, SIM_S);
    CHECK_EQUAL(sim_drops(circle.client, VERDICT_LOOP), 0);
    CHECK_EQUAL(circle.client->datagrams_sent, sent + 6);
    for (unsigned i = 0; i < 2; i++)
        sim_forget_inbox(circle.relays[i]);
    sim_free(circle.sim);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, h6_a_peer_does_not_ride_itself);
    TAP_RUN(argc, argv, h6_two_peers_do_not_ride_each_other);
    TAP_RUN(argc, argv, h6_nested_peers_of_one_interface_work);
    TAP_RUN(argc, argv, h6_what_others_send_to_a_peers_endpoint_rides_on);
    return tap_done();
}
