/* SPDX-License-Identifier: MIT */
/* Two networks on one loop, each with a TUN in a namespace of its own, their sockets on the lo of a
 * third: what applications of the first say to those of the second. */
#include "io/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "crypto/x25519.h"
#include "io/io_memory.h"
#include "io/own_netns.h"
#include "tap.h"

struct end {
    struct tun tun;
    struct network *network;
    struct aead *aead;
    struct address address;
    uint8_t private_key[32];
    uint8_t public_key[32];
    uint16_t port;
    int namespace;
    unsigned ended;
};

struct pair {
    struct loop *loop;
    struct io_memory *secrets;
    int world; /* the namespace of the sockets */
    struct end ends[2];
};

static const char *const addresses[] = {"10.9.0.1", "10.9.0.2"};

static void count_end(void *context)
{
    ((struct end *)context)->ended++;
}

static void print_line(void *context, const char *line)
{
    printf("# %s: %s\n", ((struct end *)context)->tun.name, line);
}

static bool make_tun(struct end *end, int index, struct tun_options options)
{
    char sentence[200], name[16];
    struct text why;
    text_init(&why, sentence, sizeof(sentence));
    snprintf(name, sizeof(name), "hop%d", index);
    if (!own_netns_enter() || tun_open(&end->tun, name, &options, &why) < 0)
        return CHECK(false);
    end->namespace = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    CHECK(address_parse(addresses[index], &end->address));
    return CHECK(own_netns_set_up(name, true) && own_netns_set_mtu(name, 1420) &&
                 own_netns_add_address(name, addresses[index], 24));
}

/* One tunnel with one peer: the other end. */
static bool start(struct pair *pair, int index, const struct network_offloads *offloads)
{
    struct end *end = &pair->ends[index], *other = &pair->ends[1 - index];
    struct prefix everything = prefix_host(&other->address);
    struct peer_description peer = {.allowed_ips = &everything,
                                    .allowed_ips_count = 1,
                                    .has_endpoint = true,
                                    .endpoint = {.port = other->port}};
    CHECK(address_parse("127.0.0.1", &peer.endpoint.address));
    memcpy(peer.public_key, other->public_key, 32);
    struct tunnel_description tunnel = {.name = "only",
                                        .carrier = TUNNEL_NO_CARRIER,
                                        .addresses = &end->address,
                                        .address_count = 1,
                                        .listen_port = end->port,
                                        .mtu_bytes = 1420,
                                        .routes_are_default = true,
                                        .peers = &peer,
                                        .peer_count = 1};
    memcpy(tunnel.private_key, end->private_key, 32);
    const struct network_description description = {
        .tunnels = &tunnel, .tunnel_count = 1, .nat_ipv4 = end->address};
    end->aead = aead_new(io_memory_plain(), NULL);
    const struct network_options options = {.loop = pair->loop,
                                            .description = &description,
                                            .tun = &end->tun,
                                            .secrets = io_memory_secrets(pair->secrets),
                                            .plain = io_memory_plain(),
                                            .random = loop_random(),
                                            .aead = end->aead,
                                            .offloads = *offloads,
                                            .log = print_line,
                                            .ended = count_end,
                                            .context = end};
    char sentence[200];
    struct text why;
    text_init(&why, sentence, sizeof(sentence));
    if (!CHECK_EQUAL(network_start(&end->network, &options, &why), 0)) {
        printf("# %s\n", sentence);
        return false;
    }
    CHECK_EQUAL(network_port(end->network, 0), end->port);
    engine_set_root_mtu(network_engine(end->network), 0, 1420);
    engine_set_up(network_engine(end->network), true, loop_now());
    return true;
}

/* Leaves the process in the sockets' namespace. */
static bool pair_open(struct pair *pair, struct tun_options tun_options,
                      struct network_offloads offloads)
{
    *pair = (struct pair){.world = -1};
    pair->secrets = io_memory_new(NULL, NULL);
    CHECK_EQUAL(loop_new(&pair->loop), 0);
    if (!own_netns_enter())
        return CHECK(false);
    pair->world = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    for (int i = 0; i < 2; i++) {
        struct end *end = &pair->ends[i];
        random_fill(loop_random(), end->private_key, 32);
        x25519_clamp(end->private_key);
        x25519_public(end->public_key, end->private_key);
        end->port = (uint16_t)(20001 + i);
        if (!make_tun(end, i, tun_options))
            return false;
    }
    return CHECK_EQUAL(setns(pair->world, CLONE_NEWNET), 0) && start(pair, 0, &offloads) &&
           start(pair, 1, &offloads);
}

static void pair_close(struct pair *pair)
{
    for (int i = 0; i < 2; i++) {
        network_stop(pair->ends[i].network);
        aead_free(pair->ends[i].aead);
        tun_close(&pair->ends[i].tun);
        close(pair->ends[i].namespace);
    }
    loop_free(pair->loop);
    io_memory_free(pair->secrets);
    close(pair->world);
}

/* A socket in an end's namespace. */
static int socket_at(const struct pair *pair, int index, int type)
{
    CHECK_EQUAL(setns(pair->ends[index].namespace, CLONE_NEWNET), 0);
    int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK_EQUAL(setns(pair->world, CLONE_NEWNET), 0);
    return fd;
}

static struct sockaddr_in name_of(const char *text, uint16_t port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};
    CHECK_EQUAL(inet_pton(AF_INET, text, &name.sin_addr), 1);
    return name;
}

static void run(struct pair *pair, unsigned rounds)
{
    instant_ns until = loop_now() + 5 * NS_PER_MS;
    for (unsigned i = 0; i < rounds && loop_now() < until; i++)
        CHECK_EQUAL(loop_step(pair->loop, until), 0);
}

static void check_no_drops(const struct end *end)
{
    struct status_tunnel status;
    status_read_tunnel(network_engine(end->network), 0, &status);
    for (unsigned verdict = 1; verdict < VERDICT_COUNT; verdict++) {
        /* The kernel's own router solicitations and the like have no address here. */
        if (verdict != VERDICT_SCOPE && verdict != VERDICT_NO_ROUTE && status.drops[verdict])
            printf("# %s: %llu %s\n", end->tun.name, (unsigned long long)status.drops[verdict],
                   verdict_name(verdict));
        CHECK(verdict == VERDICT_SCOPE || verdict == VERDICT_NO_ROUTE || !status.drops[verdict]);
    }
}

/* 4 MB over TCP from the first end to the second; the bytes that arrived as they were sent. */
static size_t converse(struct pair *pair)
{
    enum { TOTAL = 4000000 };
    static uint8_t chunk[65536];
    struct sockaddr_in name = name_of(addresses[1], 7777);
    int client = socket_at(pair, 0, SOCK_STREAM), server = socket_at(pair, 1, SOCK_STREAM);
    int connection = -1;
    size_t sent = 0, arrived = 0;
    CHECK_EQUAL(bind(server, (struct sockaddr *)&name, sizeof(name)), 0);
    CHECK_EQUAL(listen(server, 1), 0);
    CHECK(connect(client, (struct sockaddr *)&name, sizeof(name)) < 0 && errno == EINPROGRESS);
    for (instant_ns end = loop_now() + 20 * NS_PER_S; arrived < TOTAL && loop_now() < end;) {
        run(pair, 3);
        if (connection < 0)
            connection = accept4(server, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        size_t ask = TOTAL - sent < sizeof(chunk) ? TOTAL - sent : sizeof(chunk);
        for (size_t i = 0; i < ask; i++)
            chunk[i] = (uint8_t)((sent + i) * 131 >> 7);
        ssize_t len = send(client, chunk, ask, MSG_NOSIGNAL);
        sent += len > 0 ? (size_t)len : 0;
        while ((len = recv(connection, chunk, sizeof(chunk), 0)) > 0)
            for (ssize_t i = 0; i < len; i++, arrived++)
                if (chunk[i] != (uint8_t)(arrived * 131 >> 7))
                    return arrived;
    }
    close(connection);
    close(client);
    close(server);
    return arrived;
}

static void test_h2_a_stream_arrives_and_batches_stay_batches(void)
{
    struct pair pair;
    if (!pair_open(&pair, (struct tun_options){0}, (struct network_offloads){0}))
        return;
    CHECK_EQUAL(converse(&pair), 4000000);
    struct network_counters near, far;
    network_read_counters(pair.ends[0].network, &near);
    network_read_counters(pair.ends[1].network, &far);
    const struct udp_counters *sent = udp_counters(network_udp(pair.ends[0].network, 0));
    CHECK(near.tun_packets > 4000000 / 1420);
    CHECK(pair.ends[0].tun.counters.reads < near.tun_packets / 4);
    CHECK(sent->sent_messages < sent->sent_packets / 4);
    CHECK(pair.ends[1].tun.counters.writes < far.udp_packets / 4);
    CHECK_EQUAL(sent->dropped_packets, 0);
    check_no_drops(&pair.ends[0]);
    check_no_drops(&pair.ends[1]);
    pair_close(&pair);
}

static void test_traps_35_a_stream_arrives_without_any_offload(void)
{
    struct pair pair;
    if (!pair_open(&pair, (struct tun_options){.no_tso = true, .no_uso = true},
                   (struct network_offloads){.no_udp_gso = true, .no_udp_gro = true}))
        return;
    CHECK_EQUAL(converse(&pair), 4000000);
    const struct udp_counters *sent = udp_counters(network_udp(pair.ends[0].network, 0));
    CHECK_EQUAL(sent->sent_messages, sent->sent_packets);
    check_no_drops(&pair.ends[0]);
    check_no_drops(&pair.ends[1]);
    pair_close(&pair);
}

/* A datagram crosses, and its answer, without any timer: held runs leave with the first empty poll.
 */
static void test_h4_a_lone_packet_leaves_at_once(void)
{
    struct pair pair;
    uint8_t bytes[64] = {0};
    if (!pair_open(&pair, (struct tun_options){0}, (struct network_offloads){0}))
        return;
    struct sockaddr_in near = name_of(addresses[0], 5000), far = name_of(addresses[1], 5000);
    int client = socket_at(&pair, 0, SOCK_DGRAM), server = socket_at(&pair, 1, SOCK_DGRAM);
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
    check_no_drops(&pair.ends[0]);
    check_no_drops(&pair.ends[1]);
    close(client);
    close(server);
    pair_close(&pair);
}

/* A root flooded with what is no message at all: the TUN still has its turn in every round. */
static void test_h2_a_flooded_socket_does_not_starve_the_tun(void)
{
    struct pair pair;
    uint8_t rubbish[64] = {9}, bytes[64] = {0};
    if (!pair_open(&pair, (struct tun_options){0}, (struct network_offloads){0}))
        return;
    struct sockaddr_in far = name_of(addresses[1], 5000);
    struct sockaddr_in root = name_of("127.0.0.1", pair.ends[0].port);
    int client = socket_at(&pair, 0, SOCK_DGRAM);
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
    pair_close(&pair);
}

static void test_a_root_moves_to_another_port(void)
{
    struct pair pair;
    char sentence[200];
    struct text why;
    text_init(&why, sentence, sizeof(sentence));
    if (!pair_open(&pair, (struct tun_options){0}, (struct network_offloads){0}))
        return;
    struct network *network = pair.ends[0].network;
    CHECK_EQUAL(network_set_port(network, 0, pair.ends[1].port, &why), -EADDRINUSE);
    CHECK(why.len > 0);
    CHECK_EQUAL(network_port(network, 0), 20001);
    CHECK_EQUAL(network_set_port(network, 0, 20009, &why), 0);
    CHECK_EQUAL(network_port(network, 0), 20009);
    CHECK_EQUAL(network_set_mark(network, 1, 5), -EOPNOTSUPP);
    CHECK_EQUAL(converse(&pair), 4000000);
    pair_close(&pair);
}

static void delete_interface(const struct end *end)
{
    CHECK_EQUAL(setns(end->namespace, CLONE_NEWNET), 0);
    struct {
        struct nlmsghdr header;
        struct ifinfomsg link;
    } request = {.header = {.nlmsg_len = sizeof(request),
                            .nlmsg_type = RTM_DELLINK,
                            .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
                 .link = {.ifi_index = (int)if_nametoindex(end->tun.name)}};
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    CHECK(sendto(fd, &request, sizeof(request), 0, (struct sockaddr *)&kernel, sizeof(kernel)) > 0);
    uint8_t answer[512];
    CHECK(recv(fd, answer, sizeof(answer), 0) > 0);
    close(fd);
}

static void test_h5_only_a_deleted_interface_ends_the_network(void)
{
    struct pair pair;
    if (!pair_open(&pair, (struct tun_options){0}, (struct network_offloads){0}))
        return;
    CHECK_EQUAL(setns(pair.ends[0].namespace, CLONE_NEWNET), 0);
    CHECK(own_netns_set_up("hop0", false));
    CHECK(own_netns_set_up("hop0", true));
    CHECK_EQUAL(setns(pair.world, CLONE_NEWNET), 0);
    run(&pair, 20);
    CHECK_EQUAL(pair.ends[0].ended, 0);
    delete_interface(&pair.ends[0]);
    run(&pair, 20);
    run(&pair, 20);
    CHECK_EQUAL(pair.ends[0].ended, 1);
    CHECK_EQUAL(pair.ends[1].ended, 0);
    CHECK_EQUAL(setns(pair.world, CLONE_NEWNET), 0);
    pair_close(&pair);
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
    TAP_RUN(argc, argv, test_a_root_moves_to_another_port);
    TAP_RUN(argc, argv, test_h5_only_a_deleted_interface_ends_the_network);
    return tap_done();
}
