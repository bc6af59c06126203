/* SPDX-License-Identifier: MIT */
/* An exit that sends larger datagrams than the tunnel to its client takes: they arrive in fragments
 * (RULES C5, TRAPS 12 and 13). And a relay that sends fragments of nothing. */
#include <stdlib.h>

#include "base/bytes.h"
#include "engine/lanes.h"
#include "packet/checksum.h"
#include "route/reassembly.h"
#include "simulation/chain.h"
#include "simulation/office.h"

#define ROOT_MTU 1440 /* of an exit that knows nothing of its client's way */

/* The pieces of one packet. */
struct pieces {
    size_t count;
    size_t len[64];
    uint8_t bytes[64][1500];
};

static void cut(const uint8_t *packet, size_t len, size_t mtu, uint32_t id, struct pieces *pieces)
{
    bool is_ipv6 = packet[0] >> 4 == 6;
    size_t header = is_ipv6 ? 40 : 20, new_header = is_ipv6 ? 48 : 20;
    size_t most = (mtu - new_header) / 8 * 8;
    pieces->count = 0;
    for (size_t at = 0; at < len - header; at += most) {
        uint8_t *piece = pieces->bytes[pieces->count];
        size_t take = len - header - at < most ? len - header - at : most;
        bool has_more = at + take < len - header;
        memcpy(piece, packet, header);
        memcpy(piece + new_header, packet + header + at, take);
        if (is_ipv6) {
            store_be16(piece + 4, (uint16_t)(8 + take));
            piece[6] = IP_PROTOCOL_FRAGMENT;
            piece[40] = packet[6];
            piece[41] = 0;
            store_be16(piece + 42, (uint16_t)(at | has_more));
            store_be32(piece + 44, id);
        } else {
            store_be16(piece + 2, (uint16_t)(20 + take));
            store_be16(piece + 4, (uint16_t)id);
            store_be16(piece + 6, (uint16_t)(at / 8 | has_more << 13));
            checksum_set_ipv4(piece, 20);
        }
        pieces->len[pieces->count++] = new_header + take;
    }
}

static void shuffle(struct pieces *pieces)
{
    static uint8_t kept[1500];
    for (size_t i = pieces->count; i > 1; i--) {
        size_t other = tap_random_below(i), len = pieces->len[other];
        memcpy(kept, pieces->bytes[other], sizeof(kept));
        memcpy(pieces->bytes[other], pieces->bytes[i - 1], sizeof(kept));
        memcpy(pieces->bytes[i - 1], kept, sizeof(kept));
        pieces->len[other] = pieces->len[i - 1];
        pieces->len[i - 1] = len;
    }
}

/* ---- the exit's datagrams ---- */

/* A router before each relay: what its tunnel does not take goes in as fragments, in any order. */
struct router {
    struct chain *chain;
    uint32_t id;
    unsigned cuts;
};

static bool route(void *context, struct sim_datagram *datagram)
{
    struct router *router = context;
    static uint8_t bytes[SAMPLE_MOST_BYTES];
    static struct pieces pieces;
    const struct address *to = &datagram->destination.address;
    bool is_ipv6 = to->family == FAMILY_IPV6;
    if (datagram->is_raw || (is_ipv6 ? to->bytes[0] != 0xfd : to->bytes[0] != 10))
        return true;
    unsigned level = is_ipv6 ? to->bytes[3] & 15 : to->bytes[1] - 100u;
    struct sim_host *relay = router->chain->relays[level];
    size_t header = is_ipv6 ? 48 : 28, mtu = engine_mtu(relay->engine, 0);
    if (header + datagram->len_bytes <= mtu)
        return true;
    char source[ADDRESS_TEXT_BYTES], destination[ADDRESS_TEXT_BYTES];
    const struct sample sample = {
        .source = address_format(&datagram->source.address, source),
        .destination = address_format(to, destination), .protocol = IP_PROTOCOL_UDP,
        .source_port = datagram->source.port, .destination_port = datagram->destination.port,
        .may_fragment = true, .len_bytes = header + datagram->len_bytes};
    size_t len = sample_write(&sample, bytes);
    memcpy(bytes + header, datagram->bytes, datagram->len_bytes);
    cut(bytes, len, mtu, router->id++, &pieces);
    shuffle(&pieces);
    router->cuts++;
    for (size_t i = 0; i < pieces.count; i++)
        sim_write(relay, pieces.bytes[i], pieces.len[i], NULL);
    return false;
}

static void try_chain(unsigned depth, unsigned families, bool has_router)
{
    struct chain chain;
    struct router router = {.chain = &chain, .id = 7};
    const struct chain_shape shape = {
        .depth = depth, .families = families, .link_mtu_bytes = 1500, .keepalive_s = 25};
    chain_init(&chain, &shape);
    sim_run(chain.sim, 5 * SIM_S);
    if (has_router) {
        chain.sim->hook = route;
        chain.sim->hook_context = &router;
    }
    for (unsigned i = 1; i < depth; i++) /* all but the entry send datagrams of 1500 bytes */
        engine_set_root_mtu(chain.relays[i]->engine, 0, 1500 - (families >> i & 1 ? 80 : 60));
    char translated[48];
    chain_address(false, depth - 1, 2, translated);
    for (uint32_t i = 0; i < 30; i++) {
        const struct sample sample = {
            .source = "198.51.100.9", .destination = translated, .protocol = IP_PROTOCOL_UDP,
            .source_port = 53, .destination_port = 4000, .serial = i,
            .len_bytes = (families ? 1500 - 80 : ROOT_MTU) - i % 3};
        sim_send(chain.exit, &sample);
        sim_run(chain.sim, SIM_S / 4);
        chain_expect(chain.client, &sample, sample.source, "10.100.0.2");
    }
    if (has_router)
        CHECK(router.cuts >= 30 * (depth - 1)); /* fragments inside fragments */
    CHECK(sim_is_undisturbed(chain.client));
    chain_wipe(&chain);
}

static void c5_the_exit_s_fragments_are_joined_at_depth_2_and_3(void)
{
    for (unsigned depth = 2; depth <= 3; depth++)
        for (unsigned families = 0; families < 1u << depth; families++)
            try_chain(depth, families, true);
}

/* The entry's own engine cuts them, being itself a tunnel's end (RULES D5). */
static void c5_the_entry_s_fragments_are_joined(void)
{
    try_chain(2, 0, false);
    try_chain(3, 0, false);
}

/* ---- others' ---- */

static struct sample from(const char *source, const char *destination, size_t len)
{
    return (struct sample){.source = source, .destination = destination, .source_port = 53,
                           .protocol = IP_PROTOCOL_UDP, .destination_port = 4000,
                           .may_fragment = true, .len_bytes = len};
}

static void pass(struct office *office, const struct sample *sample, uint32_t id)
{
    static uint8_t bytes[SAMPLE_MOST_BYTES];
    static struct pieces pieces;
    cut(bytes, sample_write(sample, bytes), 1400, id, &pieces);
    shuffle(&pieces);
    for (size_t i = 0; i < pieces.count; i++) {
        sim_write(office->entry, pieces.bytes[i], pieces.len[i], NULL);
        if (tap_random_below(2))
            sim_run(office->sim, SIM_S / 10);
    }
    sim_run(office->sim, SIM_S / 10);
    CHECK_EQUAL(office->client->inbox_count, pieces.count);
    for (size_t i = 0; i < pieces.count; i++) {
        struct sim_packet *packet = sim_take(office->client);
        if (!CHECK(packet != NULL))
            return;
        CHECK_EQUAL(packet->len_bytes, pieces.len[i]);
        CHECK_BYTES(packet->bytes, pieces.bytes[i], pieces.len[i]);
        free(packet);
    }
}

static void c5_others_fragments_pass_as_they_are_in_order_of_arrival(void)
{
    struct office office;
    office_init_connected(&office);
    for (uint32_t i = 0; i < 60; i++) {
        bool is_ipv6 = i & 1;
        struct sample sample = from(is_ipv6 ? "2620:fe::9" : "9.9.9.9",
                                    is_ipv6 ? OFFICE_CLIENT6 : OFFICE_CLIENT4,
                                    1500 + tap_random_below(20000));
        sample.protocol = i % 3 ? IP_PROTOCOL_UDP : IP_PROTOCOL_ICMP;
        pass(&office, &sample, i);
    }
    CHECK(sim_is_undisturbed(office.client));
    office_wipe(&office);
}

/* What waited is judged when it is released, like all that goes to the TUN (RULES C4). */
static void c5_released_fragments_are_judged(void)
{
    struct office office;
    static uint8_t bytes[SAMPLE_MOST_BYTES];
    static struct pieces pieces;
    office_init_connected(&office);
    const struct sample sample = from("10.20.1.1", OFFICE_CLIENT4, 5000); /* the office's */
    cut(bytes, sample_write(&sample, bytes), 1400, 1, &pieces);
    for (size_t i = pieces.count; i-- > 0;)
        sim_write(office.entry, pieces.bytes[i], pieces.len[i], NULL);
    sim_run(office.sim, SIM_S);
    office_expect_nothing(office.client);
    CHECK_EQUAL(sim_drops(office.client, VERDICT_SPOOFED), pieces.count);
    CHECK_EQUAL(sim_drops(office.client, VERDICT_FRAGMENT_REFUSED), 0);
    office_wipe(&office);
}

/* ---- answers to the program's own queries ---- */

struct answers {
    unsigned count;
    size_t len;
    uint8_t bytes[8000];
};

static void keep(void *context, const struct endpoint *source, const uint8_t *answer, size_t len)
{
    struct answers *answers = context;
    (void)source;
    answers->count++;
    answers->len = len;
    if (CHECK(len <= sizeof(answers->bytes)))
        memcpy(answers->bytes, answer, len);
}

/* An answer of `len` bytes in pieces, in any order, for the socket `own` of the tunnel. */
static void send_answer(struct office *office, struct sim_host *server, const char *source,
                        const char *destination, int own, size_t len, struct pieces *pieces,
                        uint8_t *bytes)
{
    struct sample answer = from(source, destination, len);
    answer.destination_port = office->client->engine->own_sockets.items[own % OWN_SOCKETS].port;
    cut(bytes, sample_write(&answer, bytes), 1300, 9, pieces);
    shuffle(pieces);
    for (size_t i = 0; i < pieces->count; i++)
        sim_write(server, pieces->bytes[i], pieces->len[i], NULL);
    sim_run(office->sim, SIM_S / 5);
    office_expect_nothing(office->client);
}

static void c5_an_answer_to_a_query_of_the_program_s_own_is_joined(void)
{
    static uint8_t bytes[SAMPLE_MOST_BYTES];
    static struct pieces pieces;
    static struct answers answers;
    struct office office;
    office_init_connected(&office);
    const struct {
        uint32_t tunnel;
        struct sim_host *server;
        const char *source, *destination;
    } ways[] = {
        {OFFICE_ENTRY, office.entry, "9.9.9.9", OFFICE_CLIENT4},
        {OFFICE_ENTRY, office.entry, "2620:fe::9", OFFICE_CLIENT6},
        {OFFICE_OFFICE, office.office, "10.20.0.53", "10.9.0.2"}, /* carries nobody */
        {OFFICE_LAB, office.lab[0], "fd31::53", "fd30::2"},
    };
    for (size_t i = 0; i < 4; i++) {
        size_t header = i % 2 ? 48 : 28;
        struct engine *engine = office.client->engine;
        int own = own_socket_open(engine_own_sockets(engine),
                                  engine_tunnel_handle(engine, ways[i].tunnel), keep, &answers);
        answers.count = 0;
        send_answer(&office, ways[i].server, ways[i].source, ways[i].destination, own, 4000,
                    &pieces, bytes);
        CHECK_EQUAL(answers.count, 1);
        CHECK_EQUAL(answers.len, 4000 - header);
        CHECK_BYTES(answers.bytes, bytes + header, answers.len);
        pieces.bytes[1][100] ^= 1; /* nothing vouches for the bytes but their checksum */
        for (size_t piece = 0; piece < pieces.count; piece++)
            sim_write(ways[i].server, pieces.bytes[piece], pieces.len[piece], NULL);
        sim_run(office.sim, SIM_S / 5);
        CHECK_EQUAL(answers.count, 1);
        CHECK_EQUAL(sim_drops(office.client, VERDICT_MALFORMED), i + 1);
        own_socket_close(engine_own_sockets(office.client->engine), own);
        send_answer(&office, ways[i].server, ways[i].source, ways[i].destination, own, 4000,
                    &pieces, bytes);
        CHECK_EQUAL(answers.count, 1);
    }
    CHECK_EQUAL(sim_drops(office.client, VERDICT_NOT_ASKED), 4);
    CHECK_EQUAL(sim_drops(office.client, VERDICT_FRAGMENT_REFUSED), 0);
    office_wipe(&office);
}

/* ---- bogus ones ---- */

/* A relay that can speak as anybody sends fragments of nothing: `count` of them. */
static void send_bogus(struct sim_host *relay, const char *to, uint16_t port, uint32_t count)
{
    static uint8_t bytes[SAMPLE_MOST_BYTES];
    static struct pieces pieces;
    for (uint32_t i = 0; i < count; i++) {
        struct sample sample = from("9.9.9.9", to, 4000);
        sample.destination_port = port;
        cut(bytes, sample_write(&sample, bytes), 1400, i, &pieces);
        size_t which = tap_random_below(2);
        sim_write(relay, pieces.bytes[which], pieces.len[which], NULL);
        if (i % 50 == 0)
            sim_run(relay->sim, NS_PER_MS);
    }
    sim_flush(relay);
    sim_run(relay->sim, SIM_S / 10);
}

static void c5_bogus_fragments_are_counted_and_disturb_nobody(void)
{
    struct office office;
    office_init_connected(&office);
    uint64_t sent = office.client->datagrams_sent;
    send_bogus(office.entry, OFFICE_CLIENT4, OFFICE_PORT, 1000);
    office_expect_nothing(office.client);
    CHECK_EQUAL(office.client->datagrams_sent, sent); /* no answer */
    uint64_t dropped = sim_drops(office.client, VERDICT_FRAGMENT_REFUSED);
    CHECK(dropped >= 1000 - REASSEMBLY_HELD_MOST && dropped < 1000);

    /* Siblings, the carrier's own traffic and the tunnel that they pretended to be of. */
    static const char *const sources[] = {"10.20.1.1", "10.31.0.1", "9.9.9.9", "192.168.0.1"};
    static const char *const destinations[] = {"10.9.0.2", "10.30.0.2", OFFICE_CLIENT4,
                                               "172.16.0.2"};
    struct sim_host *const hosts[] = {office.office, office.lab[0], office.entry, office.home};
    for (size_t i = 0; i < 4; i++) {
        const struct sample sample = from(sources[i], destinations[i], 200);
        sim_send(hosts[i], &sample);
        sim_run(office.sim, SIM_S / 10);
        struct sample translated = sample;
        translated.destination = OFFICE_CLIENT4;
        office_expect(office.client, &translated, sources[i]);
    }
    sim_run(office.sim, 30 * SIM_S);
    CHECK_EQUAL(sim_drops(office.client, VERDICT_FRAGMENT_REFUSED), 1000);
    office_wipe(&office);
}

static struct sim_host *add_relay(struct sim *sim, const char *name, const char *at, unsigned key,
                                  unsigned client_key)
{
    struct sim_network network;
    sim_network_init(&network);
    sim_add_tunnel(&network, name, TUNNEL_NO_CARRIER, key, "10.0.0.1");
    sim_add_peer(&network, 0, client_key, "0.0.0.0/0", NULL);
    return sim_add_host(sim, name, at, &network, 1500);
}

/* Two entries that carry a tunnel each: one's flood does not push out what waits in the other. */
static void c5_one_entry_s_flood_does_not_starve_another(void)
{
    struct sim *sim = sim_new();
    struct sim_network network;
    static uint8_t bytes[SAMPLE_MOST_BYTES];
    static struct pieces pieces;
    sim_network_init(&network);
    sim_add_tunnel(&network, "a", TUNNEL_NO_CARRIER, 1, "10.1.0.2");
    sim_add_tunnel(&network, "a2", 0, 2, "10.2.0.2");
    sim_add_tunnel(&network, "b", TUNNEL_NO_CARRIER, 3, "10.3.0.2");
    sim_add_tunnel(&network, "b2", 2, 4, "10.4.0.2");
    network.tunnels[1].listen_port = network.tunnels[3].listen_port = OFFICE_PORT;
    sim_add_peer(&network, 0, 11, "0.0.0.0/0", "203.0.113.1:51820")->persistent_keepalive_s = 25;
    sim_add_peer(&network, 1, 12, "10.20.0.0/16", "203.0.113.3:51820");
    sim_add_peer(&network, 2, 13, "10.0.0.0/8", "203.0.113.2:51820")->persistent_keepalive_s = 25;
    sim_add_peer(&network, 3, 14, "10.40.0.0/16", "10.99.0.1:51820");
    struct sim_host *client = sim_add_host(sim, "client", "192.0.2.1", &network, 1500);
    struct sim_host *a = add_relay(sim, "a", "203.0.113.1", 11, 1);
    struct sim_host *b = add_relay(sim, "b", "203.0.113.2", 13, 3);
    sim_run(sim, 2 * SIM_S);

    struct sample sample = from("10.99.0.1", "10.3.0.2", 2000);
    sample.destination_port = OFFICE_PORT;
    cut(bytes, sample_write(&sample, bytes), 1400, 5, &pieces);
    sim_send_bytes(b, pieces.bytes[0], pieces.len[0], NULL);
    sim_run(sim, SIM_S / 10);
    send_bogus(a, "10.1.0.2", OFFICE_PORT, 1000);
    sim_send_bytes(b, pieces.bytes[1], pieces.len[1], NULL);
    sim_run(sim, SIM_S / 10);
    CHECK_EQUAL(sim_drops(client, VERDICT_BAD_MESSAGE), 1); /* it came to b2, as a whole */
    sim_run(sim, 30 * SIM_S);
    CHECK_EQUAL(sim_drops(client, VERDICT_FRAGMENT_REFUSED), 1000);
    sim_free(sim);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, c5_the_exit_s_fragments_are_joined_at_depth_2_and_3);
    TAP_RUN(argc, argv, c5_the_entry_s_fragments_are_joined);
    TAP_RUN(argc, argv, c5_others_fragments_pass_as_they_are_in_order_of_arrival);
    TAP_RUN(argc, argv, c5_released_fragments_are_judged);
    TAP_RUN(argc, argv, c5_an_answer_to_a_query_of_the_program_s_own_is_joined);
    TAP_RUN(argc, argv, c5_bogus_fragments_are_counted_and_disturb_nobody);
    TAP_RUN(argc, argv, c5_one_entry_s_flood_does_not_starve_another);
    return tap_done();
}
