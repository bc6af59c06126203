/* SPDX-License-Identifier: MIT */
/* RULES H3, H5: what ends a network or stops it, and what does not. */
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rigs/network_pair.h"
#include "rigs/own_netns.h"
#include "rigs/seccomp_child.h"
#include "tap.h"

static void delete_interface(const struct network_end *end)
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

static void set_interface_up(const struct network_pair *pair, int index, bool is_up)
{
    const struct network_end *end = &pair->ends[index];
    CHECK_EQUAL(setns(end->namespace, CLONE_NEWNET), 0);
    CHECK(own_netns_set_up(end->tun.name, is_up));
    CHECK_EQUAL(setns(pair->world, CLONE_NEWNET), 0);
}

static void test_h5_only_a_deleted_interface_ends_the_network(void)
{
    struct network_pair pair;
    if (!network_pair_open(&pair, (struct tun_options){0}, (struct network_offloads){0}))
        return;
    set_interface_up(&pair, 0, false);
    set_interface_up(&pair, 0, true);
    network_pair_run(&pair, 20);
    CHECK_EQUAL(pair.ends[0].ended, 0);
    delete_interface(&pair.ends[0]);
    network_pair_run(&pair, 20);
    network_pair_run(&pair, 20);
    CHECK_EQUAL(pair.ends[0].ended, 1);
    CHECK_EQUAL(pair.ends[1].ended, 0);
    CHECK_EQUAL(setns(pair.world, CLONE_NEWNET), 0);
    network_pair_close(&pair);
}

static uint64_t tun_errors(const struct network_end *end)
{
    struct network_counters counters;
    network_read_counters(end->network, &counters);
    return counters.tun_errors;
}

/* The end's descriptor becomes one that is always ready and refuses each read and write; the TUN's
 * own is returned. */
static int break_tun(struct network_end *end)
{
    int pipe[2], tun = fcntl(end->tun.fds[0], F_DUPFD_CLOEXEC, 0);
    CHECK_EQUAL(pipe2(pipe, O_CLOEXEC | O_NONBLOCK), 0);
    CHECK_EQUAL(dup2(pipe[1], end->tun.fds[0]), end->tun.fds[0]);
    close(pipe[0]);
    close(pipe[1]);
    return tun;
}

static void test_h5_a_tun_that_fails_is_tried_again_after_a_rest(void)
{
    struct network_pair pair;
    if (!network_pair_make(&pair, (struct tun_options){0}))
        return;
    struct network_end *end = &pair.ends[0];
    int tun = break_tun(end);
    if (!network_pair_start(&pair, (struct network_offloads){0}))
        return;
    instant_ns until = loop_now() + 450 * NS_PER_MS;
    unsigned rounds = 0;
    for (; loop_now() < until; rounds++)
        loop_step(pair.loop, until);
    printf("# %u rounds, %llu errors\n", rounds, (unsigned long long)tun_errors(end));
    CHECK(tun_errors(end) >= 2 && tun_errors(end) <= 5);
    CHECK(rounds < 100);
    CHECK_EQUAL(end->lines, 1); /* not one a try */
    CHECK_EQUAL(end->ended, 0);

    uint64_t before = tun_errors(end);
    while (tun_errors(end) == before) /* it rests from here */
        loop_step(pair.loop, loop_now() + NS_PER_S);
    close(end->tun.fds[0]); /* so that the kernel refuses to watch it when its rest is over */
    for (until = loop_now() + 250 * NS_PER_MS; loop_now() < until;)
        loop_step(pair.loop, until);
    CHECK_EQUAL(dup2(tun, end->tun.fds[0]), end->tun.fds[0]);
    close(tun);
    CHECK_EQUAL(network_pair_converse(&pair), NETWORK_PAIR_STREAM_BYTES);
    network_pair_close(&pair);
}

static void test_h5_a_socket_that_fails_rests_and_goes_on(void)
{
    struct network_pair pair;
    if (!network_pair_open(&pair, (struct tun_options){0}, (struct network_offloads){0}))
        return;
    CHECK_EQUAL(network_pair_converse(&pair), NETWORK_PAIR_STREAM_BYTES);
    const struct udp *udp = network_udp(pair.ends[0].network, 0);
    struct sockaddr_in nobody = network_pair_name("127.0.0.1", 9);
    const struct sockaddr anybody = {.sa_family = AF_UNSPEC};
    unsigned lines = pair.ends[0].lines;
    int fd = udp_fd(udp, FAMILY_IPV4);
    /* The refusal is an error of the next receive. */
    CHECK_EQUAL(connect(fd, (struct sockaddr *)&nobody, sizeof(nobody)), 0);
    CHECK_EQUAL(send(fd, "?", 1, 0), 1);
    CHECK_EQUAL(connect(fd, &anybody, sizeof(anybody)), 0);
    uint64_t calls = udp_counters(udp)->receive_calls;
    network_pair_run(&pair, 20);
    CHECK_EQUAL(pair.ends[0].lines, lines + 1);
    CHECK_EQUAL(udp_counters(udp)->receive_calls, calls);
    CHECK_EQUAL(pair.ends[0].ended + pair.ends[1].ended, 0);
    CHECK_EQUAL(network_pair_converse(&pair), NETWORK_PAIR_STREAM_BYTES);
    network_pair_close(&pair);
}

/* What cannot be written meanwhile is counted, and that is all: no line, no rest. */
static void test_h5_packets_for_an_interface_that_is_down_are_counted(void)
{
    struct network_pair pair;
    uint8_t bytes[64] = {0};
    if (!network_pair_open(&pair, (struct tun_options){0}, (struct network_offloads){0}))
        return;
    CHECK_EQUAL(network_pair_converse(&pair), NETWORK_PAIR_STREAM_BYTES);
    struct network_end *end = &pair.ends[0];
    struct sockaddr_in near = network_pair_name(network_pair_addresses[0], 5000);
    int server = network_pair_socket(&pair, 1, SOCK_DGRAM);
    set_interface_up(&pair, 0, false);
    uint64_t before = tun_errors(end);
    unsigned lines = end->lines;
    for (int i = 0; i < 5; i++) {
        CHECK_EQUAL(sendto(server, bytes, 64, 0, (struct sockaddr *)&near, sizeof(near)), 64);
        network_pair_run(&pair, 20);
    }
    struct status_tunnel status;
    status_read_tunnel(network_engine(end->network), 0, &status);
    CHECK(tun_errors(end) >= before + 5); /* the stream's last words too */
    CHECK(status.drops[VERDICT_TUN_ERROR] >= 5);
    CHECK_EQUAL(end->lines, lines);
    set_interface_up(&pair, 0, true);
    CHECK_EQUAL(network_pair_converse(&pair), NETWORK_PAIR_STREAM_BYTES);
    close(server);
    network_pair_close(&pair);
}

/* The socket is writable all the time. */
static bool waits_for_memory(void)
{
    struct network_pair pair;
    unsigned rounds = 0;
    if (!network_pair_open(&pair, (struct tun_options){0}, (struct network_offloads){0}))
        return false;
    seccomp_child_forbid(SYS_sendmmsg, 3, MSG_DONTWAIT, ENOBUFS);
    struct sockaddr_in far = network_pair_name(network_pair_addresses[1], 5000);
    int client = network_pair_socket(&pair, 0, SOCK_DGRAM);
    bool is_right = CHECK_EQUAL(sendto(client, "?", 1, 0, (struct sockaddr *)&far, sizeof(far)), 1);
    for (instant_ns until = loop_now() + 250 * NS_PER_MS; loop_now() < until; rounds++)
        loop_step(pair.loop, until);
    printf("# %u rounds\n", rounds);
    is_right &= CHECK(rounds < 100);
    is_right &= CHECK_EQUAL(udp_waits_for(network_udp(pair.ends[0].network, 0)), FAMILY_IPV4);
    return is_right;
}

static void test_h3_without_memory_for_a_datagram_the_loop_does_not_spin(void)
{
    seccomp_child_check(waits_for_memory);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* of the broken TUN */
    if (!own_netns_enter() || access("/dev/net/tun", R_OK | W_OK) < 0) {
        printf("1..0 # SKIP no right to make a network namespace, or no /dev/net/tun\n");
        return 0;
    }
    TAP_RUN(argc, argv, test_h5_only_a_deleted_interface_ends_the_network);
    TAP_RUN(argc, argv, test_h5_a_tun_that_fails_is_tried_again_after_a_rest);
    TAP_RUN(argc, argv, test_h5_a_socket_that_fails_rests_and_goes_on);
    TAP_RUN(argc, argv, test_h3_without_memory_for_a_datagram_the_loop_does_not_spin);
    TAP_RUN(argc, argv, test_h5_packets_for_an_interface_that_is_down_are_counted);
    return tap_done();
}
