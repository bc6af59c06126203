/* SPDX-License-Identifier: MIT */
/* What the header promises of MTU, of being down, and of keys that ask something of the host. */
#include <hopwire/hopwire.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

#define S_NS 1000000000ull
#define WALL_NS (1700000000ull * S_NS)
#define KEY "ERERERERERERERERERERERERERERERERERERERERERE="
#define PUBLIC "D6poTtKIZ7l/Smot7l34zpdOdrcBjj8iocTPJnhXDyA="
#define OWN_PUBLIC "e06Qm75//kTEZaIgA31gjuNYl9Me+XLwf3SJLLD3PxM="
#define OWN "PrivateKey = " KEY "\nAddress = 10.9.0.1/32\n"
#define PEER                                                                                       \
    "[Peer]\nPublicKey = " PUBLIC "\nEndpoint = 192.0.2.2:51820\nAllowedIPs = 10.9.0.2/32\n"
#define PACKET_BYTES 60

static char warnings[4096];
static char drops[256];

static void *take(void *context, size_t bytes)
{
    (void)context;
    void *pointer = NULL;
    if (posix_memalign(&pointer, 64, bytes) != 0)
        abort();
    return memset(pointer, 0, bytes);
}

static void give(void *context, void *pointer, size_t bytes)
{
    (void)context, (void)bytes;
    free(pointer);
}

static void fill_random(void *context, uint8_t *bytes, size_t len_bytes)
{
    (void)context;
    tap_random_bytes(bytes, len_bytes);
}

static void note_message(void *context, enum hopwire_message_kind kind, const char *line)
{
    size_t len = strlen(warnings);
    (void)context;
    if (kind == HOPWIRE_MESSAGE_ERROR)
        printf("# %s\n", line);
    if (kind == HOPWIRE_MESSAGE_WARNING)
        snprintf(warnings + len, sizeof(warnings) - len, "%s\n", line);
}

static struct hopwire_engine *make(const char *conf)
{
    struct hopwire_engine *engine = NULL;
    struct hopwire_options options = {.secrets = {.take = take, .give = give},
                                      .random = fill_random,
                                      .message = note_message};
    warnings[0] = '\0';
    CHECK_EQUAL(hopwire_engine_new(&engine, &options, "hop0.conf", conf, strlen(conf)), HOPWIRE_OK);
    return engine;
}

/* A packet for the peer, then what a turn and its timers send. */
static size_t send_packet(struct hopwire_engine *engine, uint64_t now_ns)
{
    uint8_t packet[PACKET_BYTES] = {0x45, 0, 0, PACKET_BYTES, 0,  0, 0, 0, 64, 253, 0, 0,
                                    10,   9, 0, 1,            10, 9, 0, 2};
    struct hopwire_actions actions;
    uint32_t sum = 0;
    for (int i = 0; i < 20; i += 2)
        sum += (uint32_t)(packet[i] << 8 | packet[i + 1]);
    sum = (sum & 0xffff) + (sum >> 16);
    packet[10] = (uint8_t)(~sum >> 8);
    packet[11] = (uint8_t)~sum;
    hopwire_engine_from_tun(engine, packet, sizeof(packet), now_ns, WALL_NS, &actions);
    size_t sends = actions.send_count;
    hopwire_engine_flush(engine, now_ns, WALL_NS, &actions);
    return sends + actions.send_count;
}

static size_t tick(struct hopwire_engine *engine, uint64_t now_ns)
{
    struct hopwire_actions actions;
    hopwire_engine_tick(engine, now_ns, WALL_NS, &actions);
    return actions.send_count;
}

static struct hopwire_peer peer_of(const struct hopwire_engine *engine, uint64_t now_ns)
{
    struct hopwire_peer peer = {0};
    CHECK_EQUAL(hopwire_engine_read_peer(engine, 0, 0, now_ns, &peer), HOPWIRE_OK);
    return peer;
}

static void note_drop(void *context, const char *reason, const char *meaning, uint64_t packets)
{
    size_t len = strlen(drops);
    (void)context, (void)meaning;
    snprintf(drops + len, sizeof(drops) - len, "%s %llu ", reason, (unsigned long long)packets);
}

static void test_a_configured_mtu_holds_from_the_start(void)
{
    struct hopwire_engine *with = make("[Interface]\nMTU = 1400\n" OWN PEER),
                          *without = make("[Interface]\n" OWN PEER);
    struct hopwire_tunnel tunnel;
    struct hopwire_interface interface;
    CHECK_EQUAL(hopwire_engine_read_tunnel(with, 0, &tunnel), HOPWIRE_OK);
    CHECK_EQUAL(tunnel.mtu_bytes, 1400);
    hopwire_engine_interface(with, &interface);
    CHECK_EQUAL(interface.mtu_bytes, 1400);
    hopwire_engine_set_up(with, true, S_NS);
    hopwire_engine_set_up(without, true, S_NS);
    CHECK_EQUAL(send_packet(with, S_NS), 1); /* the handshake that it waits for */
    CHECK_EQUAL(peer_of(with, S_NS).waiting_packets, 1);
    CHECK_EQUAL(send_packet(without, S_NS), 0);
    CHECK_EQUAL(peer_of(without, S_NS).waiting_packets, 0);
    hopwire_engine_free(with);
    hopwire_engine_free(without);
}

static void test_of_a_tree_the_carried_follow_a_configured_root(void)
{
    struct hopwire_engine *engine =
        make("[Tunnel entry]\nMTU = 1420\n" OWN PEER "[Tunnel in]\nVia = entry\nPrivateKey = " KEY
             "\nAddress = 10.8.0.1/32\n[Peer]\nPublicKey = " PUBLIC
             "\nEndpoint = 10.9.0.2:51820\nAllowedIPs = 10.8.0.2/32\n");
    struct hopwire_tunnel tunnel;
    CHECK_EQUAL(hopwire_engine_read_tunnel(engine, 1, &tunnel), HOPWIRE_OK);
    CHECK_EQUAL(tunnel.mtu_bytes, 1360);
    hopwire_engine_free(engine);
}

static void test_what_comes_while_down_is_refused_and_never_sent(void)
{
    struct hopwire_engine *engine = make("[Interface]\nMTU = 1400\n" OWN PEER);
    uint64_t now_ns = S_NS;
    CHECK_EQUAL(send_packet(engine, now_ns), 0);
    CHECK_EQUAL(peer_of(engine, now_ns).waiting_packets, 0);
    drops[0] = '\0';
    CHECK_EQUAL(hopwire_engine_walk_drops(engine, 0, note_drop, NULL), HOPWIRE_OK);
    CHECK_TEXT(drops, "no_session 1 ");
    now_ns += 3600 * S_NS;
    hopwire_engine_set_up(engine, true, now_ns);
    CHECK_EQUAL(tick(engine, now_ns), 0);
    CHECK_EQUAL(peer_of(engine, now_ns).waiting_packets, 0);
    CHECK_EQUAL(send_packet(engine, now_ns), 1); /* and now it works */
    hopwire_engine_set_up(engine, false, now_ns);
    CHECK_EQUAL(send_packet(engine, now_ns), 0);
    hopwire_engine_free(engine);
}

static void test_a_down_ends_the_count_of_attempts(void)
{
    struct hopwire_engine *engine = make("[Interface]\nMTU = 1400\n" OWN PEER);
    hopwire_engine_set_up(engine, true, S_NS);
    CHECK_EQUAL(send_packet(engine, S_NS), 1);
    CHECK_EQUAL(tick(engine, 7 * S_NS), 1);
    CHECK_EQUAL(peer_of(engine, 7 * S_NS).attempts, 2);
    hopwire_engine_set_up(engine, false, 8 * S_NS);
    struct hopwire_peer peer = peer_of(engine, 8 * S_NS);
    CHECK_EQUAL(peer.attempts, 0);
    CHECK_EQUAL(peer.state, HOPWIRE_PEER_IDLE);
    CHECK_EQUAL(peer.waiting_packets, 0);
    hopwire_engine_free(engine);
}

static void test_what_asks_something_of_the_host_is_told(void)
{
    static const char *const told[] = {":2: KillSwitch: ", ":3: AllowLAN: ", ":4: DNS: ",
                                       ":5: Table: ", ":7: FwMark: "};
    struct hopwire_engine *engine =
        make("[Network]\nKillSwitch = on\nAllowLAN = on\nDNS = 10.9.0.2\nTable = 123\n"
             "[Tunnel one]\nFwMark = 0xca07\n" OWN PEER);
    for (size_t i = 0; i < sizeof(told) / sizeof(*told); i++)
        if (!CHECK(strstr(warnings, told[i]) != NULL))
            printf("# %s in %s\n", told[i], warnings);
    hopwire_engine_free(engine);
    engine = make("[Interface]\nDNS = 10.9.0.2\nFwMark = 0xca07\nTable = off\n" OWN PEER);
    CHECK(strstr(warnings, ":2: DNS: ") && strstr(warnings, ":3: FwMark: ") &&
          strstr(warnings, ":4: Table: "));
    hopwire_engine_free(engine);
    engine = make("[Network]\nInterface = hop0\nKillSwitch = off\nAllowLAN = off\nMTU = 1400\n"
                  "[Tunnel one]\nListenPort = 51820\nNAT = off\nRoutes = 10.9.0.0/24\n" OWN PEER);
    CHECK(strstr(warnings, "your program") == NULL);
    hopwire_engine_free(engine);
}

static void test_a_peer_with_the_tunnel_s_own_key_is_passed_over(void)
{
    struct hopwire_engine *engine = make("[Interface]\nMTU = 1400\n" OWN "[Peer]\nPublicKey = "
                                         OWN_PUBLIC "\nAllowedIPs = 10.9.0.2/32\n" PEER);
    CHECK(strstr(warnings, ":6: PublicKey: belongs to the tunnel's own PrivateKey") != NULL);
    if (!engine)
        return;
    hopwire_engine_set_up(engine, true, S_NS);
    CHECK_EQUAL(send_packet(engine, S_NS), 1);
    hopwire_engine_free(engine);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_a_configured_mtu_holds_from_the_start);
    TAP_RUN(argc, argv, test_of_a_tree_the_carried_follow_a_configured_root);
    TAP_RUN(argc, argv, test_what_comes_while_down_is_refused_and_never_sent);
    TAP_RUN(argc, argv, test_a_down_ends_the_count_of_attempts);
    TAP_RUN(argc, argv, test_what_asks_something_of_the_host_is_told);
    TAP_RUN(argc, argv, test_a_peer_with_the_tunnel_s_own_key_is_passed_over);
    return tap_done();
}
