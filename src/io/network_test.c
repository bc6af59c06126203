/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rigs/network_pair.h"
#include "rigs/own_netns.h"
#include "tap.h"

static void test_h2_a_stream_arrives_and_batches_stay_batches(void)
{
    struct network_pair pair;
    if (!network_pair_open(&pair, (struct tun_options){0}, (struct network_offloads){0}))
        return;
    CHECK_EQUAL(network_pair_converse(&pair), NETWORK_PAIR_STREAM_BYTES);
    struct network_counters near, far;
    network_read_counters(pair.ends[0].network, &near);
    network_read_counters(pair.ends[1].network, &far);
    const struct udp_counters *sent = udp_counters(network_udp(pair.ends[0].network, 0));
    CHECK(near.tun_packets > NETWORK_PAIR_STREAM_BYTES / 1420);
    CHECK(pair.ends[0].tun.counters.reads < near.tun_packets / 4);
    CHECK(sent->sent_messages < sent->sent_packets / 4);
    CHECK(pair.ends[1].tun.counters.writes < far.udp_packets / 4);
    CHECK_EQUAL(sent->dropped_packets, 0);
    network_pair_check_no_drops(&pair.ends[0]);
    network_pair_check_no_drops(&pair.ends[1]);
    network_pair_close(&pair);
}

static void test_traps_35_a_stream_arrives_without_any_offload(void)
{
    struct network_pair pair;
    if (!network_pair_open(&pair, (struct tun_options){.no_tso = true, .no_uso = true},
                           (struct network_offloads){.no_udp_gso = true, .no_udp_gro = true}))
        return;
    CHECK_EQUAL(network_pair_converse(&pair), NETWORK_PAIR_STREAM_BYTES);
    const struct udp_counters *sent = udp_counters(network_udp(pair.ends[0].network, 0));
    CHECK_EQUAL(sent->sent_messages, sent->sent_packets);
    network_pair_check_no_drops(&pair.ends[0]);
    network_pair_check_no_drops(&pair.ends[1]);
    network_pair_close(&pair);
}

/* A datagram crosses, and its answer, without any timer: held runs leave with the first empty
 * poll. */
static void test_h4_a_lone_packet_leaves_at_once(void)
{
    struct network_pair pair;
    uint8_t bytes[64] = {0};
    if (!network_pair_open(&pair, (struct tun_options){0}, (struct network_offloads){0}))
        return;
    struct sockaddr_in near = network_pair_name(network_pair_addresses[0], 5000),
                       far = network_pair_name(network_pair_addresses[1], 5000);
    int client = network_pair_socket(&pair, 0, SOCK_DGRAM),
        server = network_pair_socket(&pair, 1, SOCK_DGRAM);
    CHECK_EQUAL(bind(client, (struct sockaddr *)&near, sizeof(near)), 0);
    CHECK_EQUAL(bind(server, (struct sockaddr *)&far, sizeof(far)), 0);
    duration_ns shortest = INSTANT_NEVER;
    for (int i = 0; i < 50; i++) { /* the first waits for the handshake */
        instant_ns start_ns = loop_now();
        CHECK_EQUAL(sendto(client, bytes, 64, 0, (struct sockaddr *)&far, sizeof(far)), 64);
        while (recv(server, bytes, 64, 0) != 64 && loop_now() < start_ns + 100 * NS_PER_MS)
            loop_step(pair.loop, start_ns + 100 * NS_PER_MS);
        CHECK_EQUAL(sendto(server, bytes, 64, 0, (struct sockaddr *)&near, sizeof(near)), 64);
        while (recv(client, bytes, 64, 0) != 64 && loop_now() < start_ns + 200 * NS_PER_MS)
            loop_step(pair.loop, start_ns + 200 * NS_PER_MS);
        if (loop_now() - start_ns < shortest)
            shortest = loop_now() - start_ns;
    }
    printf("# shortest round trip %llu us\n", (unsigned long long)shortest / 1000);
    CHECK(shortest < 20 * NS_PER_MS);
    network_pair_check_no_drops(&pair.ends[0]);
    network_pair_check_no_drops(&pair.ends[1]);
    close(client);
    close(server);
    network_pair_close(&pair);
}

/* A root flooded with what is no message at all: the TUN still has its turn in every round. */
static void test_h2_a_flooded_socket_does_not_starve_the_tun(void)
{
    struct network_pair pair;
    uint8_t rubbish[64] = {9}, bytes[64] = {0};
    if (!network_pair_open(&pair, (struct tun_options){0}, (struct network_offloads){0}))
        return;
    struct sockaddr_in far = network_pair_name(network_pair_addresses[1], 5000);
    struct sockaddr_in root = network_pair_name("127.0.0.1", pair.ends[0].port);
    int client = network_pair_socket(&pair, 0, SOCK_DGRAM);
    int flood = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    for (int i = 0; i < 3000; i++)
        sendto(flood, rubbish, sizeof(rubbish), 0, (struct sockaddr *)&root, sizeof(root));
    for (int i = 0; i < 5; i++)
        CHECK_EQUAL(sendto(client, bytes, 64, 0, (struct sockaddr *)&far, sizeof(far)), 64);
    struct network_counters before, after;
    network_read_counters(pair.ends[0].network, &before);
    for (int i = 0; i < 3; i++)
        loop_step(pair.loop, 0);
    network_read_counters(pair.ends[0].network, &after);
    CHECK(after.udp_packets - before.udp_packets >= 128);
    CHECK(after.udp_packets - before.udp_packets <= 3 * (128 + 63)); /* whole trains */
    CHECK(after.tun_packets >= 5); /* and the kernel's own */
    for (int i = 0; i < 60; i++)
        loop_step(pair.loop, 0);
    struct status_tunnel status;
    status_read_tunnel(network_engine(pair.ends[0].network), 0, &status);
    CHECK_EQUAL(status.drops[VERDICT_BAD_MESSAGE], 3000);
    close(client);
    close(flood);
    network_pair_close(&pair);
}

int main(int argc, char **argv)
{
    if (!own_netns_enter() || access("/dev/net/tun", R_OK | W_OK) < 0) {
        printf("1..0 # SKIP no right to make a network namespace, or no /dev/net/tun\n");
        return 0;
    }
    TAP_RUN(argc, argv, test_h2_a_stream_arrives_and_batches_stay_batches);
    TAP_RUN(argc, argv, test_traps_35_a_stream_arrives_without_any_offload);
    TAP_RUN(argc, argv, test_h4_a_lone_packet_leaves_at_once);
    TAP_RUN(argc, argv, test_h2_a_flooded_socket_does_not_starve_the_tun);
    return tap_done();
}
