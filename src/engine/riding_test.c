/* SPDX-License-Identifier: MIT */
/* RULES H6, TRAPS 18: the host routes datagrams of ours into the interface again. */
#include <stdlib.h>

#include "simulation/simulation.h"

enum { X, Y };

/* Two roots, each of which may take the endpoint of the other's peer; the host routes into the
 * interface what goes to the listed ones. */
struct rig {
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
    struct rig *rig = context;
    bool is_looped = false;
    for (unsigned i = 0; i < 2; i++) {
        struct address address = sample_address(endpoints[i]);
        is_looped |= rig->is_looped[i] &&
                     address_is_equal(&address, &datagram->destination.address);
    }
    if (datagram->sender != rig->client || datagram->is_raw || !is_looped)
        return true;
    if (!CHECK(rig->waiting_count < 64))
        return false;
    uint8_t *bytes = rig->waiting[rig->waiting_count];
    size_t header = ip_outer_bytes(FAMILY_IPV4);
    struct ip_outer outer = {.source = datagram->source.address,
                             .destination = datagram->destination.address,
                             .source_port = datagram->source.port,
                             .destination_port = datagram->destination.port};
    memcpy(bytes + header, datagram->bytes, datagram->len_bytes);
    ip_write_outer(bytes, &outer, datagram->len_bytes);
    rig->lengths[rig->waiting_count++] = header + datagram->len_bytes;
    return false;
}

static void run(struct rig *rig, duration_ns duration, duration_ns step)
{
    for (instant_ns end = rig->sim->now + duration; rig->sim->now < end;) {
        unsigned count = rig->waiting_count;
        for (unsigned i = 0; i < count; i++)
            sim_write(rig->client, rig->waiting[i], rig->lengths[i], NULL);
        rig->fed += count;
        rig->waiting_count = 0;
        if (!CHECK(rig->fed < 1000)) /* a loop without an end */
            return;
        sim_flush(rig->client);
        sim_run(rig->sim, step);
    }
}

static void rig_init(struct rig *rig)
{
    struct sim_network network;
    *rig = (struct rig){.sim = sim_new()};
    sim_network_init(&network);
    for (int i = 0; i < 2; i++) {
        sim_add_tunnel(&network, i ? "y" : "x", TUNNEL_NO_CARRIER, 1, "10.0.0.2");
        sim_set_nat_off(&network, i);
    }
    sim_add_peer(&network, X, 11, "10.1.0.0/16 203.0.113.2/32", "203.0.113.1:51820");
    sim_add_peer(&network, Y, 12, "10.2.0.0/16 203.0.113.1/32", "203.0.113.2:51820");
    rig->client = sim_add_host(rig->sim, "client", "192.0.2.1", &network, 1500);
    rig->relays[X] = add_relay(rig->sim, X, "10.0.0.2/32 192.0.2.1/32");
    rig->relays[Y] = add_relay(rig->sim, Y, "10.0.0.2/32 192.0.2.1/32");
    sim_route(rig->relays[X], "192.0.2.9/32");
    rig->sim->hook = loop_back;
    rig->sim->hook_context = rig;
}

static void say(struct rig *rig, unsigned relay)
{
    const struct sample sample = {.source = "10.0.0.2",
                                  .destination = relay == X ? "10.1.0.1" : "10.2.0.1",
                                  .protocol = IP_PROTOCOL_ICMP, .len_bytes = 100};
    sim_send(rig->client, &sample);
    run(rig, SIM_S / 2, SIM_S / 100);
}

static void connect_rig(struct rig *rig)
{
    rig_init(rig);
    for (unsigned i = 0; i < 2; i++) {
        say(rig, i);
        CHECK_EQUAL(sim_peer_state(rig->client, i, 0), STATUS_PEER_UP);
        CHECK_EQUAL(rig->relays[i]->inbox_count, 1);
        sim_forget_inbox(rig->relays[i]);
    }
}

static void h6_a_peer_does_not_ride_itself(void)
{
    struct sim *sim = sim_new();
    struct sim_network network;
    static struct rig rig;
    rig = (struct rig){.sim = sim, .is_looped = {true, false}};
    sim_network_init(&network);
    sim_add_tunnel(&network, "root", TUNNEL_NO_CARRIER, 1, "10.0.0.2");
    sim_add_peer(&network, 0, 11, "0.0.0.0/0", "203.0.113.1:51820");
    rig.client = sim_add_host(sim, "client", "192.0.2.1", &network, 1500);
    rig.relays[X] = add_relay(sim, X, "10.0.0.2/32");
    say(&rig, X);
    CHECK_EQUAL(sim_peer_state(rig.client, 0, 0), STATUS_PEER_UP);
    sim_forget_inbox(rig.relays[X]);
    sim->hook = loop_back;
    sim->hook_context = &rig;
    uint64_t sent = rig.client->datagrams_sent;
    for (unsigned i = 0; i < 10; i++)
        say(&rig, X);
    CHECK_EQUAL(rig.fed, 10);
    CHECK_EQUAL(sim_drops(rig.client, VERDICT_LOOP), 10);
    CHECK_EQUAL(rig.client->datagrams_sent, sent + 10);
    CHECK_EQUAL(rig.client->inbox_count, 0);
    /* handshakes too, for hours */
    run(&rig, 3600 * SIM_S, SIM_S / 10);
    CHECK(rig.fed < 100);
    rig.is_looped[X] = false; /* the route is mended */
    say(&rig, X);
    sim_run(sim, 10 * SIM_S);
    CHECK(rig.relays[X]->inbox_count >= 1);
    sim_forget_inbox(rig.relays[X]);
    sim_free(sim);
}

static void h6_two_peers_do_not_ride_each_other(void)
{
    static struct rig rig;
    connect_rig(&rig);
    rig.is_looped[X] = rig.is_looped[Y] = true;
    for (unsigned i = 0; i < 10; i++)
        say(&rig, i % 2);
    CHECK_EQUAL(sim_drops(rig.client, VERDICT_LOOP), 10);
    CHECK(rig.fed <= 20);
    run(&rig, 3600 * SIM_S, SIM_S / 10);
    CHECK(rig.fed < 300);
    for (unsigned i = 0; i < 2; i++)
        sim_forget_inbox(rig.relays[i]);
    sim_free(rig.sim);
}

/* The kernel nests what is routed so. */
static void h6_nested_peers_of_one_interface_work(void)
{
    static struct rig rig;
    connect_rig(&rig);
    sim_route(rig.relays[X], "192.0.2.1/32");
    rig.is_looped[Y] = true;
    for (unsigned i = 0; i < 10; i++)
        say(&rig, Y);
    CHECK_EQUAL(rig.relays[Y]->inbox_count, 10);
    CHECK_EQUAL(sim_drops(rig.client, VERDICT_LOOP), 0);
    /* and the other way round, once that was long enough ago */
    sim_forget_inbox(rig.relays[Y]);
    rig.is_looped[Y] = false;
    sim_run(rig.sim, 20 * SIM_S);
    rig.relays[X]->forwards = false;
    rig.relays[Y]->forwards = true;
    sim_forget_inbox(rig.relays[X]);
    rig.is_looped[X] = true;
    say(&rig, X);
    CHECK_EQUAL(rig.relays[X]->inbox_count, 1);
    CHECK_EQUAL(sim_drops(rig.client, VERDICT_LOOP), 0);
    for (unsigned i = 0; i < 2; i++)
        sim_forget_inbox(rig.relays[i]);
    sim_free(rig.sim);
}

/* Another program's WireGuard to the same server is nobody's loop. */
static void h6_what_others_send_to_a_peers_endpoint_rides_on(void)
{
    static struct rig rig;
    connect_rig(&rig);
    uint8_t bytes[200] = {0};
    size_t header = ip_outer_bytes(FAMILY_IPV4);
    struct ip_outer outer = {.source = sample_address("10.0.0.2"),
                             .destination = sample_address("203.0.113.2"),
                             .source_port = 51820, .destination_port = 51820};
    uint64_t sent = rig.client->datagrams_sent;
    for (uint8_t type = 0; type < 6; type++) {
        bytes[header] = type;
        bytes[header + 4] = 0x77;
        ip_write_outer(bytes, &outer, sizeof(bytes) - header);
        sim_send_bytes(rig.client, bytes, sizeof(bytes), NULL);
    }
    sim_run(rig.sim, SIM_S);
    CHECK_EQUAL(sim_drops(rig.client, VERDICT_LOOP), 0);
    CHECK_EQUAL(rig.client->datagrams_sent, sent + 6);
    for (unsigned i = 0; i < 2; i++)
        sim_forget_inbox(rig.relays[i]);
    sim_free(rig.sim);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, h6_a_peer_does_not_ride_itself);
    TAP_RUN(argc, argv, h6_two_peers_do_not_ride_each_other);
    TAP_RUN(argc, argv, h6_nested_peers_of_one_interface_work);
    TAP_RUN(argc, argv, h6_what_others_send_to_a_peers_endpoint_rides_on);
    return tap_done();
}
