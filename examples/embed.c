/* SPDX-License-Identifier: MIT */
/* Two Hopwire engines in one program: the laptop pings the office through a WireGuard tunnel, and
 * what would be a network between them is an array. No socket, no TUN and no clock is needed, so it
 * runs anywhere, without any rights:
 *
 *     cc embed.c $(pkg-config --cflags --libs hopwire) -o embed && ./embed
 *
 * A real program puts a UDP socket where this one has `send_all`, a TUN where it has
 * `receive_packet`, and poll(2) with the engine's deadline where it has `run_until_quiet`. */
#include <hopwire/hopwire.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MS_NS 1000000ull
#define WAY_MOST_DATAGRAMS 64
#define WAY_MTU_BYTES 1500

/* Ordinary wg-quick files. These keys are known to everybody: make your own with `wg genkey`. */
static const char laptop_conf[] = "[Interface]\n"
                                  "PrivateKey = ERERERERERERERERERERERERERERERERERERERERERE=\n"
                                  "Address = 10.9.0.1/32\n"
                                  "[Peer]\n"
                                  "PublicKey = D6poTtKIZ7l/Smot7l34zpdOdrcBjj8iocTPJnhXDyA=\n"
                                  "Endpoint = 192.0.2.2:51820\n"
                                  "AllowedIPs = 10.9.0.2/32\n";
static const char office_conf[] = "[Interface]\n"
                                  "PrivateKey = IiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiI=\n"
                                  "Address = 10.9.0.2/32\n"
                                  "ListenPort = 51820\n"
                                  "[Peer]\n"
                                  "PublicKey = e06Qm75//kTEZaIgA31gjuNYl9Me+XLwf3SJLLD3PxM=\n"
                                  "AllowedIPs = 10.9.0.1/32\n";

struct host {
    const char *name;
    struct hopwire_engine *engine;
    struct hopwire_endpoint endpoint; /* of its UDP socket */
    bool has_reply;
};

/* A datagram under way; the engine's bytes live only until its next door. */
struct datagram {
    struct host *to;
    struct hopwire_endpoint source;
    size_t len_bytes;
    uint8_t bytes[WAY_MTU_BYTES];
};

static struct host laptop = {.name = "laptop",
                             .endpoint = {.address = {4, {192, 0, 2, 1}}, .port = 40000}};
static struct host office = {.name = "office",
                             .endpoint = {.address = {4, {192, 0, 2, 2}}, .port = 51820}};
static struct datagram way[WAY_MOST_DATAGRAMS];
static size_t way_first, way_count;
static uint64_t now_ns = 1000 * MS_NS;
static const uint64_t wall_ns = 1700000000ull * 1000 * MS_NS;

static void *take(void *context, size_t bytes)
{
    (void)context;
    void *pointer = NULL;
    if (posix_memalign(&pointer, 64, bytes) != 0)
        return NULL;
    return memset(pointer, 0, bytes);
}

static void give(void *context, void *pointer, size_t bytes)
{
    (void)context;
    (void)bytes;
    free(pointer);
}

static void fill_random(void *context, uint8_t *bytes, size_t len_bytes)
{
    (void)context;
    while (len_bytes) {
        size_t piece = len_bytes < 256 ? len_bytes : 256;
        if (getentropy(bytes, piece) != 0)
            abort();
        bytes += piece;
        len_bytes -= piece;
    }
}

static void print_message(void *context, enum hopwire_message_kind kind, const char *line)
{
    const struct host *host = context;
    printf("%s: %s%s\n", host->name, kind == HOPWIRE_MESSAGE_EVENT ? "event: " : "", line);
}

static uint16_t internet_sum(const uint8_t *bytes, size_t len_bytes)
{
    uint32_t sum = 0;
    for (size_t i = 0; i + 1 < len_bytes; i += 2)
        sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void put_sum(uint8_t *sum_bytes, const uint8_t *bytes, size_t len_bytes)
{
    sum_bytes[0] = sum_bytes[1] = 0;
    uint16_t sum = internet_sum(bytes, len_bytes);
    sum_bytes[0] = (uint8_t)(sum >> 8);
    sum_bytes[1] = (uint8_t)sum;
}

#define PING_BYTES 44 /* IPv4 header, ICMP header, 16 bytes of text */
enum { ICMP_ECHO_REPLY = 0, ICMP_ECHO_REQUEST = 8 };

static void make_ping(uint8_t packet[PING_BYTES])
{
    memset(packet, 0, PING_BYTES);
    packet[0] = 0x45;
    packet[3] = PING_BYTES;
    packet[8] = 64; /* TTL */
    packet[9] = 1;  /* ICMP */
    memcpy(packet + 12, (const uint8_t[]){10, 9, 0, 1, 10, 9, 0, 2}, 8);
    put_sum(packet + 10, packet, 20);
    packet[20] = ICMP_ECHO_REQUEST;
    memcpy(packet + 28, "hello, office :)", 16);
    put_sum(packet + 22, packet + 20, PING_BYTES - 20);
}

/* The other end's kernel: it answers a ping and is glad of an answer. */
static bool receive_packet(struct host *host, const uint8_t *bytes, size_t len_bytes,
                           uint8_t reply[PING_BYTES])
{
    printf("%s: out of the tunnel: %zu bytes from %d.%d.%d.%d to %d.%d.%d.%d, ICMP %s: \"%.16s\"\n",
           host->name, len_bytes, bytes[12], bytes[13], bytes[14], bytes[15], bytes[16], bytes[17],
           bytes[18], bytes[19], bytes[20] == ICMP_ECHO_REQUEST ? "echo request" : "echo reply",
           (const char *)bytes + 28);
    host->has_reply |= bytes[20] == ICMP_ECHO_REPLY && len_bytes == PING_BYTES;
    if (bytes[20] != ICMP_ECHO_REQUEST || len_bytes != PING_BYTES)
        return false;
    memcpy(reply, bytes, PING_BYTES);
    memcpy(reply + 12, bytes + 16, 4);
    memcpy(reply + 16, bytes + 12, 4);
    reply[20] = ICMP_ECHO_REPLY;
    put_sum(reply + 22, reply + 20, PING_BYTES - 20);
    return true;
}

static void send_all(struct host *host, const struct hopwire_actions *actions)
{
    for (size_t i = 0; i < actions->send_count && way_count < WAY_MOST_DATAGRAMS; i++) {
        const struct hopwire_send *send = &actions->sends[i];
        if (send->len_bytes > WAY_MTU_BYTES)
            continue;
        struct datagram *datagram = &way[(way_first + way_count++) % WAY_MOST_DATAGRAMS];
        datagram->to = host == &laptop ? &office : &laptop;
        datagram->source = host->endpoint;
        datagram->len_bytes = send->len_bytes;
        memcpy(datagram->bytes, send->bytes, send->len_bytes);
        printf("%s: sends %zu bytes to port %d\n", host->name, send->len_bytes,
               send->destination.port);
    }
}

/* Performs what a door asked for, then ends the turn. A reply is a packet for the TUN again, and
 * must wait until the actions that it answers are done with. */
static void finish_turn(struct host *host, struct hopwire_actions *actions)
{
    uint8_t reply[PING_BYTES];
    bool has_reply = false;
    send_all(host, actions);
    hopwire_engine_flush(host->engine, now_ns, wall_ns, actions);
    send_all(host, actions);
    for (size_t i = 0; i < actions->write_count; i++)
        has_reply = receive_packet(host, actions->writes[i].bytes, actions->writes[i].len_bytes,
                                   reply);
    if (has_reply) {
        hopwire_engine_from_tun(host->engine, reply, sizeof(reply), now_ns, wall_ns, actions);
        send_all(host, actions);
        hopwire_engine_flush(host->engine, now_ns, wall_ns, actions);
        send_all(host, actions);
    }
}

static void tick(struct host *host)
{
    struct hopwire_actions actions;
    if (hopwire_engine_deadline(host->engine) > now_ns)
        return;
    hopwire_engine_tick(host->engine, now_ns, wall_ns, &actions);
    finish_turn(host, &actions);
}

static void run_until_quiet(void)
{
    for (int step = 0; step < 100 && (step < 5 || way_count); step++) {
        now_ns += MS_NS;
        if (way_count) {
            struct datagram *datagram = &way[way_first++ % WAY_MOST_DATAGRAMS];
            struct hopwire_datagram received = {.bytes = datagram->bytes,
                                                .len_bytes = datagram->len_bytes,
                                                .source = datagram->source};
            struct hopwire_actions actions;
            way_count--;
            hopwire_engine_from_udp(datagram->to->engine, 0, &received, now_ns, &actions);
            finish_turn(datagram->to, &actions);
        }
        tick(&laptop);
        tick(&office);
    }
}

static bool start(struct host *host, const char *conf)
{
    struct hopwire_options options = {.secrets = {.take = take, .give = give},
                                      .random = fill_random,
                                      .message = print_message,
                                      .message_context = host};
    if (hopwire_engine_new(&host->engine, &options, host->name, conf, strlen(conf)) != HOPWIRE_OK)
        return false;
    hopwire_engine_set_root_mtu(host->engine, 0, WAY_MTU_BYTES - 60);
    hopwire_engine_set_up(host->engine, true, now_ns);
    return true;
}

int main(void)
{
    printf("libhopwire %s\n", hopwire_version());
    if (start(&laptop, laptop_conf) && start(&office, office_conf)) {
        uint8_t ping[PING_BYTES];
        struct hopwire_actions actions;
        struct hopwire_peer peer;
        make_ping(ping);
        /* It waits in the engine while the handshake is made. */
        hopwire_engine_from_tun(laptop.engine, ping, sizeof(ping), now_ns, wall_ns, &actions);
        finish_turn(&laptop, &actions);
        run_until_quiet();
        hopwire_engine_read_peer(laptop.engine, 0, 0, now_ns, &peer);
        printf("laptop: sent %llu bytes, received %llu\n", (unsigned long long)peer.sent_bytes,
               (unsigned long long)peer.received_bytes);
    }
    hopwire_engine_free(laptop.engine);
    hopwire_engine_free(office.engine);
    if (!laptop.has_reply)
        fprintf(stderr, "No reply came back.\n");
    return laptop.has_reply ? EXIT_SUCCESS : EXIT_FAILURE;
}
