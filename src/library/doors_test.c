/* SPDX-License-Identifier: MIT */
/* The library as a program sees it: through its public header, linked with the static archive. */
#include <hopwire/hopwire.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

#define MS_NS 1000000ull
#define WALL_NS (1700000000ull * 1000 * MS_NS)
#define PACKET_BYTES 60
#define DATAGRAM_BYTES 256
#define WAY_DATAGRAMS 512

#define KEY_1 "ERERERERERERERERERERERERERERERERERERERERERE="
#define PUBLIC_1 "e06Qm75//kTEZaIgA31gjuNYl9Me+XLwf3SJLLD3PxM="
#define KEY_2 "IiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiI="
#define PUBLIC_2 "D6poTtKIZ7l/Smot7l34zpdOdrcBjj8iocTPJnhXDyA="

#define ENTRY_CONF                                                                                 \
    "[Interface]\nPrivateKey = " KEY_1 "\nAddress = 10.9.0.1/32\n"                                 \
    "[Peer]\nPublicKey = " PUBLIC_2 "\nEndpoint = 192.0.2.2:51820\nAllowedIPs = 10.9.0.2/32\n"
#define OTHER_CONF                                                                                 \
    "[Interface]\nPrivateKey = " KEY_2 "\nAddress = 10.9.0.2/32\nListenPort = 51820\n"             \
    "[Peer]\nPublicKey = " PUBLIC_1 "\nAllowedIPs = 10.9.0.1/32\n"
#define TREE_CONF                                                                                  \
    "[Network]\nInterface = hop7\n"                                                                \
    "[Tunnel entry]\nPrivateKeyFile = keys/entry.key\nAddress = 10.64.0.2/32, fc00:bbbb::2/128\n"  \
    "[Peer]\nPublicKey = " PUBLIC_2 "\nEndpoint = relay.example.net:443\n"                         \
    "AllowedIPs = 0.0.0.0/0, ::/0\n"                                                               \
    "[Tunnel office]\nVia = entry\nPrivateKey = " KEY_2 "\nAddress = 10.2.0.2/32\n"                \
    "Routes = 10.20.0.0/16\n"                                                                      \
    "[Peer]\nPublicKey = " PUBLIC_1 "\nEndpoint = 198.51.100.7:444\nAllowedIPs = 10.20.0.0/16\n"

/* An allocator that counts, and fails from a chosen call on. */
struct heap_count {
    size_t balance_bytes;
    size_t takes;
    size_t takes_most; /* 0: no limit */
};

static struct heap_count heap;
static char last_error[512];
static const char *key_file = KEY_1 "\n";
static int64_t key_file_growth;

static void *take(void *context, size_t bytes)
{
    struct heap_count *count = context;
    if (count->takes_most && count->takes == count->takes_most)
        return NULL;
    count->takes++;
    count->balance_bytes += bytes;
    void *pointer = NULL;
    if (posix_memalign(&pointer, 64, bytes) != 0)
        abort();
    return memset(pointer, 0, bytes);
}

static void give(void *context, void *pointer, size_t bytes)
{
    struct heap_count *count = context;
    count->balance_bytes -= bytes;
    free(pointer);
}

static void fill_random(void *context, uint8_t *bytes, size_t len_bytes)
{
    (void)context;
    tap_random_bytes(bytes, len_bytes);
}

static void note_message(void *context, enum hopwire_message_kind kind, const char *line)
{
    (void)context;
    if (kind == HOPWIRE_MESSAGE_ERROR)
        strncpy(last_error, line, sizeof(last_error) - 1);
}

static int64_t read_file(void *context, const char *path, char *bytes, size_t capacity_bytes)
{
    (void)context;
    size_t len = strlen(key_file);
    if (strcmp(path, "/etc/hopwire/keys/entry.key") != 0)
        return -1;
    if (capacity_bytes == 0)
        return (int64_t)len;
    if (len <= capacity_bytes)
        memcpy(bytes, key_file, len);
    return (int64_t)len + key_file_growth;
}

static struct hopwire_options options_new(void)
{
    heap = (struct heap_count){0};
    last_error[0] = '\0';
    key_file_growth = 0;
    return (struct hopwire_options){.secrets = {.take = take, .give = give, .context = &heap},
                                    .random = fill_random,
                                    .message = note_message,
                                    .read = read_file};
}

static enum hopwire_status make(struct hopwire_engine **engine, const char *conf)
{
    struct hopwire_options options = options_new();
    return hopwire_engine_new(engine, &options, "/etc/hopwire/hop0.conf", conf, strlen(conf));
}

static void test_refusals_are_told_and_leave_nothing(void)
{
    struct hopwire_engine *engine = NULL;
    struct hopwire_options options = options_new();
    options.random = NULL;
    CHECK_EQUAL(hopwire_engine_new(&engine, &options, "a", "", 0), HOPWIRE_INVALID);
    options = options_new();
    options.buffers = (struct hopwire_memory){.take = take, .context = &heap}; /* and no give */
    CHECK_EQUAL(hopwire_engine_new(&engine, &options, "a", "", 0), HOPWIRE_INVALID);
    CHECK_EQUAL(make(&engine, "[Interface]\nPrivateKey = nonsense\n"), HOPWIRE_REFUSED);
    CHECK(strstr(last_error, "hop0.conf:2:") != NULL);
    CHECK_EQUAL(heap.balance_bytes, 0);
    CHECK_EQUAL(make(&engine, ""), HOPWIRE_REFUSED);
    CHECK_EQUAL(heap.balance_bytes, 0);
    CHECK(engine == NULL);
    hopwire_engine_free(NULL);
}

static void test_files_come_through_the_reader(void)
{
    struct hopwire_engine *engine = NULL;
    CHECK_EQUAL(make(&engine, TREE_CONF), HOPWIRE_OK);
    hopwire_engine_free(engine);
    CHECK_EQUAL(heap.balance_bytes, 0);

    struct hopwire_options options = options_new();
    key_file_growth = 1000;
    CHECK_EQUAL(hopwire_engine_new(&engine, &options, "/etc/hopwire/hop0.conf", TREE_CONF,
                                   strlen(TREE_CONF)),
                HOPWIRE_REFUSED);
    CHECK(strstr(last_error, "changed while") != NULL);
    options = options_new();
    CHECK_EQUAL(hopwire_engine_new(&engine, &options, "hop0", TREE_CONF, strlen(TREE_CONF)),
                HOPWIRE_REFUSED);
    CHECK(strstr(last_error, "keys/entry.key") != NULL);
    options = options_new();
    options.read = NULL;
    CHECK_EQUAL(hopwire_engine_new(&engine, &options, "/etc/hopwire/hop0.conf", TREE_CONF,
                                   strlen(TREE_CONF)),
                HOPWIRE_REFUSED);
    CHECK_EQUAL(heap.balance_bytes, 0);
}

static void test_memory_may_end_at_any_place(void)
{
    for (size_t most = 1;; most++) {
        struct hopwire_engine *engine = NULL;
        struct hopwire_options options = options_new();
        heap.takes_most = most;
        enum hopwire_status status = hopwire_engine_new(
            &engine, &options, "/etc/hopwire/hop0.conf", TREE_CONF, strlen(TREE_CONF));
        if (status == HOPWIRE_OK) {
            CHECK(most > 10);
            hopwire_engine_free(engine);
            CHECK_EQUAL(heap.balance_bytes, 0);
            return;
        }
        CHECK_EQUAL(status, HOPWIRE_NO_MEMORY);
        if (!CHECK(engine == NULL) || !CHECK_EQUAL(heap.balance_bytes, 0))
            return;
    }
}

static void count_route(void *context, const struct hopwire_address *address, unsigned prefix_bits,
                        int tunnel)
{
    int *of_office = context;
    if (tunnel == 1 && address->family == 4 && address->bytes[1] == 20 && prefix_bits == 16)
        ++*of_office;
}

static void test_the_tree_is_shown(void)
{
    struct hopwire_engine *engine = NULL;
    if (!CHECK_EQUAL(make(&engine, TREE_CONF), HOPWIRE_OK))
        return;
    struct hopwire_interface interface;
    hopwire_engine_interface(engine, &interface);
    CHECK_TEXT(interface.name, "hop7");
    CHECK(interface.ipv4.family == 4 && interface.ipv4.bytes[1] == 64);
    CHECK_EQUAL(interface.ipv6.family, 6);
    CHECK_EQUAL(interface.mtu_bytes, 0);
    CHECK_EQUAL(hopwire_engine_set_root_mtu(engine, 0, 1440), HOPWIRE_OK);
    hopwire_engine_interface(engine, &interface);
    CHECK_EQUAL(interface.mtu_bytes, 1440);

    struct hopwire_tunnel tunnel;
    CHECK_EQUAL(hopwire_engine_tunnel_count(engine), 2);
    CHECK_EQUAL(hopwire_engine_read_tunnel(engine, 1, &tunnel), HOPWIRE_OK);
    CHECK_TEXT(tunnel.name, "office");
    CHECK_EQUAL(tunnel.carrier, 0);
    CHECK_EQUAL(tunnel.mtu_bytes, 1380);
    CHECK(tunnel.nat_is_on && tunnel.listen_port != 0);

    struct hopwire_peer peer;
    CHECK_EQUAL(hopwire_engine_read_peer(engine, 0, 0, MS_NS, &peer), HOPWIRE_OK);
    CHECK_TEXT(peer.endpoint_name, "relay.example.net");
    CHECK_EQUAL(peer.endpoint_name_port, 443);
    CHECK_EQUAL(peer.state, HOPWIRE_PEER_NO_ENDPOINT);
    struct hopwire_endpoint resolved = {.address = {4, {192, 0, 2, 9}}, .port = 443};
    CHECK_EQUAL(hopwire_engine_set_endpoint(engine, 0, 0, &resolved, MS_NS), HOPWIRE_OK);
    CHECK_EQUAL(hopwire_engine_read_peer(engine, 0, 0, MS_NS, &peer), HOPWIRE_OK);
    CHECK_EQUAL(peer.endpoint.address.bytes[3], 9);
    CHECK_EQUAL(peer.state, HOPWIRE_PEER_IDLE);
    int of_office = 0;
    hopwire_engine_walk_routes(engine, count_route, &of_office);
    CHECK_EQUAL(of_office, 1);
    hopwire_engine_free(engine);
}

static void ignore_drop(void *context, const char *reason, const char *meaning, uint64_t packets)
{
    (void)reason;
    (void)meaning;
    *(uint64_t *)context += packets;
}

static void test_arguments_are_checked(void)
{
    struct hopwire_engine *engine = NULL;
    if (!CHECK_EQUAL(make(&engine, TREE_CONF), HOPWIRE_OK))
        return;
    struct hopwire_actions actions = {.send_count = 7, .write_count = 7};
    struct hopwire_datagram datagram = {.source = {.address = {4, {192, 0, 2, 9}}, .port = 1}};
    struct hopwire_endpoint nowhere = {.address = {5, {1}}, .port = 1};
    struct hopwire_tunnel tunnel;
    struct hopwire_peer peer;
    uint64_t drops = 0;
    CHECK_EQUAL(hopwire_engine_from_udp(engine, 1, &datagram, MS_NS, &actions),
                HOPWIRE_INVALID);
    CHECK(actions.send_count == 0 && actions.write_count == 0);
    datagram.source.port = 0;
    CHECK_EQUAL(hopwire_engine_from_udp(engine, 0, &datagram, MS_NS, &actions),
                HOPWIRE_INVALID);
    CHECK_EQUAL(hopwire_engine_set_root_mtu(engine, 0, 9217), HOPWIRE_INVALID);
    CHECK_EQUAL(hopwire_engine_set_root_mtu(engine, 1, 1400), HOPWIRE_INVALID);
    CHECK_EQUAL(hopwire_engine_network_changed(engine, 2, MS_NS), HOPWIRE_INVALID);
    CHECK_EQUAL(hopwire_engine_set_endpoint(engine, 0, 0, &nowhere, MS_NS), HOPWIRE_INVALID);
    nowhere.address.family = 4;
    CHECK_EQUAL(hopwire_engine_set_endpoint(engine, 0, 1, &nowhere, MS_NS), HOPWIRE_INVALID);
    CHECK_EQUAL(hopwire_engine_set_endpoint(engine, 2, 0, &nowhere, MS_NS), HOPWIRE_INVALID);
    CHECK_EQUAL(hopwire_engine_read_tunnel(engine, 2, &tunnel), HOPWIRE_INVALID);
    CHECK_EQUAL(hopwire_engine_read_peer(engine, 1, 1, MS_NS, &peer), HOPWIRE_INVALID);
    CHECK_EQUAL(hopwire_engine_walk_drops(engine, -2, ignore_drop, &drops), HOPWIRE_INVALID);
    CHECK_EQUAL(hopwire_engine_walk_drops(engine, 2, ignore_drop, &drops), HOPWIRE_INVALID);
    hopwire_engine_free(engine);
}

static void test_rubbish_is_dropped_and_counted(void)
{
    struct hopwire_engine *engine = NULL;
    if (!CHECK_EQUAL(make(&engine, ENTRY_CONF), HOPWIRE_OK))
        return;
    static uint8_t bytes[70000];
    struct hopwire_actions actions;
    struct hopwire_datagram datagram = {.bytes = bytes,
                                        .source = {.address = {4, {192, 0, 2, 2}}, .port = 51820}};
    hopwire_engine_set_up(engine, true, MS_NS);
    for (int i = 0; i < 700; i++) { /* without a flush */
        tap_random_bytes(bytes, 200);
        bytes[0] = (uint8_t)(i % 6);
        datagram.len_bytes = i == 0 ? sizeof(bytes) : tap_random_below(200);
        datagram.segment_bytes = tap_random_below(100);
        hopwire_engine_from_udp(engine, 0, &datagram, MS_NS, &actions);
        hopwire_engine_from_tun(engine, bytes, tap_random_below(i == 1 ? sizeof(bytes) : 200),
                                MS_NS, WALL_NS, &actions);
    }
    hopwire_engine_flush(engine, MS_NS, WALL_NS, &actions);
    CHECK_EQUAL(actions.write_count, 0);
    uint64_t drops = 0;
    CHECK_EQUAL(hopwire_engine_walk_drops(engine, 0, ignore_drop, &drops), HOPWIRE_OK);
    CHECK_EQUAL(hopwire_engine_walk_drops(engine, -1, ignore_drop, &drops), HOPWIRE_OK);
    CHECK(drops >= 1400);
    hopwire_engine_free(engine);
    CHECK_EQUAL(heap.balance_bytes, 0);
}

/* ---- two engines and what is between them ---- */

struct way {
    struct hopwire_engine *to;
    struct hopwire_endpoint source;
    size_t count;
    size_t len_bytes[WAY_DATAGRAMS];
    uint8_t bytes[WAY_DATAGRAMS][DATAGRAM_BYTES];
};

static void keep_sends(struct way *way, const struct hopwire_actions *actions)
{
    for (size_t i = 0; i < actions->send_count; i++) {
        if (!CHECK(way->count < WAY_DATAGRAMS && actions->sends[i].len_bytes <= DATAGRAM_BYTES))
            return;
        way->len_bytes[way->count] = actions->sends[i].len_bytes;
        memcpy(way->bytes[way->count++], actions->sends[i].bytes, actions->sends[i].len_bytes);
    }
}

/* Gives all to the engine at its end; what it sends goes to `back`. Returns its packets. */
static size_t deliver(struct way *way, struct way *back, uint64_t now_ns)
{
    struct hopwire_actions actions;
    size_t writes = 0;
    for (size_t i = 0; i < way->count; i++) {
        struct hopwire_datagram datagram = {
            .bytes = way->bytes[i], .len_bytes = way->len_bytes[i], .source = way->source};
        CHECK_EQUAL(hopwire_engine_from_udp(way->to, 0, &datagram, now_ns, &actions),
                    HOPWIRE_OK);
        keep_sends(back, &actions);
        writes += actions.write_count;
    }
    way->count = 0;
    hopwire_engine_flush(way->to, now_ns, WALL_NS, &actions);
    keep_sends(back, &actions);
    return writes + actions.write_count;
}

static void make_packet(uint8_t packet[PACKET_BYTES])
{
    memset(packet, 0, PACKET_BYTES);
    packet[0] = 0x45;
    packet[3] = PACKET_BYTES;
    packet[8] = 64;
    packet[9] = 253; /* for experiments: no checksum of its own */
    memcpy(packet + 12, (const uint8_t[]){10, 9, 0, 1, 10, 9, 0, 2}, 8);
    uint32_t sum = 0;
    for (int i = 0; i < 20; i += 2)
        sum += (uint32_t)(packet[i] << 8 | packet[i + 1]);
    sum = (sum & 0xffff) + (sum >> 16);
    packet[10] = (uint8_t)(~sum >> 8);
    packet[11] = (uint8_t)~sum;
}

static struct way *there, *back;

/* Two engines with a session. */
static bool connect_two(void)
{
    struct hopwire_engine *entry = NULL, *other = NULL;
    uint8_t packet[PACKET_BYTES];
    struct hopwire_actions actions;
    there = calloc(1, sizeof(*there));
    back = calloc(1, sizeof(*back));
    if (!CHECK_EQUAL(make(&entry, ENTRY_CONF), HOPWIRE_OK) ||
        !CHECK_EQUAL(make(&other, OTHER_CONF), HOPWIRE_OK))
        return false;
    there->to = other;
    there->source = (struct hopwire_endpoint){.address = {4, {192, 0, 2, 1}}, .port = 40000};
    back->to = entry;
    back->source = (struct hopwire_endpoint){.address = {4, {192, 0, 2, 2}}, .port = 51820};
    hopwire_engine_set_root_mtu(entry, 0, 1440);
    hopwire_engine_set_root_mtu(other, 0, 1440);
    hopwire_engine_set_up(entry, true, MS_NS);
    hopwire_engine_set_up(other, true, MS_NS);
    make_packet(packet);
    hopwire_engine_from_tun(entry, packet, sizeof(packet), MS_NS, WALL_NS, &actions);
    hopwire_engine_flush(entry, MS_NS, WALL_NS, &actions);
    keep_sends(there, &actions);
    deliver(there, back, 2 * MS_NS);
    deliver(back, there, 3 * MS_NS);
    return CHECK_EQUAL(deliver(there, back, 4 * MS_NS), 1);
}

static void part_two(void)
{
    hopwire_engine_free(there->to);
    hopwire_engine_free(back->to);
    free(there);
    free(back);
}

static void test_more_than_a_turn_without_a_flush_is_not_lost(void)
{
    struct hopwire_actions actions;
    uint8_t packet[PACKET_BYTES];
    if (connect_two()) {
        for (int i = 0; i < 400; i++) {
            make_packet(packet); /* the engine changes it */
            hopwire_engine_from_tun(back->to, packet, sizeof(packet), 5 * MS_NS, WALL_NS, &actions);
            keep_sends(there, &actions);
        }
        hopwire_engine_flush(back->to, 5 * MS_NS, WALL_NS, &actions);
        keep_sends(there, &actions);
        CHECK_EQUAL(there->count, 400);
        size_t writes = 0;
        for (size_t i = 0; i < 400; i++) { /* one a call, flushed at the end only */
            struct hopwire_datagram datagram = {.bytes = there->bytes[i],
                                                .len_bytes = there->len_bytes[i],
                                                .source = there->source};
            hopwire_engine_from_udp(there->to, 0, &datagram, 6 * MS_NS, &actions);
            writes += actions.write_count;
        }
        hopwire_engine_flush(there->to, 6 * MS_NS, WALL_NS, &actions);
        CHECK_EQUAL(writes + actions.write_count, 400);
    }
    part_two();
}

static void test_a_train_is_cut_and_actions_stay(void)
{
    struct hopwire_actions actions;
    uint8_t packet[PACKET_BYTES], train[3 * DATAGRAM_BYTES], expected[PACKET_BYTES];
    if (connect_two()) {
        size_t len = 0;
        for (int i = 0; i < 3; i++) {
            make_packet(packet);
            hopwire_engine_from_tun(back->to, packet, sizeof(packet), 5 * MS_NS, WALL_NS, &actions);
        }
        hopwire_engine_flush(back->to, 5 * MS_NS, WALL_NS, &actions);
        keep_sends(there, &actions);
        for (size_t i = 0; i < there->count; i++) {
            memcpy(train + len, there->bytes[i], there->len_bytes[i]);
            len += there->len_bytes[i];
        }
        struct hopwire_datagram datagram = {.bytes = train,
                                            .len_bytes = len,
                                            .segment_bytes = there->len_bytes[0],
                                            .source = there->source};
        hopwire_engine_from_udp(there->to, 0, &datagram, 6 * MS_NS, &actions);
        hopwire_engine_flush(there->to, 6 * MS_NS, WALL_NS, &actions);
        make_packet(expected);
        hopwire_engine_network_changed(there->to, 0, 6 * MS_NS);
        hopwire_engine_set_up(there->to, false, 6 * MS_NS);
        CHECK_EQUAL(actions.write_count, 3);
        for (size_t i = 0; i < actions.write_count; i++) {
            CHECK_EQUAL(actions.writes[i].len_bytes, PACKET_BYTES);
            CHECK_BYTES(actions.writes[i].bytes, expected, PACKET_BYTES);
        }
        hopwire_engine_idle(there->to, &actions);
        CHECK_EQUAL(actions.write_count, 0);
    }
    part_two();
}

static void test_the_deadline_leads_to_a_tick(void)
{
    struct hopwire_actions actions;
    uint8_t packet[PACKET_BYTES];
    struct hopwire_engine *engine = NULL;
    if (!CHECK_EQUAL(make(&engine, ENTRY_CONF), HOPWIRE_OK))
        return;
    CHECK(hopwire_engine_deadline(engine) == UINT64_MAX);
    hopwire_engine_set_root_mtu(engine, 0, 1440);
    hopwire_engine_set_up(engine, true, MS_NS);
    make_packet(packet);
    hopwire_engine_from_tun(engine, packet, sizeof(packet), MS_NS, WALL_NS, &actions);
    hopwire_engine_flush(engine, MS_NS, WALL_NS, &actions);
    CHECK_EQUAL(actions.send_count, 1);
    CHECK_EQUAL(actions.sends[0].len_bytes, 148);
    uint64_t deadline = hopwire_engine_deadline(engine);
    CHECK(deadline > 5000 * MS_NS && deadline < 6000 * MS_NS); /* nobody answered: again */
    hopwire_engine_tick(engine, deadline, WALL_NS + deadline, &actions);
    CHECK_EQUAL(actions.send_count, 1);
    hopwire_engine_free(engine);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_refusals_are_told_and_leave_nothing);
    TAP_RUN(argc, argv, test_files_come_through_the_reader);
    TAP_RUN(argc, argv, test_memory_may_end_at_any_place);
    TAP_RUN(argc, argv, test_the_tree_is_shown);
    TAP_RUN(argc, argv, test_arguments_are_checked);
    TAP_RUN(argc, argv, test_rubbish_is_dropped_and_counted);
    TAP_RUN(argc, argv, test_more_than_a_turn_without_a_flush_is_not_lost);
    TAP_RUN(argc, argv, test_a_train_is_cut_and_actions_stay);
    TAP_RUN(argc, argv, test_the_deadline_leads_to_a_tick);
    return tap_done();
}
