/* SPDX-License-Identifier: MIT */
/* Enemies: rubbish at every door, messages with one bit changed, floods from addresses that do not
 * exist. No crash, no state, bounded memory, and whoever belongs here still gets in. */
#include <stdlib.h>

#include "base/bytes.h"
#include "simulation/chain.h"
#include "simulation/office.h"
#include "wireguard/message.h"
#include "wireguard/tunnel.h"

/* ---- what must not change ---- */

/* Compared as bytes, so without any padding: that would hold what it likes. */
struct state {
    size_t count;
    uint64_t numbers[88];
    struct address endpoints[8];
};

static void note(struct state *state, uint64_t number)
{
    state->numbers[state->count++] = number;
}

static void note_peer(struct state *state, const struct status_peer *peer, size_t index)
{
    state->endpoints[index] = peer->endpoint.address;
    note(state, peer->endpoint.port);
    note(state, peer->state);
    note(state, peer->attempts);
    note(state, peer->sent_bytes);
    note(state, peer->received_bytes);
    note(state, peer->last_handshake_wall_ns);
    note(state, peer->staged_packets);
}

/* Counters of drops are what may change. */
static void read_state(const struct sim_host *host, struct state *state)
{
    memset(state, 0, sizeof(*state));
    for (uint32_t t = 0; t < host->tunnel_count && t < 4; t++) {
        struct status_tunnel tunnel;
        status_read_tunnel(host->engine, t, &tunnel);
        note(state, tunnel.mtu_bytes);
        note(state, tunnel.listen_port);
        note(state, tunnel.outbound_packets);
        note(state, tunnel.inbound_packets);
        note(state, tunnel.keepalives);
        for (uint32_t p = 0; p < tunnel.peer_count && p < 2; p++) {
            struct status_peer peer;
            status_read_peer(host->engine, t, p, 0, &peer);
            note_peer(state, &peer, t * 2 + p);
        }
    }
    note(state, (uint64_t)engine_deadline(host->engine));
    note(state, tap_memory_balance_bytes());
}

static void check_same_state(const struct sim_host *host, const struct state *before)
{
    struct state after;
    read_state(host, &after);
    CHECK_BYTES(&after, before, sizeof(after));
}

/* ---- one bit ---- */

struct forger {
    struct sim_host *victim; /* datagrams on their way to it are tampered with */
    unsigned tried[5];       /* by type */
};

static bool bit_matters(const struct sim_datagram *datagram, size_t bit)
{
    unsigned type = message_type(datagram->bytes, datagram->len_bytes);
    /* mac2 means nothing while there is no load. */
    return type == MESSAGE_DATA || type == MESSAGE_COOKIE_REPLY ||
           bit < (datagram->len_bytes - 16) * 8;
}

/* The forged twins arrive just in front of the real message. */
static bool forge(void *context, struct sim_datagram *datagram)
{
    struct forger *forger = context;
    struct sim_host *victim = forger->victim;
    struct sim *sim = victim->sim;
    if (!address_is_equal(&datagram->destination.address, &victim->ipv4) || datagram->is_raw)
        return true;
    for (unsigned i = 0; i < 12; i++) {
        size_t bit = tap_random_below(datagram->len_bytes * 8);
        if (!bit_matters(datagram, bit))
            continue;
        struct state before;
        read_state(victim, &before);
        struct block *block = pool_take_block(victim->pool);
        memcpy(block->bytes, datagram->bytes, datagram->len_bytes);
        block->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        const struct udp_train train = {
            .block = block,
            .len_bytes = (uint32_t)datagram->len_bytes,
            .source = sample_endpoint("198.51.100.66:666"), /* does not roam there */
            .destination = datagram->destination.address};
        engine_from_udp(victim->engine, 0, &train, sim->now, victim->actions);
        engine_flush(victim->engine, sim->now, sim->wall_ns + sim->now, victim->actions);
        engine_idle(victim->engine, victim->actions);
        CHECK_EQUAL(victim->actions->send_count, 0);
        CHECK_EQUAL(victim->actions->write_count, 0);
        check_same_state(victim, &before);
        forger->tried[message_type(datagram->bytes, datagram->len_bytes)]++;
    }
    return true;
}

/* TRAPS 20: and the real one that follows is accepted. */
static void a_forged_bit_changes_nothing(void)
{
    for (unsigned round = 0; round < 10; round++) {
        for (unsigned side = 0; side < 2; side++) {
            struct chain chain;
            const struct chain_shape shape = {.depth = 2, .link_mtu_bytes = 1500};
            chain_init(&chain, &shape);
            struct forger forger = {.victim = side ? chain.relays[0] : chain.client};
            chain.sim->hook = forge;
            chain.sim->hook_context = &forger;
            for (uint32_t i = 0; i < 5; i++) {
                struct sample sample = office_sample("198.51.100.9", 60 + 100 * i, i);
                sample.source = "10.100.0.2";
                sim_send(chain.client, &sample);
                sim_run(chain.sim, SIM_S);
                chain_expect(chain.exit, &sample, "10.101.0.2", sample.destination);
            }
            sim_run(chain.sim, 30 * SIM_S);
            CHECK(forger.tried[side ? MESSAGE_INITIATION : MESSAGE_RESPONSE] > 0);
            CHECK(forger.tried[MESSAGE_DATA] > 0);
            CHECK(sim_drops(forger.victim, VERDICT_BAD_TAG) > 0);
            CHECK(sim_drops(forger.victim, VERDICT_BAD_MAC1) > 0);
            chain_wipe(&chain);
        }
    }
}

/* ---- rubbish ---- */

static size_t random_message(uint8_t *bytes, const uint8_t *like, size_t like_len)
{
    static const size_t lengths[] = {0,  1,  3,  4,  15, 16,  31,  32,  33,   63,
                                     64, 65, 91, 92, 93, 147, 148, 149, 1452, 9000};
    size_t len = tap_random_below(3) ? lengths[tap_random_below(sizeof(lengths) / sizeof(*lengths))]
                                     : tap_random_below(2000);
    tap_random_bytes(bytes, len);
    if (len >= 4 && tap_random_below(4))
        store_le32(bytes, (uint32_t)tap_random_below(6));
    if (like_len > 16 && tap_random_below(4) == 0) {
        memcpy(bytes, like, 16); /* a live session's header */
        len = len < 16 ? 16 : len;
    }
    return len;
}

static void check_rubbish_sends_nothing(struct sim_host *host)
{
    CHECK_EQUAL(host->actions->send_count, 0);
    CHECK_EQUAL(host->actions->write_count, 0);
}

static void rubbish_at_the_sockets(void)
{
    struct office office;
    static uint8_t bytes[16384];
    office_init_connected(&office);
    struct sim_host *client = office.client;
    struct state before;
    read_state(client, &before);
    for (unsigned i = 0; i < 20000; i++) {
        struct block *block = pool_take_block(client->pool);
        size_t len = 0;
        uint32_t offset = (uint32_t)tap_random_below(64);
        do
            len += random_message(block->bytes + offset + len, bytes, 0);
        while (len < 2000 && tap_random_below(4) == 0);
        struct udp_train train = {
            .block = block,
            .offset = offset,
            .len_bytes = (uint32_t)len,
            .tos = (uint8_t)tap_random(),
            .source = sample_endpoint(i % 2 ? "203.0.113.1:51820" : "[2001:db8::66]:7")};
        if (tap_random_below(3) == 0)
            train.segment_bytes = 1 + (uint32_t)tap_random_below(len + 10);
        if (train.segment_bytes && len / train.segment_bytes > 64)
            train.segment_bytes = (uint32_t)len / 64 + 1;
        engine_from_udp(client->engine, i % 3 ? 0 : 3, &train, office.sim->now, client->actions);
        if (tap_random_below(8) == 0 || client->actions->write_count > 400)
            engine_flush(client->engine, office.sim->now, 0, client->actions);
        check_rubbish_sends_nothing(client);
    }
    while (engine_deadline(client->engine) == 0)
        engine_tick(client->engine, office.sim->now, 0, client->actions);
    engine_flush(client->engine, office.sim->now, 0, client->actions);
    check_rubbish_sends_nothing(client);
    check_same_state(client, &before);
    office_wipe(&office);
}

/* Inside a tunnel whose other end is the enemy: anything but what belongs there is refused. */
static void rubbish_through_a_tunnel(void)
{
    struct office office;
    static uint8_t packet[4000], message[10000];
    office_init_connected(&office);
    office.sim->is_fed_rubbish = true;
    for (unsigned i = 0; i < 6000; i++) {
        size_t len = random_message(message, NULL, 0) % 1200;
        struct sample sample = {.source = "9.9.9.9",
                                .destination = tap_random_below(4) ? OFFICE_CLIENT4 : "10.9.0.2",
                                .protocol =
                                    tap_random_below(4) ? IP_PROTOCOL_UDP : (uint8_t)tap_random(),
                                .source_port = (uint16_t)tap_random(),
                                .tos = (uint8_t)tap_random_below(3),
                                .destination_port = OFFICE_PORT,
                                .len_bytes = 28 + len,
                                .may_fragment = true};
        size_t packet_len = sample_write(&sample, packet);
        memcpy(packet + 28, message, len);
        if (tap_random_below(2)) /* headers that lie */
            packet[1 + tap_random_below(packet_len - 1)] ^= (uint8_t)(1u << tap_random_below(8));
        sim_write(office.entry, packet, packet_len, NULL);
        if (i % 50 == 0) {
            sim_flush(office.entry);
            sim_run(office.sim, SIM_S / 10);
            sim_forget_inbox(office.client);
            sim_forget_inbox(office.entry);
        }
    }
    sim_flush(office.entry);
    sim_run(office.sim, SIM_S);
    sim_forget_inbox(office.client);
    const struct sample sample = office_sample("10.20.0.1", 100, 1);
    sim_send(office.client, &sample);
    sim_run(office.sim, SIM_S);
    office_expect(office.office, &sample, "10.9.0.2");
    office_wipe(&office);
}

static void rubbish_from_the_tun(void)
{
    struct office office;
    static uint8_t packet[SAMPLE_MOST_BYTES];
    static const char *const destinations[] = {"9.9.9.9",    "10.20.0.1", "fd31::1",  "10.31.5.1",
                                               "172.20.0.1", "fd20::1",   "224.0.0.1"};
    static const uint8_t protocols[] = {
        IP_PROTOCOL_TCP, IP_PROTOCOL_UDP, IP_PROTOCOL_ICMP, 0, 43, 44, 51, 60, 132};
    office_init_connected(&office);
    office.sim->is_fed_rubbish = true;
    for (unsigned i = 0; i < 20000; i++) {
        struct sample sample =
            office_sample(destinations[tap_random_below(7)],
                          tap_random_below(tap_random_below(9) ? 1600 : 60000), i);
        sample.protocol = protocols[tap_random_below(sizeof(protocols))];
        sample.may_fragment = tap_random_below(2);
        size_t len = sample_write(&sample, packet);
        struct vnet_header vnet = {0};
        if (tap_random_below(2)) {
            vnet = sample_to_super(packet, len, (uint16_t)(1 + tap_random_below(1500)));
            vnet.gso_size = tap_random_below(5) ? vnet.gso_size : (uint16_t)tap_random();
        }
        if (tap_random_below(4) == 0) {
            vnet.flags = (uint8_t)tap_random_below(3);
            vnet.gso_type = (uint8_t)tap_random_below(6);
        }
        if (tap_random_below(6) == 0)
            vnet.csum_start = (uint16_t)tap_random();
        if (tap_random_below(6) == 0)
            vnet.csum_offset = (uint16_t)tap_random();
        for (unsigned flips = tap_random_below(3); flips; flips--)
            packet[tap_random_below(tap_random_below(2) ? 60 : len)] ^= (uint8_t)tap_random();
        if (tap_random_below(6) == 0)
            len = 1 + tap_random_below(len);
        sim_write(office.client, packet, len, &vnet);
        if (i % 16 == 0)
            sim_run(office.sim, SIM_S / 100);
        if (i % 256 == 0)
            for (size_t h = 0; h < office.sim->host_count; h++)
                sim_forget_inbox(&office.sim->hosts[h]);
    }
    sim_flush(office.client);
    CHECK(office.client->datagram_most_bytes <= 1500);
    sim_run(office.sim, SIM_S);
    office_wipe(&office);
}

/* ---- floods ---- */

#define CRAFTED 24

/* Initiations that anybody can make who knows the public key: mac1 is right, nobody is known. */
static void craft(uint8_t messages[CRAFTED][MESSAGE_INITIATION_BYTES], unsigned server_key)
{
    uint8_t public_key[32], none[32] = {0};
    sim_public_key(server_key, public_key);
    for (unsigned i = 0; i < CRAFTED; i++) {
        struct tunnel tunnel;
        uint8_t private_key[32];
        tap_random_bytes(private_key, 32);
        CHECK(tunnel_init(&tunnel, tap_memory(), tap_random_source(), private_key));
        struct peer *peer = tunnel_add_peer(&tunnel, public_key, none);
        CHECK_EQUAL(
            tunnel_create_initiation(peer, SIM_START_NS, 1700000000 * NS_PER_S, messages[i]),
            VERDICT_OK);
        tunnel_wipe(&tunnel);
    }
}

static void throw_flood(struct sim *sim, uint8_t messages[CRAFTED][MESSAGE_INITIATION_BYTES],
                        unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char source[ENDPOINT_TEXT_BYTES];
        struct endpoint from = {.address = {.family = i % 2 ? FAMILY_IPV4 : FAMILY_IPV6}};
        tap_random_bytes(from.address.bytes, i % 2 ? 4 : 16);
        from.address.bytes[0] = i % 2 ? 100 : 0x20; /* nobody's */
        from.port = (uint16_t)(1 + tap_random_below(65535));
        endpoint_format(&from, source);
        sim_throw(sim, source, "203.0.113.1:51820", messages[i % CRAFTED],
                  MESSAGE_INITIATION_BYTES);
    }
}

/* TRAPS 22 */
static void a_flood_turns_cookies_on_and_a_friend_gets_through(void)
{
    static uint8_t messages[CRAFTED][MESSAGE_INITIATION_BYTES];
    struct chain chain;
    const struct chain_shape shape = {.depth = 1, .link_mtu_bytes = 1500};
    craft(messages, CHAIN_RELAY_KEY);
    chain_init(&chain, &shape);
    throw_flood(chain.sim, messages, 700);
    sim_run(chain.sim, SIM_S / 10);
    struct sim_host *server = chain.relays[0];
    CHECK(server->sent_of_type[MESSAGE_COOKIE_REPLY] > 100);
    CHECK_EQUAL(server->sent_of_type[MESSAGE_RESPONSE], 0);
    size_t memory_bytes = tap_memory_balance_bytes();
    struct sample sample = office_sample("198.51.100.9", 60, 0);
    sample.source = "10.100.0.2";
    sim_send(chain.client, &sample);
    for (unsigned i = 0; i < 14 && chain.exit->inbox_count == 0; i++) {
        throw_flood(chain.sim, messages, 600);
        sim_run(chain.sim, SIM_S / 2);
    }
    chain_expect(chain.exit, &sample, "10.100.0.2", sample.destination);
    /* One answer without a cookie, one with. */
    CHECK_EQUAL(chain.client->sent_of_type[MESSAGE_INITIATION], 2);
    CHECK_EQUAL(server->sent_of_type[MESSAGE_RESPONSE], 1);
    CHECK(sim_drops(server, VERDICT_UNDER_LOAD) > 1000);
    CHECK(tap_memory_balance_bytes() - memory_bytes < 512 * 1024);
    memory_bytes = tap_memory_balance_bytes();
    throw_flood(chain.sim, messages, 3000);
    sim_run(chain.sim, SIM_S / 2);
    CHECK_EQUAL(tap_memory_balance_bytes(), memory_bytes);
    CHECK_EQUAL(sim_drops(server, VERDICT_POOL_EMPTY), 0);
    chain_wipe(&chain);
}

static void what_the_backlog_cannot_hold_is_counted(void)
{
    static uint8_t messages[CRAFTED][MESSAGE_INITIATION_BYTES];
    struct chain chain;
    const struct chain_shape shape = {.depth = 1, .link_mtu_bytes = 1500};
    craft(messages, CHAIN_RELAY_KEY);
    chain_init(&chain, &shape);
    throw_flood(chain.sim, messages, 6000);
    sim_run(chain.sim, SIM_S / 2);
    struct sim_host *server = chain.relays[0];
    uint64_t full = sim_drops(server, VERDICT_BACKLOG_FULL);
    CHECK(full > 0);
    CHECK_EQUAL(full + sim_drops(server, VERDICT_UNDER_LOAD) +
                    sim_drops(server, VERDICT_HANDSHAKE_REFUSED) +
                    sim_drops(server, VERDICT_SOCKET_FULL),
                6000);
    chain_wipe(&chain);
}

/* RULES H2: handshakes come after data, four a turn. */
static void h2_data_does_not_wait_for_a_flood(void)
{
    static uint8_t messages[CRAFTED][MESSAGE_INITIATION_BYTES];
    struct chain chain;
    const struct chain_shape shape = {.depth = 1, .link_mtu_bytes = 1500};
    craft(messages, CHAIN_RELAY_KEY);
    chain_init(&chain, &shape);
    struct sample sample = office_sample("198.51.100.9", 60, 0);
    sample.source = "10.100.0.2";
    sim_send(chain.client, &sample);
    sim_run(chain.sim, SIM_S);
    sim_forget_inbox(chain.exit);
    struct sim_host *server = chain.relays[0];
    for (unsigned i = 0; i < 200; i++) {
        struct block *block = pool_take_block(server->pool);
        memcpy(block->bytes, messages[i % CRAFTED], MESSAGE_INITIATION_BYTES);
        const struct udp_train train = {.block = block,
                                        .len_bytes = MESSAGE_INITIATION_BYTES,
                                        .source = sample_endpoint("100.1.1.1:1")};
        engine_from_udp(server->engine, 0, &train, chain.sim->now, server->actions);
    }
    engine_flush(server->engine, chain.sim->now, 0, server->actions);
    CHECK_EQUAL(sim_drops(server, VERDICT_HANDSHAKE_REFUSED), 4);
    CHECK_EQUAL(engine_deadline(server->engine), 0); /* the rest wants a tick */
    engine_tick(server->engine, chain.sim->now, 0, server->actions);
    CHECK_EQUAL(sim_drops(server, VERDICT_HANDSHAKE_REFUSED), 8);
    chain_wipe(&chain);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, a_forged_bit_changes_nothing);
    TAP_RUN(argc, argv, rubbish_at_the_sockets);
    TAP_RUN(argc, argv, rubbish_through_a_tunnel);
    TAP_RUN(argc, argv, rubbish_from_the_tun);
    TAP_RUN(argc, argv, a_flood_turns_cookies_on_and_a_friend_gets_through);
    TAP_RUN(argc, argv, what_the_backlog_cannot_hold_is_counted);
    TAP_RUN(argc, argv, h2_data_does_not_wait_for_a_flood);
    return tap_done();
}
