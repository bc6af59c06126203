/* SPDX-License-Identifier: MIT */
/* Kernel facts, on lo and a TAP of a namespace of our own. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bytes.h"
#include "rigs/own_netns.h"
#include "rigs/seccomp_child.h"
#include "rigs/udp_end.h"
#include "tap.h"

static const char *const loopbacks[] = {"127.0.0.1", "::1"};
static const enum family families[] = {FAMILY_IPV4, FAMILY_IPV6};

static void test_traps_32_a_run_of_equal_sizes_is_one_message_and_one_train(void)
{
    struct udp_end *a = udp_end_new(512, 2048, (struct udp_options){0});
    struct udp_end *b = udp_end_new(8, 2048, (struct udp_options){0});
    for (int f = 0; f < 2; f++) {
        struct udp_path path = udp_end_path(loopbacks[f], udp_port(b->udp));
        uint64_t before = udp_end_sent_messages(a);
        udp_end_send(a, &path, 1000, 7, 64, 1);
        CHECK_EQUAL(udp_end_sent_messages(a) - before, 1);
        udp_end_collect(b, families[f]);
        udp_end_check_in_order(b, 7, 64);
        CHECK_EQUAL(b->trains, 1);
        udp_end_send(a, &path, 900, 0, 200, 1); /* 64 at most in one message */
        CHECK_EQUAL(udp_end_sent_messages(a) - before, 1 + 4);
        udp_end_send(a, &path, 1400, 200, 64, 1); /* 64 KiB at most */
        CHECK_EQUAL(udp_end_sent_messages(a) - before, 1 + 4 + 2);
        udp_end_collect(b, families[f]);
        udp_end_check_in_order(b, 0, 264);
    }
    udp_end_free(a);
    udp_end_free(b);
}

static void test_h4_a_run_has_one_size_one_tos_one_endpoint_and_one_source(void)
{
    struct udp_end *a = udp_end_new(512, 2048, (struct udp_options){0});
    struct udp_end *b = udp_end_new(8, 2048, (struct udp_options){0});
    uint16_t port = udp_port(b->udp);
    struct udp_path first = udp_end_path("127.0.0.1", port), same = first;
    struct udp_path other = udp_end_path("127.0.0.2", port), sourced = first;
    sourced.source = udp_end_address("127.0.0.9");
    /* Each line: a message of its own but where said otherwise. */
    const struct {
        uint32_t len;
        uint8_t tos;
        struct udp_path *path;
    } plan[] = {
        {500, 0, &first}, {500, 0, &same},  {499, 0, &first}, /* the shorter one ends the run */
        {499, 0, &first}, {500, 0, &first},                   /* a longer one cannot join */
        {500, 2, &first}, {500, 2, &same},                    /* ECN */
        {500, 2, &other}, {500, 2, &other}, {500, 2, &sourced},
        {0, 0, &first},   {0, 0, &first},   {100, 0, &first},
    };
    enum { PLANNED = sizeof(plan) / sizeof(*plan) };
    struct udp_send sends[PLANNED];
    for (uint32_t i = 0; i < PLANNED; i++) {
        sends[i] = (struct udp_send){udp_end_make(a, plan[i].len, i), plan[i].path};
        sends[i].packet->tos = plan[i].tos;
    }
    udp_send(a->udp, sends, PLANNED, 1);
    CHECK_EQUAL(udp_end_sent_messages(a), 1 + 2 + 1 + 1 + 1 + 2 + 1);
    udp_end_collect(b, FAMILY_IPV4);
    CHECK_EQUAL(b->count, PLANNED);
    for (uint32_t i = 0; i < PLANNED; i++) {
        CHECK_EQUAL(b->records[i].len, plan[i].len);
        CHECK_EQUAL(b->records[i].tos, plan[i].tos);
        CHECK(address_is_equal(&b->records[i].destination, &plan[i].path->destination.address));
    }
    struct address source = udp_end_address("127.0.0.9");
    CHECK(address_is_equal(&b->records[9].source.address, &source));
    udp_end_free(a);
    udp_end_free(b);
}

static void test_traps_31_the_sticky_source_is_used_until_it_goes(void)
{
    struct udp_end *a = udp_end_new(64, 2048, (struct udp_options){0});
    struct udp_end *b = udp_end_new(8, 2048, (struct udp_options){0});
    static const char *const present[] = {"127.8.8.8", "fd00::8"};
    static const char *const gone[] = {"10.99.99.99", "fd00::99"};
    CHECK(own_netns_add_address("lo", "fd00::8", 128));
    for (int f = 0; f < 2; f++) {
        struct udp_path path = udp_end_path(loopbacks[f], udp_port(b->udp));
        path.source = udp_end_address(present[f]);
        path.source_interface = 1;
        for (int i = 0; i < 100; i++) { /* until duplicate detection has released fd00::8 */
            udp_end_send(a, &path, 300, 0, 5, 1);
            udp_end_collect(b, families[f]);
            CHECK_EQUAL(b->count, 5);
            if (address_is_equal(&b->records[4].source.address, &path.source))
                break;
            udp_forget(a->udp);
            usleep(50000);
        }
        CHECK(address_is_equal(&b->records[0].source.address, &path.source));
        CHECK(address_is_equal(&b->records[4].destination, &path.destination.address));

        path.source = udp_end_address(gone[f]);
        uint64_t lost = udp_counters(a->udp)->lost_sources;
        udp_end_send(a, &path, 300, 5, 5, 1);
        udp_end_send(a, &path, 300, 10, 5, 2); /* remembered */
        CHECK_EQUAL(udp_counters(a->udp)->lost_sources - lost, 1);
        CHECK_EQUAL(udp_counters(a->udp)->unsegmented, 0);
        udp_end_collect(b, families[f]);
        udp_end_check_in_order(b, 5, 10);
    }
    CHECK_EQUAL(udp_counters(a->udp)->dropped_packets, 0);
    udp_end_free(a);
    udp_end_free(b);
}

static void test_traps_31_a_source_that_is_spoken_to_is_back(void)
{
    struct udp_end *a = udp_end_new(16, 2048, (struct udp_options){0});
    struct udp_end *b = udp_end_new(16, 2048, (struct udp_options){0});
    static const char *const own[] = {"127.0.0.77", "fd00::91"};
    CHECK(own_netns_add_address("lo", "10.99.99.1", 32)); /* in the place of 127.0.0.1/8 */
    for (int f = 0; f < 2; f++) {
        struct udp_path path = udp_end_path(f ? "::1" : "10.99.99.1", udp_port(b->udp));
        const struct udp_path to_own = udp_end_path(own[f], udp_port(a->udp));
        path.source = to_own.destination.address;
        path.source_interface = 1;
        udp_end_send(a, &path, 300, 0, 1, NS_PER_S); /* remembered: it is not there */
        udp_end_collect(b, families[f]);
        CHECK(own_netns_add_address("lo", f ? own[f] : "127.0.0.1", f ? 128 : 8));
        path.destination = udp_end_path(loopbacks[f], udp_port(b->udp)).destination;
        for (int i = 0; i < 100; i++) { /* until duplicate detection has released it */
            udp_end_send(b, &to_own, 300, 0, 1, NS_PER_S);
            udp_end_collect(a, families[f]);
            if (a->count > 0)
                break;
            usleep(50000);
        }
        udp_end_send(a, &path, 300, 1, 1, NS_PER_S + 1);
        udp_end_collect(b, families[f]);
        CHECK_EQUAL(b->count, 1);
        CHECK(address_is_equal(&b->records[0].source.address, &path.source));
    }
    udp_end_free(a);
    udp_end_free(b);
}

static void test_e5_segments_over_the_mtu_are_sent_singly_and_remembered(void)
{
    struct udp_end *a = udp_end_new(256, 2048, (struct udp_options){0});
    struct udp_end *b = udp_end_new(8, 2048, (struct udp_options){0});
    CHECK(own_netns_set_mtu("lo", 1300));
    for (int f = 0; f < 2; f++) {
        struct udp_path path = udp_end_path(loopbacks[f], udp_port(b->udp));
        uint64_t before = udp_counters(a->udp)->unsegmented;
        udp_end_send(a, &path, 1400, 0, 20, NS_PER_S);
        CHECK_EQUAL(udp_counters(a->udp)->unsegmented - before, 1);
        udp_end_send(a, &path, 1400, 20, 20, NS_PER_S + UDP_NO_SEGMENTS_NS - 1);
        CHECK_EQUAL(udp_counters(a->udp)->unsegmented - before, 1);
        udp_end_send(a, &path, 1400, 40, 20, NS_PER_S + UDP_NO_SEGMENTS_NS); /* tried again */
        CHECK_EQUAL(udp_counters(a->udp)->unsegmented - before, 2);
        udp_end_collect(b, families[f]);
        udp_end_check_in_order(b, 0, 60);
        udp_forget(a->udp);
        uint64_t messages = udp_end_sent_messages(a);
        udp_end_send(a, &path, 1200, 0, 20, NS_PER_S);
        CHECK_EQUAL(udp_end_sent_messages(a) - messages, 1);
        udp_end_collect(b, families[f]);
        udp_end_check_in_order(b, 0, 20);
    }
    CHECK(own_netns_set_mtu("lo", 65536));
    CHECK_EQUAL(udp_counters(a->udp)->dropped_packets, 0);
    udp_end_free(a);
    udp_end_free(b);
}

static void test_traps_33_what_cannot_be_sent_does_not_stop_the_rest(void)
{
    struct udp_end *a = udp_end_new(256, 2048, (struct udp_options){0});
    struct udp_end *b = udp_end_new(8, 2048, (struct udp_options){0});
    struct udp_path good = udp_end_path("127.0.0.1", udp_port(b->udp));
    struct udp_path unreachable = udp_end_path("203.0.113.1", 9),
                    no_port = udp_end_path("127.0.0.1", 0);
    struct udp_path *bad[] = {&unreachable, &no_port};
    struct udp_send sends[90];
    for (uint32_t i = 0; i < 90; i++) /* runs of 10; every third is bad */
        sends[i] =
            (struct udp_send){udp_end_make(a, 200, i), i / 10 % 3 == 1 ? bad[i / 10 % 2] : &good};
    udp_send(a->udp, sends, 90, 1);
    CHECK_EQUAL(a->drops[VERDICT_SOCKET_ERROR], 30);
    udp_end_collect(b, FAMILY_IPV4);
    CHECK_EQUAL(b->count, 60);
    for (size_t i = 0; i < b->count; i++)
        CHECK_EQUAL(b->records[i].number, i / 20 * 30 + (i % 20 >= 10 ? 10 : 0) + i % 20);
    udp_end_free(a);
    udp_end_free(b);
}

/* An Ethernet whose neighbours do not answer: what is sent to them waits in the kernel, and counts
 * as the socket's, until they are known. (What stands in a TUN's queue does not count.) */
static int open_tap(const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    strncpy(request.ifr_name, name, IF_NAMESIZE - 1);
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && ioctl(fd, TUNSETIFF, &request) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void make_known(const char *interface, const char *neighbour)
{
    struct arpreq request = {.arp_flags = ATF_COM | ATF_PERM,
                             .arp_ha = {.sa_family = ARPHRD_ETHER, .sa_data = {2, 0, 0, 0, 0, 9}}};
    struct sockaddr_in *ipv4 = (struct sockaddr_in *)&request.arp_pa;
    ipv4->sin_family = AF_INET;
    CHECK_EQUAL(inet_pton(AF_INET, neighbour, &ipv4->sin_addr), 1);
    strncpy(request.arp_dev, interface, sizeof(request.arp_dev) - 1);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK_EQUAL(ioctl(fd, SIOCSARP, &request), 0);
    close(fd);
}

/* Reads what stands in the queue: UDP over IPv4, numbered. */
static size_t drain_tap(int fd, uint32_t *next)
{
    uint8_t bytes[2048];
    ssize_t len;
    size_t count = 0;
    while ((len = read(fd, bytes, sizeof(bytes))) > 0) {
        if (len < 46 || bytes[12] != 8 || bytes[13] != 0 || bytes[23] != IPPROTO_UDP)
            continue; /* the kernel's own */
        CHECK_EQUAL(load_be32(bytes + 42), *next);
        ++*next;
        count++;
    }
    return count;
}

static void test_h3_a_full_socket_keeps_a_bounded_queue_in_order(void)
{
    int tap = open_tap("h3");
    if (tap < 0) {
        tap_skip("no /dev/net/tun");
        return;
    }
    struct udp_end *a = udp_end_new(1024, 2048, (struct udp_options){.no_gso = true});
    int small = 16384, fd = udp_fd(a->udp, FAMILY_IPV4);
    CHECK_EQUAL(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    CHECK(own_netns_set_up("h3", true) && own_netns_add_address("h3", "10.3.0.1", 24));
    struct udp_path path = udp_end_path("10.3.0.2", 9);
    udp_end_send(a, &path, 1000, 0, 100, 1);
    CHECK_EQUAL(udp_waits_for(a->udp), FAMILY_IPV4);
    uint64_t sent = udp_counters(a->udp)->sent_packets;
    CHECK(sent > 0 && sent < 100);
    struct udp_path passing = path; /* what waits has a path of its own */
    udp_end_send(a, &passing, 1000, 100, 20, 1);
    passing = (struct udp_path){0};
    CHECK_EQUAL(udp_counters(a->udp)->sent_packets, sent);
    udp_resume(a->udp, 2); /* still full */
    CHECK_EQUAL(udp_counters(a->udp)->sent_packets, sent);

    make_known("h3", "10.3.0.2");
    uint32_t next = 0;
    size_t arrived = 0;
    for (int i = 0; i < 100 && udp_waits_for(a->udp) != FAMILY_NONE; i++) {
        arrived += drain_tap(tap, &next);
        udp_resume(a->udp, 3);
    }
    arrived += drain_tap(tap, &next);
    CHECK_EQUAL(arrived, 120);
    CHECK_EQUAL(udp_counters(a->udp)->dropped_packets, 0);

    path = udp_end_path("10.3.0.3", 9);
    udp_end_send(a, &path, 1000, 0, 900, 4); /* the queue has a quarter of 1024 slots */
    uint64_t sent_again = udp_counters(a->udp)->sent_packets - 120;
    CHECK_EQUAL(a->drops[VERDICT_SOCKET_FULL], 900 - sent_again - 256);
    CHECK_EQUAL(pool_free_slots(a->pool), 1024 - 256);
    close(tap);
    udp_end_free(a);
}

/* RULES C7: what waits for sessions is at most a quarter of the pool. If every handshake were
 * answered at once, into a socket that is full, nothing of it would be lost. */
static void test_h3_all_that_may_be_staged_has_room_in_the_queue(void)
{
    const struct network_description nothing = {0};
    struct pool_shape shape;
    engine_pool_shape(&nothing, &shape);
    int tap = open_tap("h3c7");
    if (tap < 0) {
        tap_skip("no /dev/net/tun");
        return;
    }
    struct udp_end *a = udp_end_new(shape.slots, 2048, (struct udp_options){.no_gso = true});
    int small = 16384, fd = udp_fd(a->udp, FAMILY_IPV4);
    CHECK_EQUAL(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    CHECK(own_netns_set_up("h3c7", true) && own_netns_add_address("h3c7", "10.7.0.1", 24));
    struct udp_path path = udp_end_path("10.7.0.2", 9);
    udp_end_send(a, &path, 1000, 0, shape.slots / 4, 1);
    CHECK_EQUAL(udp_waits_for(a->udp), FAMILY_IPV4);
    CHECK_EQUAL(udp_counters(a->udp)->dropped_packets, 0);
    close(tap);
    udp_end_free(a);
}

/* No memory for 64 KiB in one piece may be had while there is some for a packet. */
static bool tries_singly(void)
{
    seccomp_child_forbid(SYS_sendmmsg, 3, MSG_DONTWAIT, ENOBUFS);
    struct udp_end *a = udp_end_new(64, 2048, (struct udp_options){0});
    struct udp_path path = udp_end_path("127.0.0.1", 9);
    udp_end_send(a, &path, 1000, 0, 30, 1);
    bool is_right = CHECK_EQUAL(udp_counters(a->udp)->send_calls, 2);
    is_right &= CHECK_EQUAL(udp_counters(a->udp)->unsegmented, 1);
    is_right &= CHECK_EQUAL(udp_waits_for(a->udp), FAMILY_IPV4);
    is_right &= CHECK_EQUAL(udp_counters(a->udp)->queued_packets, 16); /* a quarter of 64 */
    udp_end_free(a);
    return is_right;
}

static void test_h3_without_memory_for_a_run_its_packets_are_tried_singly(void)
{
    seccomp_child_check(tries_singly);
}

int main(int argc, char **argv)
{
    if (!own_netns_enter()) {
        printf("1..0 # SKIP no right to make a network namespace\n");
        return 0;
    }
    TAP_RUN(argc, argv, test_traps_32_a_run_of_equal_sizes_is_one_message_and_one_train);
    TAP_RUN(argc, argv, test_h4_a_run_has_one_size_one_tos_one_endpoint_and_one_source);
    TAP_RUN(argc, argv, test_traps_31_the_sticky_source_is_used_until_it_goes);
    TAP_RUN(argc, argv, test_e5_segments_over_the_mtu_are_sent_singly_and_remembered);
    TAP_RUN(argc, argv, test_traps_33_what_cannot_be_sent_does_not_stop_the_rest);
    TAP_RUN(argc, argv, test_h3_without_memory_for_a_run_its_packets_are_tried_singly);
    TAP_RUN(argc, argv, test_h3_a_full_socket_keeps_a_bounded_queue_in_order);
    TAP_RUN(argc, argv, test_h3_all_that_may_be_staged_has_room_in_the_queue);
    TAP_RUN(argc, argv, test_traps_31_a_source_that_is_spoken_to_is_back);
    return tap_done();
}
