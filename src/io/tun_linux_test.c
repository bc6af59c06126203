/* SPDX-License-Identifier: MIT */
/* Kernel facts, on TUNs in namespaces of our own. */
#include "io/tun_linux.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "rigs/own_netns.h"
#include "rigs/udp_end.h"
#include "tap.h"

static uint8_t buffer[TUN_READ_BYTES];

static bool open_tun(struct tun *tun, const char *name, struct tun_options options)
{
    struct text why = TEXT_ROOM(200);
    int error = tun_open(tun, name, &options, &why);
    if (error)
        printf("# %s\n", why.bytes);
    return CHECK_EQUAL(error, 0);
}

static bool bring_up(const struct tun *tun, const char *address)
{
    return own_netns_set_up(tun->name, true) && own_netns_add_address(tun->name, address, 24);
}

/* The next packet of a queue that is not the kernel's own chatter, which is IPv6; its length, or
 * -errno. */
static ssize_t read_from(struct tun *tun, unsigned queue, struct vnet_header *vnet)
{
    ssize_t len;
    do
        len = tun_read(tun, queue, vnet, buffer, sizeof(buffer));
    while (len > 0 && buffer[0] >> 4 == 6);
    return len;
}

/* Of the first queue that has one. */
static ssize_t read_packet(struct tun *tun, struct vnet_header *vnet)
{
    ssize_t len = -EAGAIN;
    for (unsigned queue = 0; len == -EAGAIN && queue < tun->queue_count; queue++)
        len = read_from(tun, queue, vnet);
    return len;
}

static void test_an_existing_interface_is_refused(void)
{
    struct tun tun, second = {.fds = {-7}};
    char sentence[300];
    struct text why;
    if (!open_tun(&tun, "excl0", (struct tun_options){0}))
        return;
    text_init(&why, sentence, sizeof(sentence));
    CHECK_EQUAL(tun_open(&second, "excl0", &(struct tun_options){0}, &why), -EEXIST);
    CHECK(strstr(sentence, "excl0") && second.fds[0] == -7);
    text_init(&why, sentence, sizeof(sentence));
    CHECK_EQUAL(tun_open(&second, "lo", &(struct tun_options){0}, &why), -EEXIST);
    text_init(&why, sentence, sizeof(sentence));
    CHECK_EQUAL(tun_open(&second, "sixteen-bytes-xx", &(struct tun_options){0}, &why), -EINVAL);
    CHECK(why.len > 0);
    tun_close(&tun);
    text_init(&why, sentence, sizeof(sentence)); /* it went with its descriptor */
    CHECK_EQUAL(tun_open(&tun, "excl0", &(struct tun_options){0}, &why), 0);
    tun_close(&tun);
}

/* A UDP_SEGMENT run into a TUN; *largest: of the packets read, all pieces counted. */
static size_t read_run(struct tun *tun, const char *to, size_t *largest)
{
    struct udp_end *end = udp_end_new(64, 2048, (struct udp_options){0});
    struct udp_path path = udp_end_path(to, 9);
    struct vnet_header vnet;
    ssize_t len;
    size_t bytes = 0;
    udp_end_send(end, &path, 1000, 0, 40, 1);
    *largest = 0;
    while ((len = read_packet(tun, &vnet)) > 0) {
        size_t segment = vnet.gso_type ? vnet.gso_size : (size_t)len - 28;
        CHECK_EQUAL(segment, 1000);
        CHECK(!vnet.gso_type || vnet.gso_type == VNET_GSO_UDP_L4);
        bytes += (size_t)len - 28;
        if ((size_t)len > *largest)
            *largest = (size_t)len;
    }
    CHECK_EQUAL(len, -EAGAIN);
    CHECK_EQUAL(udp_counters(end->udp)->dropped_packets, 0);
    udp_end_free(end);
    return bytes;
}

static void test_traps_35_udp_super_packets_have_a_switch(void)
{
    struct tun tun;
    size_t largest;
    if (!open_tun(&tun, "uso0", (struct tun_options){0}) || !bring_up(&tun, "10.5.0.1"))
        return;
    CHECK_EQUAL(read_run(&tun, "10.5.0.2", &largest), 40000);
    CHECK_EQUAL(largest > 1028, tun.hands_out_udp);
    CHECK_EQUAL(tun.takes_udp, tun.hands_out_udp);
    tun_close(&tun);
    if (!open_tun(&tun, "uso1", (struct tun_options){.no_uso = true}) ||
        !bring_up(&tun, "10.6.0.1"))
        return;
    CHECK(!tun.hands_out_udp && !tun.takes_udp && tun.hands_out_tcp);
    CHECK_EQUAL(read_run(&tun, "10.6.0.2", &largest), 40000);
    CHECK_EQUAL(largest, 1028);
    tun_close(&tun);
}

/* TRAPS 32: kernels before 6.11 answer EIO to UDP_SEGMENT here, later ones cut in software. */
static void test_traps_32_a_device_without_checksum_offload_loses_nothing(void)
{
    struct tun tun;
    size_t largest;
    if (!open_tun(&tun, "eio0", (struct tun_options){0}) || !bring_up(&tun, "10.7.0.1"))
        return;
    CHECK_EQUAL(ioctl(tun.fds[0], TUNSETOFFLOAD, 0), 0);
    CHECK_EQUAL(read_run(&tun, "10.7.0.2", &largest), 40000);
    CHECK_EQUAL(largest, 1028);
    tun_close(&tun);
}

static void test_h5_errors_of_a_link_that_is_down_and_of_one_that_is_gone(void)
{
    struct tun tun;
    struct vnet_header vnet;
    uint8_t bytes[28] = {0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17};
    struct packet packet = {.data = bytes, .len_bytes = sizeof(bytes)};
    const struct tun_frame frame = {.first = &packet, .packets = 1, .len_bytes = sizeof(bytes)};
    if (!open_tun(&tun, "down0", (struct tun_options){0}))
        return;
    CHECK_EQUAL(tun_write(&tun, &frame), -EIO);
    CHECK_EQUAL(read_packet(&tun, &vnet), -EAGAIN);
    CHECK(own_netns_set_up("down0", true));
    CHECK_EQUAL(tun_write(&tun, &frame), 0);
    bytes[0] = 0x15; /* no IP version: refused alone, nothing is learned from it */
    CHECK_EQUAL(tun_write(&tun, &frame), -EINVAL);
    bytes[0] = 0x45;
    CHECK_EQUAL(tun_write(&tun, &frame), 0);
    CHECK_EQUAL(tun.counters.refused_writes, 2);
    tun_close(&tun);
}

static void test_a_descriptor_that_is_no_tun_is_not_adopted(void)
{
    struct tun tun = {.fds = {-7}};
    struct text why = TEXT_ROOM(200);
    int ends[2];
    CHECK_EQUAL(pipe(ends), 0);
    CHECK(tun_adopt(&tun, ends[0], &(struct tun_options){0}, &why) < 0);
    CHECK(why.len > 0 && tun.fds[0] == -7);
    CHECK_EQUAL(close(ends[0]) + close(ends[1]), 0); /* they stayed ours */
}

/* ---- flows and queues ---- */

/* The source port of the packet in the buffer. */
static unsigned port_in_buffer(void)
{
    return (unsigned)buffer[20] << 8 | buffer[21];
}

/* Swaps addresses and ports of the UDP packet in the buffer and writes it back. */
static void answer(struct tun *tun, ssize_t len)
{
    uint8_t ends[8], ports[4];
    memcpy(ends, buffer + 12, 8);
    memcpy(buffer + 12, ends + 4, 4);
    memcpy(buffer + 16, ends, 4);
    memcpy(ports, buffer + 20, 4);
    memcpy(buffer + 20, ports + 2, 2);
    memcpy(buffer + 22, ports, 2);
    struct packet packet = {.data = buffer, .len_bytes = (uint32_t)len};
    const struct tun_frame frame = {.first = &packet, .packets = 1, .len_bytes = (uint32_t)len};
    CHECK_EQUAL(tun_write(tun, &frame), 0);
}

static int flow_to(const char *to)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(9)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(inet_pton(AF_INET, to, &name.sin_addr) == 1);
    CHECK_EQUAL(connect(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    return fd;
}

/* Sends one datagram; the queue it came into. */
static unsigned queue_of(struct tun *tun, int flow)
{
    struct vnet_header vnet;
    CHECK_EQUAL(send(flow, "x", 1, 0), 1);
    for (unsigned queue = 0; queue < tun->queue_count; queue++)
        if (read_from(tun, queue, &vnet) > 0)
            return queue;
    CHECK(false);
    return 0;
}

static void test_traps_14_a_flood_without_answers_pushes_no_answered_flow_out(void)
{
    enum { FLOWS_MOST = 200, FLOOD = 3000 };
    struct tun tun;
    struct vnet_header vnet;
    if (!open_tun(&tun, "fair0", (struct tun_options){0}) || !bring_up(&tun, "10.9.0.1"))
        return;
    CHECK_EQUAL(tun.queue_count, TUN_QUEUES_MOST);
    int answered = flow_to("10.9.0.2"), flood = -1;
    queue_of(&tun, answered);
    answer(&tun, 29);
    CHECK_EQUAL(queue_of(&tun, answered), 0);
    unsigned port = port_in_buffer();
    for (int i = 0; i < FLOWS_MOST && flood < 0; i++) { /* hashed into another queue: 7 of 8 are */
        int flow = flow_to("10.9.0.3");
        if (queue_of(&tun, flow) != 0)
            flood = flow;
        else
            close(flow);
    }
    for (int i = 0; i < FLOOD; i++)
        CHECK(send(flood, "x", 1, 0) == 1 || errno == ENOBUFS);
    CHECK_EQUAL(send(answered, "x", 1, 0), 1);
    CHECK_EQUAL(read_from(&tun, 0, &vnet), 29);
    CHECK_EQUAL(port_in_buffer(), port);
    close(flood);
    close(answered);
    tun_close(&tun);
}

static void test_traps_35_queues_have_a_switch(void)
{
    struct tun tun;
    if (!open_tun(&tun, "fair1", (struct tun_options){.no_queues = true}))
        return;
    CHECK_EQUAL(tun.queue_count, 1);
    tun_close(&tun);
}

/* ---- two namespaces, a TUN in each, a TCP connection between them, and we are the wire ---- */

struct wire {
    struct tun near, far; /* near: a namespace with the client */
    int client, server;
    size_t super_packets; /* that crossed */
    bool is_cut;          /* into several packets with payload only, as coalescing leaves them */
};

static bool make_far_tun(struct tun *tun, bool has_vnet_header)
{
    if (has_vnet_header)
        return open_tun(tun, "far", (struct tun_options){0});
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI, .ifr_name = "far"};
    struct text why = TEXT_ROOM(200);
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    return CHECK_EQUAL(ioctl(fd, TUNSETIFF, &request), 0) &&
           CHECK_EQUAL(tun_adopt(tun, fd, &(struct tun_options){0}, &why), 0);
}

static struct sockaddr_in tcp_name(const char *text)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(7777)};
    CHECK_EQUAL(inet_pton(AF_INET, text, &name.sin_addr), 1);
    return name;
}

/* Leaves the process in the far namespace. */
static bool wire_open(struct wire *wire, bool has_vnet_header)
{
    *wire = (struct wire){.client = -1, .server = -1};
    struct sockaddr_in name = tcp_name("10.8.0.2");
    if (!own_netns_enter() || !open_tun(&wire->near, "near", (struct tun_options){0}) ||
        !bring_up(&wire->near, "10.8.0.1"))
        return false;
    wire->client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (!own_netns_enter() || !make_far_tun(&wire->far, has_vnet_header) ||
        !bring_up(&wire->far, "10.8.0.2"))
        return false;
    wire->server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    return CHECK_EQUAL(bind(wire->server, (struct sockaddr *)&name, sizeof(name)), 0) &&
           CHECK_EQUAL(listen(wire->server, 1), 0) &&
           CHECK(connect(wire->client, (struct sockaddr *)&name, sizeof(name)) < 0 &&
                 errno == EINPROGRESS);
}

static void wire_close(struct wire *wire)
{
    close(wire->client);
    close(wire->server);
    tun_close(&wire->near);
    tun_close(&wire->far);
}

/* Cuts the bytes behind the headers into three, each in a packet of its own. */
static void write_cut(struct tun *to, const struct vnet_header *vnet, size_t len, bool is_cut)
{
    size_t first = is_cut && len > 1000 ? 500 : len, second = is_cut && len > 1000 ? 301 : 0;
    struct packet packets[3] = {
        {.data = buffer, .len_bytes = (uint32_t)first},
        {.data = buffer + first, .len_bytes = (uint32_t)second},
        {.data = buffer + first + second, .len_bytes = (uint32_t)(len - first - second)},
    };
    packets[0].next = second ? &packets[1] : NULL;
    packets[1].next = &packets[2];
    const struct tun_frame frame = {*vnet, &packets[0], second ? 3 : 1, (uint32_t)len};
    CHECK_EQUAL(tun_write(to, &frame), 0);
}

static void carry(struct wire *wire)
{
    struct vnet_header vnet;
    ssize_t len;
    while ((len = read_packet(&wire->near, &vnet)) > 0) {
        wire->super_packets += vnet.gso_type != 0;
        write_cut(&wire->far, &vnet, (size_t)len, wire->is_cut);
    }
    while ((len = read_packet(&wire->far, &vnet)) > 0)
        write_cut(&wire->near, &vnet, (size_t)len, false);
}

/* Sends 2 MB from the client; the bytes that arrived as sent. */
static size_t converse(struct wire *wire)
{
    enum { TOTAL = 2000000 };
    static uint8_t chunk[65536];
    size_t sent = 0, arrived = 0;
    int connection = -1;
    for (int idle = 0; arrived < TOTAL && idle < 2000; idle++) {
        carry(wire);
        if (connection < 0)
            connection = accept4(wire->server, NULL, NULL, SOCK_NONBLOCK);
        size_t ask = TOTAL - sent < sizeof(chunk) ? TOTAL - sent : sizeof(chunk);
        for (size_t i = 0; i < ask; i++)
            chunk[i] = (uint8_t)((sent + i) * 131 >> 7);
        ssize_t len = send(wire->client, chunk, ask, MSG_NOSIGNAL);
        sent += len > 0 ? (size_t)len : 0;
        carry(wire);
        while ((len = recv(connection, chunk, sizeof(chunk), 0)) > 0) {
            for (ssize_t i = 0; i < len; i++, arrived++)
                if (chunk[i] != (uint8_t)(arrived * 131 >> 7))
                    return arrived;
            idle = 0;
        }
        if (idle > 10)
            poll(NULL, 0, 1);
    }
    close(connection);
    return arrived;
}

static void test_tcp_super_packets_pass_from_tun_to_tun(void)
{
    struct wire wire;
    if (!wire_open(&wire, true))
        return;
    wire.is_cut = true;
    CHECK_EQUAL(converse(&wire), 2000000);
    CHECK(wire.super_packets > 20);
    CHECK_EQUAL(wire.far.counters.splits, 0);
    wire_close(&wire);
}

static void test_traps_34_a_refused_super_packet_is_written_in_segments(void)
{
    struct wire wire;
    if (!wire_open(&wire, true))
        return;
    wire.is_cut = true;
    wire.far.takes_tcp4 = false; /* as after the first EINVAL */
    CHECK_EQUAL(converse(&wire), 2000000);
    CHECK(wire.super_packets > 20);
    CHECK_EQUAL(wire.far.counters.splits, wire.super_packets);
    wire_close(&wire);
}

static void test_an_adopted_tun_without_headers_gets_whole_packets(void)
{
    struct wire wire;
    if (!wire_open(&wire, false))
        return;
    CHECK(!wire.far.has_vnet_header && !wire.far.takes_tcp4 && !wire.far.takes_udp);
    CHECK_EQUAL(converse(&wire), 2000000);
    CHECK(wire.super_packets > 20);
    wire_close(&wire);
}

static void test_traps_35_tcp_super_packets_have_a_switch(void)
{
    struct tun tun;
    if (!open_tun(&tun, "tso0", (struct tun_options){.no_tso = true, .no_uso = true}))
        return;
    CHECK(!tun.hands_out_tcp && !tun.hands_out_udp);
    CHECK(!tun.takes_tcp4 && !tun.takes_tcp6 && !tun.takes_udp);
    tun_close(&tun);
}

int main(int argc, char **argv)
{
    if (!own_netns_enter() || access("/dev/net/tun", R_OK | W_OK) < 0) {
        printf("1..0 # SKIP no right to make a network namespace, or no /dev/net/tun\n");
        return 0;
    }
    TAP_RUN(argc, argv, test_an_existing_interface_is_refused);
    TAP_RUN(argc, argv, test_traps_35_udp_super_packets_have_a_switch);
    TAP_RUN(argc, argv, test_traps_32_a_device_without_checksum_offload_loses_nothing);
    TAP_RUN(argc, argv, test_h5_errors_of_a_link_that_is_down_and_of_one_that_is_gone);
    TAP_RUN(argc, argv, test_a_descriptor_that_is_no_tun_is_not_adopted);
    TAP_RUN(argc, argv, test_traps_14_a_flood_without_answers_pushes_no_answered_flow_out);
    TAP_RUN(argc, argv, test_traps_35_queues_have_a_switch);
    TAP_RUN(argc, argv, test_tcp_super_packets_pass_from_tun_to_tun);
    TAP_RUN(argc, argv, test_traps_34_a_refused_super_packet_is_written_in_segments);
    TAP_RUN(argc, argv, test_an_adopted_tun_without_headers_gets_whole_packets);
    TAP_RUN(argc, argv, test_traps_35_tcp_super_packets_have_a_switch);
    return tap_done();
}
