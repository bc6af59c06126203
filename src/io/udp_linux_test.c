/* SPDX-License-Identifier: MIT */
/* Kernel facts, on lo of a namespace of our own. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/udp_state.h"
#include "rigs/own_netns.h"
#include "rigs/seccomp_child.h"
#include "rigs/udp_end.h"
#include "tap.h"

static const char *const loopbacks[] = {"127.0.0.1", "::1"};
static const enum family families[] = {FAMILY_IPV4, FAMILY_IPV6};

static void test_traps_31_both_families_share_one_port(void)
{
    struct udp_end *a = udp_end_new(8, 2048, (struct udp_options){0});
    CHECK(udp_port(a->udp) != 0);
    for (int f = 0; f < 2; f++) {
        struct sockaddr_in6 name; /* the port is at the same place in both */
        socklen_t len = sizeof(name);
        CHECK(udp_fd(a->udp, families[f]) >= 0);
        CHECK_EQUAL(getsockname(udp_fd(a->udp, families[f]), (struct sockaddr *)&name, &len), 0);
        CHECK_EQUAL(ntohs(name.sin6_port), udp_port(a->udp));
    }
    /* One family's port is taken: both are refused. */
    struct sockaddr_in6 name = {.sin6_family = AF_INET6};
    socklen_t len = sizeof(name);
    int other = socket(AF_INET6, SOCK_DGRAM, 0), on = 1;
    setsockopt(other, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    CHECK_EQUAL(bind(other, (struct sockaddr *)&name, len), 0);
    CHECK_EQUAL(getsockname(other, (struct sockaddr *)&name, &len), 0);
    struct text why = TEXT_ROOM(200);
    struct udp *refused = NULL;
    struct udp_options options = {.port = ntohs(name.sin6_port), .pool = a->pool};
    CHECK_EQUAL(udp_open(&refused, &options, &why), -EADDRINUSE);
    CHECK(refused == NULL && why.len > 0);
    close(other);
    CHECK_EQUAL(udp_open(&refused, &options, &why), 0);
    CHECK_EQUAL(udp_port(refused), options.port);
    udp_close(refused);
    udp_end_free(a);
}

static bool sends_without_ipv6(void)
{
    seccomp_child_forbid(SYS_socket, 0, AF_INET6, EAFNOSUPPORT);
    struct udp_end *a = udp_end_new(8, 2048, (struct udp_options){0});
    struct udp_path to_self = udp_end_path("127.0.0.1", udp_port(a->udp));
    struct udp_path to_ipv6 = udp_end_path("::1", udp_port(a->udp));
    udp_end_send(a, &to_ipv6, 100, 0, 2, 1);
    udp_end_send(a, &to_self, 100, 2, 2, 1);
    udp_end_collect(a, FAMILY_IPV4);
    bool is_right =
        udp_fd(a->udp, FAMILY_IPV6) < 0 && a->count == 2 && a->drops[VERDICT_SOCKET_ERROR] == 2;
    udp_end_free(a);
    return is_right;
}

static void test_traps_31_ipv4_alone_where_ipv6_is_off(void)
{
    seccomp_child_check(sends_without_ipv6);
}

static bool sends_singly(void)
{
    seccomp_child_forbid(SYS_getsockopt, 2, UDP_SEGMENT, ENOPROTOOPT);
    struct udp_end *a = udp_end_new(64, 2048, (struct udp_options){0});
    struct udp_path to_self = udp_end_path("127.0.0.1", udp_port(a->udp));
    udp_end_send(a, &to_self, 700, 0, 30, 1);
    bool is_right = udp_end_sent_messages(a) == 30 && udp_counters(a->udp)->send_calls == 1;
    udp_end_free(a);
    return is_right;
}

/* Kernels before Linux 4.18 pass over the control message, and a run would be one datagram. */
static void test_traps_32_no_runs_where_the_kernel_does_not_know_them(void)
{
    seccomp_child_check(sends_singly);
}

static void test_e3_ipv4_ignores_path_mtu_messages(void)
{
    struct udp_end *a = udp_end_new(8, 2048, (struct udp_options){0});
    int mode = -1;
    socklen_t len = sizeof(mode);
    int fd = udp_fd(a->udp, FAMILY_IPV4);
    CHECK_EQUAL(getsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &mode, &len), 0);
    CHECK_EQUAL(mode, IP_PMTUDISC_OMIT);
    udp_end_free(a);
}

static void test_traps_37_datagrams_of_any_size(void)
{
    static const uint32_t most[] = {65507, 65527};
    struct udp_end *a = udp_end_new(64, 65536, (struct udp_options){0});
    struct udp_end *b = udp_end_new(8, 2048, (struct udp_options){0});
    for (int f = 0; f < 2; f++) {
        struct udp_path path = udp_end_path(loopbacks[f], udp_port(b->udp));
        uint32_t sizes[40] = {0, 1, 2, 3, 4, 1472, 1473, 9000, 65506, most[f]}, sent = 10;
        while (sent < 40)
            sizes[sent++] = (uint32_t)tap_random_below(most[f] + 1);
        for (uint32_t i = 0; i < sent; i++) {
            struct udp_send send = {udp_end_make(a, sizes[i], i), &path};
            udp_send(a->udp, &send, 1, 1);
            udp_end_collect(b, families[f]);
            CHECK_EQUAL(b->count, 1);
            CHECK_EQUAL(b->records[0].len, sizes[i]);
        }
        udp_end_send(a, &path, most[f] + 1, 0, 2, 1); /* no datagram can be this long */
        CHECK_EQUAL(a->drops[VERDICT_SOCKET_ERROR], 2 * (f + 1));
    }
    udp_end_free(a);
    udp_end_free(b);
}

static void test_traps_38_tos_travels_in_both_families(void)
{
    struct udp_end *a = udp_end_new(8, 2048, (struct udp_options){0});
    struct udp_end *b = udp_end_new(8, 2048, (struct udp_options){0});
    for (int f = 0; f < 2; f++) {
        struct udp_path path = udp_end_path(loopbacks[f], udp_port(b->udp));
        for (unsigned tos = 0; tos < 256; tos += 3) {
            struct udp_send send = {udp_end_make(a, 100, tos), &path};
            send.packet->tos = (uint8_t)tos;
            udp_send(a->udp, &send, 1, 1);
            udp_end_collect(b, families[f]);
            CHECK_EQUAL(b->records[0].tos, tos);
        }
    }
    udp_end_free(a);
    udp_end_free(b);
}

static void test_traps_35_gso_and_gro_have_switches(void)
{
    struct udp_end *a = udp_end_new(64, 2048, (struct udp_options){.no_gso = true});
    struct udp_end *b = udp_end_new(8, 2048, (struct udp_options){0});
    struct udp_end *c = udp_end_new(64, 2048, (struct udp_options){0});
    struct udp_end *d = udp_end_new(8, 2048, (struct udp_options){.no_gro = true});
    struct udp_path to_b = udp_end_path("127.0.0.1", udp_port(b->udp));
    struct udp_path to_d = udp_end_path("127.0.0.1", udp_port(d->udp));
    udp_end_send(a, &to_b, 700, 0, 30, 1);
    CHECK_EQUAL(udp_end_sent_messages(a), 30);
    CHECK_EQUAL(udp_counters(a->udp)->send_calls, 1);
    udp_end_collect(b, FAMILY_IPV4);
    udp_end_check_in_order(b, 0, 30);
    udp_end_send(c, &to_d, 700, 0, 30, 1);
    CHECK_EQUAL(udp_end_sent_messages(c), 1);
    udp_end_collect(d, FAMILY_IPV4);
    udp_end_check_in_order(d, 0, 30);
    CHECK_EQUAL(d->trains, 0);
    udp_end_free(a);
    udp_end_free(b);
    udp_end_free(c);
    udp_end_free(d);
}

static void test_no_block_is_told_and_what_waits_can_be_thrown_away(void)
{
    struct udp_end *a = udp_end_new(64, 2048, (struct udp_options){0});
    struct udp_end *b = udp_end_new(8, 2048, (struct udp_options){0});
    struct udp_path path = udp_end_path("127.0.0.1", udp_port(b->udp));
    struct block *blocks[64];
    struct udp_train trains[UDP_RECEIVE_MOST];
    bool has_more;
    for (int i = 0; i < 64; i++)
        blocks[i] = pool_take_block(b->pool);
    udp_end_send(a, &path, 100, 0, 3, 1);
    CHECK_EQUAL(udp_receive(b->udp, FAMILY_IPV4, trains, &has_more), -ENOBUFS);
    udp_discard(b->udp, FAMILY_IPV4);
    CHECK(b->drops[VERDICT_POOL_EMPTY] > 0);
    for (int i = 0; i < 64; i++)
        pool_give_block(b->pool, blocks[i]);
    udp_end_collect(b, FAMILY_IPV4);
    CHECK_EQUAL(b->count, 0);
    udp_end_free(a);
    udp_end_free(b);
}

int main(int argc, char **argv)
{
    if (!own_netns_enter()) {
        printf("1..0 # SKIP no right to make a network namespace\n");
        return 0;
    }
    TAP_RUN(argc, argv, test_traps_31_both_families_share_one_port);
    TAP_RUN(argc, argv, test_traps_31_ipv4_alone_where_ipv6_is_off);
    TAP_RUN(argc, argv, test_traps_32_no_runs_where_the_kernel_does_not_know_them);
    TAP_RUN(argc, argv, test_e3_ipv4_ignores_path_mtu_messages);
    TAP_RUN(argc, argv, test_traps_37_datagrams_of_any_size);
    TAP_RUN(argc, argv, test_traps_38_tos_travels_in_both_families);
    TAP_RUN(argc, argv, test_traps_35_gso_and_gro_have_switches);
    TAP_RUN(argc, argv, test_no_block_is_told_and_what_waits_can_be_thrown_away);
    return tap_done();
}
