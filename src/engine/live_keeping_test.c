/* SPDX-License-Identifier: MIT */
/* RULES I7: what a change does not touch keeps all that it has. */
#include <stdlib.h>

#include "engine/tree_description.h"
#include "simulation/chain.h"
#include "simulation/living.h"

#define MOVED_TO "198.51.100.200"
#define WAITING 40

/* ---- what is learnt and counted ---- */

struct kept {
    struct status_tunnel tunnel;
    struct status_peer peers[2];
    uint32_t generations[2];
};

static struct kept look_at_lab(const struct office *office)
{
    struct kept kept;
    const struct engine *engine = office->client->engine;
    memset(&kept, 0, sizeof(kept));
    status_read_tunnel(engine, OFFICE_LAB, &kept.tunnel);
    for (uint32_t i = 0; i < 2; i++) {
        status_read_peer(engine, OFFICE_LAB, i, office->sim->now, &kept.peers[i]);
        kept.generations[i] = engine_peer_handle(engine, OFFICE_LAB, i).generation;
    }
    return kept;
}

static void check_is_kept(const struct kept *before, const struct kept *after)
{
    CHECK_EQUAL(after->tunnel.outbound_packets, before->tunnel.outbound_packets);
    CHECK_EQUAL(after->tunnel.inbound_packets, before->tunnel.inbound_packets);
    CHECK_EQUAL(after->tunnel.listen_port, before->tunnel.listen_port);
    CHECK_BYTES(after->tunnel.drops, before->tunnel.drops, sizeof(before->tunnel.drops));
    for (unsigned i = 0; i < 2; i++) {
        const struct status_peer *was = &before->peers[i], *is = &after->peers[i];
        CHECK_EQUAL(after->generations[i], before->generations[i]);
        CHECK_EQUAL(is->state, was->state);
        CHECK(endpoint_is_equal(&is->endpoint, &was->endpoint));
        CHECK(is->last_handshake_wall_ns == was->last_handshake_wall_ns);
        CHECK(is->since_ns == was->since_ns);
        CHECK(is->sent_bytes == was->sent_bytes && is->received_bytes == was->received_bytes);
        CHECK_EQUAL(is->staged_packets, was->staged_packets);
    }
}

/* Every kind of change around `lab`, and none of `lab`. */
static void change_all_others(struct office *office)
{
    static struct peer_description peers[3];
    static struct address address, server;
    static struct tunnel_description set, more;
    struct network_description before = living_describe(office->client);
    const struct change_allowed_ip allowed[] = {{living_prefix("10.50.0.0/16"), false},
                                                {living_prefix("10.20.0.0/16"), true}};
    struct prefix routes[] = {living_prefix("10.60.0.0/16")};
    for (unsigned i = 0; i < 3; i++)
        peers[i] = living_peer(70 + i);
    address = sample_address("10.60.0.2");
    server = sample_address("10.20.0.53");
    set = (struct tunnel_description){.addresses = &address, .address_count = 1, .dns = &server,
                                      .dns_count = 1, .mtu_bytes = 1300, .nat_is_off = true,
                                      .routes = routes, .route_count = 1, .listen_port = 61222};
    sim_private_key(90, set.private_key);
    more = (struct tunnel_description){.name = "more", .addresses = &address, .address_count = 1,
                                       .peers = &peers[2], .peer_count = 1, .route_count = 1,
                                       .routes = routes};
    sim_private_key(91, more.private_key);
    struct peer_description *entry = &before.tunnels[OFFICE_ENTRY].peers[0];
    memset(entry->preshared_key, 7, 32);
    entry->persistent_keepalive_s = 0;
    const struct change list[] = {
        {.kind = CHANGE_PEER_SET, .tunnel = "entry", .peer = entry,
         .fields = CHANGE_PRESHARED_KEY | CHANGE_KEEPALIVE | CHANGE_ENDPOINT},
        {.kind = CHANGE_PEER_SET, .tunnel = "entry", .peer = &peers[0], .allowed_ips = allowed,
         .allowed_ips_count = 1},
        {.kind = CHANGE_PEERS_REMOVE, .tunnel = "office"},
        {.kind = CHANGE_TUNNEL_SET, .tunnel = "office", .description = &set,
         .fields = CHANGE_PRIVATE_KEY | CHANGE_LISTEN_PORT | CHANGE_ADDRESSES | CHANGE_DNS |
                   CHANGE_MTU | CHANGE_NAT},
        {.kind = CHANGE_TUNNEL_REMOVE, .tunnel = "home"},
        {.kind = CHANGE_TUNNEL_ADD, .tunnel = "more", .carrier = "entry", .description = &more},
        {.kind = CHANGE_TUNNEL_SET, .tunnel = "office", .fields = CHANGE_CARRIER,
         .carrier = "more"},
        {.kind = CHANGE_TUNNEL_REMOVE, .tunnel = "office"},
    };
    for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++)
        living_apply_one(office->client, &list[i]);
    CHECK(engine_find_tunnel(office->client->engine, "more") >= 0);
    CHECK_EQUAL(engine_find_tunnel(office->client->engine, "office"), -1);
    tree_description_forget(tap_memory(), &before);
}

static void i7_what_is_not_touched_keeps_sessions_counters_and_where_it_roamed(void)
{
    struct office office;
    office_init_connected(&office);
    sim_move(office.lab[0], MOVED_TO);
    struct sample hello = office_sample("10.30.0.2", 100, 1);
    hello.source = "10.31.0.1";
    sim_send(office.lab[0], &hello);
    sim_run(office.sim, SIM_S);
    sim_forget_inbox(office.client);
    uint64_t initiations = office.client->sent_of_type[MESSAGE_INITIATION];
    struct kept before = look_at_lab(&office);
    const struct endpoint there = sample_endpoint(MOVED_TO ":51820");
    CHECK(endpoint_is_equal(&before.peers[0].endpoint, &there));
    CHECK_EQUAL(before.peers[0].state, STATUS_PEER_UP);
    change_all_others(&office);
    struct kept after = look_at_lab(&office);
    check_is_kept(&before, &after);
    living_talk(&office, "10.31.0.1", office.lab[0], "10.30.0.2", 2);
    living_talk(&office, "10.31.5.1", office.lab[1], "10.30.0.2", 3);
    CHECK_EQUAL(office.client->sent_of_type[MESSAGE_INITIATION], initiations);
    office_wipe(&office);
}

/* ---- what waits ---- */

/* Of two peers' packets, sent in turn, one's arrive: all of them, in order. */
static void expect_all_in_order(struct sim_host *host, uint32_t first)
{
    for (uint32_t serial = first; serial < WAITING; serial += 2) {
        struct sim_packet *packet = sim_take(host);
        if (!CHECK(packet != NULL))
            return;
        CHECK_EQUAL(sample_serial(packet->bytes, packet->len_bytes), serial);
        free(packet);
    }
    office_expect_nothing(host);
}

static void i7_what_waits_elsewhere_stays_and_keeps_its_order(void)
{
    struct office office;
    office_init(&office);
    const struct sample first = office_sample("9.9.9.9", 100, 0);
    sim_send(office.client, &first);
    sim_run(office.sim, SIM_S);
    sim_move(office.lab[0], "198.51.100.3"); /* nobody answers where it is looked for */
    sim_move(office.lab[1], "198.51.100.4");
    for (uint32_t serial = 0; serial < WAITING; serial++) { /* each longer: none is coalesced */
        const struct sample sample =
            office_sample(serial % 2 ? "10.31.5.1" : "10.31.0.1", 200 + serial, serial);
        sim_send(office.client, &sample);
    }
    sim_run(office.sim, SIM_S);
    struct kept before = look_at_lab(&office);
    CHECK_EQUAL(before.peers[0].staged_packets, WAITING / 2);
    CHECK_EQUAL(before.peers[1].staged_packets, WAITING / 2);
    change_all_others(&office);
    struct kept after = look_at_lab(&office);
    check_is_kept(&before, &after);
    sim_move(office.lab[0], "203.0.113.3");
    sim_move(office.lab[1], "203.0.113.4");
    sim_run(office.sim, 10 * SIM_S);
    expect_all_in_order(office.lab[0], 0);
    expect_all_in_order(office.lab[1], 1);
    office_wipe(&office);
}

/* ---- what a way was found to take ---- */

static uint32_t path_of(const struct chain *chain)
{
    struct status_peer peer;
    status_read_peer(chain->client->engine, 1, 0, chain->sim->now, &peer);
    return peer.path_mtu_bytes;
}

static void send_as_large_as_fits(struct chain *chain)
{
    const struct sample sample = {.source = "10.100.0.2", .destination = "198.51.100.9",
                                  .protocol = IP_PROTOCOL_UDP, .source_port = 4000,
                                  .destination_port = 53,
                                  .len_bytes = engine_mtu(chain->client->engine, 1)};
    sim_send(chain->client, &sample);
    sim_run(chain->sim, SIM_S);
}

/* C6: the way behind the first relay takes 1380, over IPv6. */
static void i7_a_learnt_path_stays_when_tunnels_and_peers_come_and_go_around_it(void)
{
    struct chain chain;
    const struct chain_shape shape = {.depth = 2, .families = 2, .link_mtu_bytes = 1500};
    chain_init(&chain, &shape);
    const struct sample hello = {.source = "10.100.0.2", .destination = "198.51.100.9",
                                 .protocol = IP_PROTOCOL_UDP, .len_bytes = 100};
    sim_send(chain.client, &hello);
    sim_run(chain.sim, 2 * SIM_S);
    chain.relays[0]->way_mtu_bytes = 1380;
    send_as_large_as_fits(&chain);
    CHECK_EQUAL(path_of(&chain), 1380);
    CHECK_EQUAL(engine_mtu(chain.client->engine, 1), 1300);
    struct peer_description peers[] = {living_peer(70), living_peer(71)};
    const struct change_allowed_ip allowed[] = {{living_prefix("10.50.0.0/16"), false}};
    struct tunnel_description more = {.name = "more", .peers = &peers[1], .peer_count = 1};
    sim_private_key(91, more.private_key);
    const struct change list[] = {
        {.kind = CHANGE_PEER_SET, .tunnel = "t0", .peer = &peers[0], .allowed_ips = allowed,
         .allowed_ips_count = 1},
        {.kind = CHANGE_PEER_SET, .tunnel = "t1", .peer = &peers[0], .allowed_ips = allowed,
         .allowed_ips_count = 1},
        {.kind = CHANGE_TUNNEL_ADD, .tunnel = "more", .carrier = "t0", .description = &more},
        {.kind = CHANGE_PEER_REMOVE, .tunnel = "t1", .peer = &peers[0]},
        {.kind = CHANGE_TUNNEL_REMOVE, .tunnel = "more"},
    };
    for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++) {
        living_apply_one(chain.client, &list[i]);
        CHECK_EQUAL(path_of(&chain), 1380);
        CHECK_EQUAL(engine_mtu(chain.client->engine, 1), 1300);
    }
    unsigned refused = chain.relays[0]->way_refused;
    sim_forget_inbox(chain.exit);
    send_as_large_as_fits(&chain);
    CHECK_EQUAL(chain.exit->inbox_count, 1);
    CHECK_EQUAL(chain.relays[0]->way_refused, refused);
    chain_wipe(&chain);
}

/* A number is given again; who kept its former owner moves nobody. */
static void i7_a_handle_of_what_is_gone_names_nobody(void)
{
    struct office office;
    office_init_connected(&office);
    struct engine *engine = office.client->engine;
    const struct endpoint elsewhere = sample_endpoint("203.0.113.99:9");
    const struct peer_handle old = engine_peer_handle(engine, OFFICE_LAB, 1);
    struct status_peer lab;
    status_read_peer(engine, OFFICE_LAB, 1, office.sim->now, &lab);
    struct peer_description peer = {.has_endpoint = true, .endpoint = lab.endpoint};
    memcpy(peer.public_key, lab.public_key, 32);
    const struct change remove = {.kind = CHANGE_PEER_REMOVE, .tunnel = "lab", .peer = &peer};
    const struct change add = {.kind = CHANGE_PEER_SET, .tunnel = "lab", .peer = &peer,
                               .fields = CHANGE_ENDPOINT};
    CHECK(engine_has_peer(engine, old));
    living_apply_one(office.client, &remove);
    CHECK_EQUAL(engine_peer_handle(engine, OFFICE_LAB, 1).generation, 0);
    CHECK(!engine_set_endpoint(engine, old, &elsewhere, office.sim->now));
    living_apply_one(office.client, &add);
    const struct peer_handle now = engine_peer_handle(engine, OFFICE_LAB, 1);
    CHECK(now.generation > old.generation);
    CHECK(!engine_has_peer(engine, old) && engine_has_peer(engine, now));
    CHECK(!engine_set_endpoint(engine, old, &elsewhere, office.sim->now));
    status_read_peer(engine, OFFICE_LAB, 1, office.sim->now, &lab);
    CHECK(endpoint_is_equal(&lab.endpoint, &peer.endpoint));
    CHECK(engine_set_endpoint(engine, now, &elsewhere, office.sim->now));
    status_read_peer(engine, OFFICE_LAB, 1, office.sim->now, &lab);
    CHECK(endpoint_is_equal(&lab.endpoint, &elsewhere));
    CHECK(!engine_has_peer(engine, engine_peer_handle(engine, OFFICE_LAB, 99)));
    CHECK(!engine_has_peer(engine, engine_peer_handle(engine, 99, 0)));
    office_wipe(&office);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, i7_what_is_not_touched_keeps_sessions_counters_and_where_it_roamed);
    TAP_RUN(argc, argv, i7_what_waits_elsewhere_stays_and_keeps_its_order);
    TAP_RUN(argc, argv, i7_a_learnt_path_stays_when_tunnels_and_peers_come_and_go_around_it);
    TAP_RUN(argc, argv, i7_a_handle_of_what_is_gone_names_nobody);
    return tap_done();
}
