/* SPDX-License-Identifier: MIT */
/* Changes of a living network. */
#include <errno.h>
#include <stdio.h>

#include "engine/tree_description.h"
#include "simulation/living.h"

static void description_and_engine_are_made_from_each_other(void)
{
    static struct sim_network network;
    struct text why = TEXT_ROOM(512);
    sim_network_init(&network);
    int entry = sim_add_tunnel(&network, "entry", TUNNEL_NO_CARRIER, 1, "10.64.0.2 fc00::2");
    int office = sim_add_tunnel(&network, "office", entry, 2, "10.9.0.2");
    struct peer_description *first = sim_add_peer(&network, entry, 11, "0.0.0.0/0 ::/0",
                                                  "203.0.113.1:51820");
    struct peer_description *second = sim_add_peer(&network, office, 12, "10.20.0.0/16",
                                                   "203.0.113.2:51820");
    sim_add_peer(&network, office, 13, "10.21.0.0/16 10.22.0.0/16", "203.0.113.3:1");
    sim_set_routes(&network, entry, "10.0.0.0/8 !10.1.0.0/16");
    sim_set_nat_off(&network, office);
    second->has_endpoint = false;
    second->endpoint = (struct endpoint){.port = 7};
    second->endpoint_name = (char[]){"relay.example"};
    first->persistent_keepalive_s = 25;
    memset(first->preshared_key, 7, 32);
    network.tunnels[office].listen_port = 61234;
    network.tunnels[entry].fwmark = 0x48000001;
    network.tunnels[office].mtu_bytes = 1300;
    network.tunnels[office].mtu_is_upper_bound = true;
    struct address dns = sample_address("10.20.0.53");
    network.tunnels[office].dns = &dns;
    network.tunnels[office].dns_count = 1;
    struct pool_shape shape;
    engine_pool_shape(&network.description, &shape);
    struct pool *pool = pool_new(tap_memory(), &shape);
    struct aead *aead = aead_new(tap_memory(), NULL);
    const struct engine_options options = {
        .secrets = tap_memory(), .pool = pool, .aead = aead, .random = tap_random_source()};
    struct engine *engine = engine_new(&options, &network.description, &why);
    struct network_description described;
    if (CHECK(engine && engine_describe(engine, tap_memory(), &described))) {
        CHECK(living_are_equal(&described, &network.description));
        struct engine *other = engine_new(&options, &described, &why);
        struct network_description again;
        if (CHECK(other && engine_describe(other, tap_memory(), &again))) {
            CHECK(living_are_equal(&described, &again));
            tree_description_forget(tap_memory(), &again);
        }
        engine_free(other);
        tree_description_forget(tap_memory(), &described);
    }
    engine_free(engine);
    aead_free(aead);
    pool_free(pool);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

/* TRAPS 26: the kinds of changes that concern one peer, while all others go on. */
static void a_peer_changes_and_no_session_ends(void)
{
    struct office office;
    office_init_connected(&office);
    uint64_t initiations = office.client->sent_of_type[MESSAGE_INITIATION];
    struct status_peer before, after;
    status_read_peer(office.client->engine, OFFICE_OFFICE, 0, office.sim->now, &before);
    struct peer_description peer = {.persistent_keepalive_s = 11};
    memcpy(peer.public_key, before.public_key, 32);
    memset(peer.preshared_key, 9, 32);
    const struct change_allowed_ip more[] = {{living_prefix("10.77.0.0/16"), false},
                                             {living_prefix("fd77::/32"), false}};
    const struct change set = {.kind = CHANGE_PEER_SET,
                               .tunnel = "office",
                               .fields = CHANGE_PRESHARED_KEY | CHANGE_KEEPALIVE,
                               .peer = &peer,
                               .allowed_ips = more,
                               .allowed_ips_count = 2};
    living_apply_one(office.client, &set);
    status_read_peer(office.client->engine, OFFICE_OFFICE, 0, office.sim->now, &after);
    CHECK_EQUAL(after.state, STATUS_PEER_UP);
    CHECK_EQUAL(after.sent_bytes, before.sent_bytes);
    CHECK_EQUAL(after.persistent_keepalive_s, 11);
    living_talk(&office, "10.20.0.1", office.office, "10.9.0.2", 1);
    living_talk(&office, "192.168.0.1", office.home, "172.16.0.2", 2);
    CHECK_EQUAL(office.client->sent_of_type[MESSAGE_INITIATION], initiations);
    struct engine_route route;
    const struct address there = sample_address("10.77.1.1");
    engine_route(office.client->engine, &there, &route);
    CHECK_EQUAL(route.tunnel, OFFICE_OFFICE); /* its Routes are the default: they follow */
    const struct change_allowed_ip less[] = {{living_prefix("10.77.0.0/16"), true},
                                             {living_prefix("10.78.0.0/16"), true}};
    const struct change take = {.kind = CHANGE_PEER_SET,
                                .tunnel = "office",
                                .peer = &peer,
                                .allowed_ips = less,
                                .allowed_ips_count = 2};
    living_apply_one(office.client, &take);
    engine_route(office.client->engine, &there, &route);
    CHECK_EQUAL(route.tunnel, OFFICE_ENTRY);
    struct network_description described = living_describe(office.client);
    const struct prefix gone = living_prefix("10.77.0.0/16"), kept = living_prefix("fd77::/32");
    unsigned has_gone = 0, has_kept = 0;
    for (size_t i = 0; i < described.tunnels[OFFICE_OFFICE].peers[0].allowed_ips_count; i++) {
        const struct prefix *at = &described.tunnels[OFFICE_OFFICE].peers[0].allowed_ips[i];
        has_gone += prefix_is_equal(at, &gone);
        has_kept += prefix_is_equal(at, &kept);
    }
    CHECK_EQUAL(has_gone, 0);
    CHECK_EQUAL(has_kept, 1);
    tree_description_forget(tap_memory(), &described);
    office_wipe(&office);
}

/* A removed peer is gone with all that waited for it, a new one works, the others never notice. */
static void a_peer_goes_and_comes_beside_others(void)
{
    struct office office;
    office_init_connected(&office);
    uint64_t initiations = office.client->sent_of_type[MESSAGE_INITIATION];
    struct status_peer lab;
    status_read_peer(office.client->engine, OFFICE_LAB, 1, office.sim->now, &lab);
    struct peer_description peer = {.persistent_keepalive_s = 0};
    memcpy(peer.public_key, lab.public_key, 32);
    const struct change remove = {.kind = CHANGE_PEER_REMOVE, .tunnel = "lab", .peer = &peer};
    living_apply_one(office.client, &remove);
    living_apply_one(office.client, &remove); /* no error, as in `wg set` */
    CHECK_EQUAL(engine_next_peer(office.client->engine, OFFICE_LAB, 0), -1);
    /* What was its own prefix is the other peer's wider one now. */
    living_talk(&office, "10.31.5.1", office.lab[0], "10.30.0.2", 1);
    peer.has_endpoint = true;
    peer.endpoint = lab.endpoint;
    const struct change_allowed_ip allowed[] = {{living_prefix("10.31.5.0/24"), false}};
    const struct change add = {.kind = CHANGE_PEER_SET,
                               .tunnel = "lab",
                               .fields = CHANGE_ENDPOINT,
                               .peer = &peer,
                               .allowed_ips = allowed,
                               .allowed_ips_count = 1};
    struct change update = add;
    update.fields |= CHANGE_ONLY_UPDATE;
    living_apply_one(office.client, &update);
    CHECK_EQUAL(engine_next_peer(office.client->engine, OFFICE_LAB, 0), -1);
    living_apply_one(office.client, &add);
    CHECK_EQUAL(engine_next_peer(office.client->engine, OFFICE_LAB, 0), 1);
    living_talk(&office, "10.31.5.1", office.lab[1], "10.30.0.2", 2);
    living_talk(&office, "10.31.0.1", office.lab[0], "10.30.0.2", 3);
    CHECK_EQUAL(office.client->sent_of_type[MESSAGE_INITIATION], initiations);
    CHECK_EQUAL(sim_peer_state(office.client, OFFICE_LAB, 0), STATUS_PEER_UP);
    office_wipe(&office);
}

static void what_waits_for_a_removed_peer_goes_with_it(void)
{
    struct office office;
    office_init(&office);
    office.sim->link.lose_permille = 1000; /* nobody answers */
    for (uint32_t i = 0; i < 20; i++) {
        const struct sample sample = office_sample("10.20.0.1", 100, i);
        sim_send(office.client, &sample);
    }
    struct status_peer status;
    status_read_peer(office.client->engine, OFFICE_OFFICE, 0, office.sim->now, &status);
    CHECK_EQUAL(status.staged_packets, 20);
    const struct change remove = {.kind = CHANGE_PEERS_REMOVE, .tunnel = "office"};
    living_apply_one(office.client, &remove);
    CHECK_EQUAL(sim_drops(office.client, VERDICT_MOVED), 20);
    sim_run(office.sim, 10 * SIM_S);
    office_wipe(&office); /* checks that all buffers came back */
}

/* I3: `lab` leaves entry for `home`, and comes back. Its sessions stay, its other ends roam by a
 * keepalive, and no datagram of its leaves by itself. */
static void i3_a_carrier_moves_and_sessions_stay(void)
{
    struct office office;
    office_init_connected(&office);
    uint64_t initiations = office.client->sent_of_type[MESSAGE_INITIATION];
    struct peer_description home;
    struct network_description before = living_describe(office.client);
    home = before.tunnels[OFFICE_HOME].peers[0];
    const struct change_allowed_ip wide[] = {{living_prefix("203.0.113.0/24"), false}};
    const struct change away[] = {
        {.kind = CHANGE_PEER_SET, .tunnel = "home", .peer = &home, .allowed_ips = wide,
         .allowed_ips_count = 1},
        {.kind = CHANGE_TUNNEL_SET, .tunnel = "lab", .fields = CHANGE_CARRIER, .carrier = "home"},
    };
    struct text why = TEXT_ROOM(512);
    struct status_tunnel lab;
    status_read_tunnel(office.client->engine, OFFICE_LAB, &lab);
    uint16_t old_port = lab.listen_port;
    office.home->forwards = true;
    sim_route(office.home, "172.16.0.2/32");
    if (!CHECK_EQUAL(living_apply(office.client, away, 2, &why), 0))
        CHECK_TEXT(why.bytes, "");
    sim_run(office.sim, SIM_S);
    struct status_peer at_lab;
    status_read_peer(office.lab[0]->engine, 0, 0, office.sim->now, &at_lab);
    char endpoint[ENDPOINT_TEXT_BYTES];
    CHECK(strncmp(endpoint_format(&at_lab.endpoint, endpoint), "172.16.0.2:", 11) == 0);
    living_talk(&office, "10.31.0.1", office.lab[0], "10.30.0.2", 1);
    living_talk(&office, "10.31.5.1", office.lab[1], "10.30.0.2", 2);
    living_talk(&office, "10.20.0.1", office.office, "10.9.0.2", 3);
    status_read_tunnel(office.client->engine, OFFICE_LAB, &lab);
    CHECK_EQUAL(lab.carrier, OFFICE_HOME);
    /* What was under way to the socket that it had inside entry reaches nobody (C1). */
    struct sample late = office_sample("10.64.0.2", 200, 5);
    late.source = "203.0.113.3";
    late.destination_port = old_port;
    sim_forget_inbox(office.client);
    sim_send(office.entry, &late);
    sim_run(office.sim, SIM_S);
    office_expect_nothing(office.client);
    CHECK_EQUAL(sim_drops(office.client, VERDICT_NOT_ASKED), 1);
    const struct change back = {.kind = CHANGE_TUNNEL_SET, .tunnel = "lab",
                                .fields = CHANGE_CARRIER, .carrier = "entry"};
    living_apply_one(office.client, &back);
    sim_run(office.sim, SIM_S);
    living_talk(&office, "10.31.0.1", office.lab[0], "10.30.0.2", 4);
    CHECK_EQUAL(office.client->sent_of_type[MESSAGE_INITIATION], initiations);
    CHECK_EQUAL(sim_peer_state(office.client, OFFICE_LAB, 0), STATUS_PEER_UP);
    tree_description_forget(tap_memory(), &before);
    office_wipe(&office);
}

/* From the entry to where the client's virtual socket was: it reaches nobody any more (C1). */
static void expect_shut(struct office *office, uint16_t port)
{
    struct sample late = office_sample("10.64.0.2", 200, 5);
    late.source = "203.0.113.3";
    late.destination_port = port;
    uint64_t before = sim_drops(office->client, VERDICT_NOT_ASKED);
    sim_forget_inbox(office->client);
    sim_send(office->entry, &late);
    sim_run(office->sim, SIM_S);
    office_expect_nothing(office->client);
    CHECK_EQUAL(sim_drops(office->client, VERDICT_NOT_ASKED), before + 1);
}

/* Chosen, written, another one, and dropped in the change that moves the tunnel away. */
static void i3_every_port_that_a_tunnel_leaves_is_shut(void)
{
    struct office office;
    office_init_connected(&office);
    struct status_tunnel lab;
    status_read_tunnel(office.client->engine, OFFICE_LAB, &lab);
    uint16_t port = lab.listen_port;
    for (uint16_t written = 61234; written < 61236; port = written, written++) {
        struct tunnel_description described = {.listen_port = written};
        const struct change set = {.kind = CHANGE_TUNNEL_SET, .tunnel = "lab",
                                   .fields = CHANGE_LISTEN_PORT, .description = &described};
        living_apply_one(office.client, &set);
        sim_run(office.sim, SIM_S);
        expect_shut(&office, port);
    }
    struct network_description before = living_describe(office.client);
    const struct change_allowed_ip wide[] = {{living_prefix("203.0.113.0/24"), false}};
    struct tunnel_description chosen = {.listen_port = 0};
    const struct change away[] = {
        {.kind = CHANGE_PEER_SET, .tunnel = "home", .allowed_ips = wide, .allowed_ips_count = 1,
         .peer = &before.tunnels[OFFICE_HOME].peers[0]},
        {.kind = CHANGE_TUNNEL_SET, .tunnel = "lab", .fields = CHANGE_CARRIER | CHANGE_LISTEN_PORT,
         .carrier = "home", .description = &chosen},
    };
    struct text why = TEXT_ROOM(512);
    CHECK_EQUAL(living_apply(office.client, away, 2, &why), 0);
    expect_shut(&office, port);
    tree_description_forget(tap_memory(), &before);
    office_wipe(&office);
}

/* It was the socket's: a tunnel that is carried has none, and nobody has to take it away first. */
static void i3_a_mark_goes_with_the_socket_that_had_it(void)
{
    struct office office;
    office_init_connected(&office);
    struct network_description before = living_describe(office.client);
    struct tunnel_description marked = {.fwmark = 0x48000007};
    const struct change_allowed_ip wide[] = {{living_prefix("203.0.113.0/24"), false}};
    const struct change changes[] = {
        {.kind = CHANGE_TUNNEL_SET, .tunnel = "home", .fields = CHANGE_FWMARK,
         .description = &marked},
        {.kind = CHANGE_PEER_SET, .tunnel = "office", .allowed_ips = wide, .allowed_ips_count = 1,
         .peer = &before.tunnels[OFFICE_OFFICE].peers[0]},
    };
    const struct change away = {.kind = CHANGE_TUNNEL_SET, .tunnel = "home",
                                .fields = CHANGE_CARRIER, .carrier = "office"};
    const struct change back = {.kind = CHANGE_TUNNEL_SET, .tunnel = "home",
                                .fields = CHANGE_CARRIER};
    const struct change marked_away = {.kind = CHANGE_TUNNEL_SET, .tunnel = "home",
                                       .fields = CHANGE_CARRIER | CHANGE_FWMARK,
                                       .carrier = "office",
                                       .description = &marked};
    struct text why = TEXT_ROOM(512);
    CHECK_EQUAL(living_apply(office.client, changes, 2, &why), 0);
    living_refuse(office.client, &marked_away, -EINVAL,
                  "tunnel home: a carried tunnel has no socket to mark; leave its mark out");
    for (int i = 0; i < 2; i++) {
        living_apply_one(office.client, i ? &back : &away);
        sim_run(office.sim, SIM_S);
        struct network_description after = living_describe(office.client);
        CHECK_EQUAL(after.tunnels[OFFICE_HOME].fwmark, 0);
        tree_description_forget(tap_memory(), &after);
    }
    tree_description_forget(tap_memory(), &before);
    office_wipe(&office);
}

/* The tree gets deeper than its buffers were made for: those of before are good for the ways of
 * before. */
static void i3_a_deeper_tree_gets_deeper_buffers(void)
{
    struct office office;
    office_init_connected(&office);
    size_t headroom = pool_shape(office.client->pool)->headroom_bytes;
    struct network_description before = living_describe(office.client);
    const struct change_allowed_ip wide[] = {{living_prefix("203.0.113.0/24"), false}};
    const struct change deeper[] = {
        {.kind = CHANGE_PEER_SET, .tunnel = "office", .allowed_ips = wide, .allowed_ips_count = 1,
         .peer = &before.tunnels[OFFICE_OFFICE].peers[0]},
        {.kind = CHANGE_TUNNEL_SET, .tunnel = "home", .fields = CHANGE_CARRIER,
         .carrier = "office"},
    };
    struct text why = TEXT_ROOM(512);
    office.office->forwards = true;
    sim_route(office.office, "10.9.0.2/32");
    /* What waits, here for a session that is over, was cut for one hop. */
    sim_run(office.sim, 200 * SIM_S);
    office.sim->link.lose_permille = 1000;
    const struct sample waiting = office_sample("192.168.0.1", 1200, 9);
    sim_send(office.client, &waiting);
    if (!CHECK_EQUAL(living_apply(office.client, deeper, 2, &why), 0))
        CHECK_TEXT(why.bytes, "");
    CHECK(pool_shape(office.client->pool)->headroom_bytes >= 3 * 64);
    CHECK(pool_shape(office.client->pool)->headroom_bytes > headroom);
    CHECK_EQUAL(sim_drops(office.client, VERDICT_MOVED), 1);
    office.sim->link.lose_permille = 0;
    sim_run(office.sim, 30 * SIM_S);
    sim_forget_inbox(office.home);
    living_talk(&office, "192.168.0.1", office.home, "172.16.0.2", 1);
    living_talk(&office, "10.31.0.1", office.lab[0], "10.30.0.2", 2);
    struct status_tunnel home;
    status_read_tunnel(office.client->engine, OFFICE_HOME, &home);
    CHECK_EQUAL(home.depth, 3);
    CHECK(engine_mtu(office.client->engine, OFFICE_HOME) <
          engine_mtu(office.client->engine, OFFICE_OFFICE));
    tree_description_forget(tap_memory(), &before);
    office_wipe(&office);
}

/* Both ends get the next key within the handshake interval, a thousand times, on both hops, while
 * requests go on: so handshakes begin while a hop's ends have different keys, too. */
static void rotations_of_the_preshared_key_cost_nothing(void)
{
    struct office office;
    uint32_t requests = 0;
    office_init_connected(&office);
    instant_ns start = office.sim->now;
    struct network_description client = living_describe(office.client);
    struct network_description entry = living_describe(office.entry);
    struct network_description exit = living_describe(office.office);
    for (uint32_t i = 0; i < 1000; i++) {
        uint8_t key[2][32];
        tap_random_bytes(key, sizeof(key));
        struct peer_description *ends[] = {&client.tunnels[OFFICE_ENTRY].peers[0],
                                           &client.tunnels[OFFICE_OFFICE].peers[0],
                                           &entry.tunnels[0].peers[0], &exit.tunnels[0].peers[0]};
        struct sim_host *const hosts[] = {office.client, office.client, office.entry,
                                          office.office};
        const char *const tunnels[] = {"entry", "office", entry.tunnels[0].name,
                                       exit.tunnels[0].name};
        for (unsigned end = 0; end < 4; end++) {
            memcpy(ends[end]->preshared_key, key[end % 2], 32);
            const struct change rotate = {.kind = CHANGE_PEER_SET, .tunnel = tunnels[end],
                                          .fields = CHANGE_PRESHARED_KEY, .peer = ends[end]};
            living_apply_one(hosts[end], &rotate);
            living_talk(&office, "10.20.0.1", office.office, "10.9.0.2", requests++);
        }
        sim_run(office.sim, tap_random_below(8) * SIM_S);
        living_talk(&office, "10.20.0.1", office.office, "10.9.0.2", requests++);
    }
    /* More than sessions ran out: about every fourth met two keys, and was tried again. */
    uint64_t sessions = (office.sim->now - start) / (120 * SIM_S);
    CHECK(sessions > 50);
    CHECK(office.client->sent_of_type[MESSAGE_INITIATION] > sessions + 5);
    tree_description_forget(tap_memory(), &client);
    tree_description_forget(tap_memory(), &entry);
    tree_description_forget(tap_memory(), &exit);
    office_wipe(&office);
}

static struct status_peer set_key_of_office(const struct office *office, uint8_t byte)
{
    struct status_peer client, relay;
    struct status_tunnel tunnel;
    status_read_peer(office->client->engine, OFFICE_OFFICE, 0, office->sim->now, &client);
    status_read_peer(office->office->engine, 0, 0, office->sim->now, &relay);
    status_read_tunnel(office->office->engine, 0, &tunnel);
    struct peer_description peer = {0};
    struct change set = {.kind = CHANGE_PEER_SET, .tunnel = "office", .peer = &peer,
                         .fields = CHANGE_PRESHARED_KEY};
    memset(peer.preshared_key, byte, 32);
    memcpy(peer.public_key, client.public_key, 32);
    living_apply_one(office->client, &set);
    set.tunnel = tunnel.name;
    memcpy(peer.public_key, relay.public_key, 32);
    living_apply_one(office->office, &set);
    status_read_peer(office->client->engine, OFFICE_OFFICE, 0, office->sim->now, &client);
    return client;
}

static void status_tells_since_when_a_preshared_key_is_set(void)
{
    struct office office;
    office_init_connected(&office);
    struct status_peer peer;
    status_read_peer(office.client->engine, OFFICE_OFFICE, 0, office.sim->now, &peer);
    CHECK(!peer.has_preshared_key && !peer.is_preshared_key_used);
    sim_run(office.sim, SIM_S);
    instant_ns set = office.sim->now;
    peer = set_key_of_office(&office, 5);
    CHECK(peer.has_preshared_key && !peer.is_preshared_key_used);
    CHECK(peer.preshared_key_since == set);
    sim_run(office.sim, 130 * SIM_S);
    living_talk(&office, "10.20.0.1", office.office, "10.9.0.2", 1);
    sim_run(office.sim, 5 * SIM_S);
    peer = set_key_of_office(&office, 5); /* again */
    CHECK(peer.is_preshared_key_used);
    CHECK(peer.preshared_key_since == set);
    peer = set_key_of_office(&office, 6);
    CHECK(peer.has_preshared_key && !peer.is_preshared_key_used);
    CHECK(peer.preshared_key_since == office.sim->now);
    peer = set_key_of_office(&office, 0);
    CHECK(!peer.has_preshared_key && !peer.is_preshared_key_used);
    office_wipe(&office);
}

/* RULES E1: on a link of 9000 bytes, of which nobody knew at the start. */
static void e1_a_root_that_is_added_has_its_links_mtu(void)
{
    struct office office;
    office_init_connected(&office);
    struct engine *engine = office.client->engine;
    struct network_description before = living_describe(office.client), after;
    struct tunnel_description *wide = &before.tunnels[OFFICE_HOME];
    snprintf(wide->name, sizeof(wide->name), "wide");
    const struct change list[] = {{.kind = CHANGE_TUNNEL_REMOVE, .tunnel = "home"},
                                  {.kind = CHANGE_TUNNEL_ADD, .tunnel = "wide",
                                   .description = wide}};
    struct text why = TEXT_ROOM(512);
    CHECK_EQUAL(living_apply(office.client, list, 2, &why), 0);
    int tunnel = engine_find_tunnel(engine, "wide");
    office.client->ports[tunnel] = 51829;
    office.client->tunnel_count = (size_t)tunnel + 1;
    office.client->link_mtu_bytes = office.home->link_mtu_bytes = 9000;
    const struct sample waits = office_sample("192.168.0.1", 1400, 1);
    engine_set_root_mtu(engine, (uint32_t)tunnel, 1440);
    sim_send(office.client, &waits);
    engine_set_root_mtu(engine, (uint32_t)tunnel, 8940);
    engine_set_root_mtu(office.home->engine, 0, 8940);
    CHECK_EQUAL(engine_mtu(engine, (uint32_t)tunnel), 8940);
    const struct sample largest = office_sample("192.168.0.1", 8940, 2);
    sim_send(office.client, &largest);
    sim_run(office.sim, SIM_S);
    office_expect(office.home, &waits, "172.16.0.2");
    office_expect(office.home, &largest, "172.16.0.2");
    living_talk(&office, "10.20.0.1", office.office, "10.9.0.2", 3);
    CHECK(sim_is_undisturbed(office.client));
    after = living_describe(office.client);
    CHECK_EQUAL(after.link_mtu_bytes, 8940); /* a network started so has room for it */
    engine_set_root_mtu(engine, (uint32_t)tunnel, 100000);
    CHECK_EQUAL(engine_mtu(engine, (uint32_t)tunnel), NETWORK_MTU_MOST_BYTES);
    tree_description_forget(tap_memory(), &before);
    tree_description_forget(tap_memory(), &after);
    office_wipe(&office);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, description_and_engine_are_made_from_each_other);
    TAP_RUN(argc, argv, a_peer_changes_and_no_session_ends);
    TAP_RUN(argc, argv, a_peer_goes_and_comes_beside_others);
    TAP_RUN(argc, argv, what_waits_for_a_removed_peer_goes_with_it);
    TAP_RUN(argc, argv, i3_a_carrier_moves_and_sessions_stay);
    TAP_RUN(argc, argv, i3_every_port_that_a_tunnel_leaves_is_shut);
    TAP_RUN(argc, argv, i3_a_mark_goes_with_the_socket_that_had_it);
    TAP_RUN(argc, argv, i3_a_deeper_tree_gets_deeper_buffers);
    TAP_RUN(argc, argv, e1_a_root_that_is_added_has_its_links_mtu);
    TAP_RUN(argc, argv, rotations_of_the_preshared_key_cost_nothing);
    TAP_RUN(argc, argv, status_tells_since_when_a_preshared_key_is_set);
    return tap_done();
}
