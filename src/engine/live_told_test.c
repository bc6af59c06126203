/* SPDX-License-Identifier: MIT */
/* Who learns of a change: every end of what moved, nobody of what is so already; and who is no peer
 * by it. */
#include "engine/lanes.h"
#include "engine/tree_description.h"
#include "simulation/living.h"

static bool has_peer(const struct office *office, const uint8_t public_key[32], size_t allowed_ips)
{
    struct network_description network = living_describe(office->client);
    const struct tunnel_description *home = &network.tunnels[OFFICE_HOME];
    bool has = false;
    for (size_t i = 0; i < home->peer_count; i++)
        has |= memcmp(home->peers[i].public_key, public_key, 32) == 0 &&
               home->peers[i].allowed_ips_count == allowed_ips;
    tree_description_forget(tap_memory(), &network);
    return has;
}

static void who_is_a_peer_of_itself_is_told_by_the_key_of_the_end(void)
{
    for (unsigned is_key_first = 0; is_key_first < 2; is_key_first++) {
        struct office office;
        office_init_connected(&office);
        struct status_tunnel tunnel;
        status_read_tunnel(office.client->engine, OFFICE_HOME, &tunnel);
        struct status_peer relay;
        status_read_peer(office.client->engine, OFFICE_HOME, 0, office.sim->now, &relay);
        struct tunnel_description described = {.name = "home"};
        struct peer_description old = {.has_endpoint = false}, new = living_peer(90);
        const struct change_allowed_ip one[] = {{living_prefix("10.77.0.0/16"), false}};
        const struct change_allowed_ip relays[] = {{living_prefix("192.168.0.0/16"), false}};
        sim_private_key(90, described.private_key);
        memcpy(old.public_key, tunnel.public_key, 32);
        const struct change key = {.kind = CHANGE_TUNNEL_SET, .tunnel = "home",
                                   .fields = CHANGE_PRIVATE_KEY, .description = &described};
        const struct change list[] = {
            key,
            {.kind = CHANGE_PEER_SET, .tunnel = "home", .peer = &old, .allowed_ips = one,
             .allowed_ips_count = 1},
            {.kind = CHANGE_PEER_SET, .tunnel = "home", .peer = &new, .allowed_ips = relays,
             .allowed_ips_count = 1},
            key};
        struct text why = TEXT_ROOM(512);
        if (!CHECK_EQUAL(living_apply(office.client, list + !is_key_first, 3, &why), 0))
            CHECK_TEXT(why.bytes, "");
        CHECK(has_peer(&office, old.public_key, 1));
        CHECK(!has_peer(&office, new.public_key, 0) && !has_peer(&office, new.public_key, 1));
        CHECK(has_peer(&office, relay.public_key, 1)); /* nobody took its prefix */
        office_wipe(&office);
    }
}

/* What a tool says again that has read the same file. */
static void what_is_so_already_is_no_change(void)
{
    struct office office;
    office_init_connected(&office);
    struct network_description network = living_describe(office.client);
    struct tunnel_description *home = &network.tunnels[OFFICE_HOME];
    struct change_allowed_ip allowed_ips[8];
    struct peer_description *peer = &home->peers[0];
    struct hop *hop = hop_of(office.client->engine->core.tree.nodes[OFFICE_HOME]->peers[0]);
    const struct address source = sample_address("203.0.113.99");
    for (size_t i = 0; i < peer->allowed_ips_count && i < 8; i++)
        allowed_ips[i] = (struct change_allowed_ip){peer->allowed_ips[i], false};
    const struct change again[] = {
        {.kind = CHANGE_TUNNEL_SET, .tunnel = "home", .description = home,
         .fields = CHANGE_PRIVATE_KEY | CHANGE_LISTEN_PORT | CHANGE_FWMARK | CHANGE_ADDRESSES |
                   CHANGE_DNS | CHANGE_MTU | CHANGE_NAT | CHANGE_ROUTES},
        {.kind = CHANGE_PEER_SET, .tunnel = "home", .peer = peer, .allowed_ips = allowed_ips,
         .allowed_ips_count = peer->allowed_ips_count,
         .fields = CHANGE_PRESHARED_KEY | CHANGE_ENDPOINT | CHANGE_KEEPALIVE |
                   CHANGE_REPLACE_ALLOWED_IPS}};
    struct text why = TEXT_ROOM(512);
    hop->path.source = source; /* learnt */
    instant_ns initiated = hop->peer->timers.last_initiation;
    uint64_t sent = hop->peer->sent_bytes;
    CHECK_EQUAL(living_apply(office.client, again, 2, &why), 0);
    sim_run(office.sim, SIM_S / 100);
    CHECK(address_is_equal(&hop->path.source, &source));
    CHECK(hop->peer->timers.last_initiation == initiated);
    CHECK_EQUAL(hop->peer->sent_bytes, sent);
    /* Another one holds at once. */
    peer->endpoint.port++;
    CHECK_EQUAL(living_apply(office.client, &again[1], 1, &why), 0);
    CHECK(endpoint_is_equal(&hop->path.destination, &peer->endpoint));
    CHECK(!hop->path.source.family);
    tree_description_forget(tap_memory(), &network);
    office_wipe(&office);
}

/* Of more peers than one batch takes. */
static void i3_every_session_of_a_moved_tunnel_is_told(void)
{
    enum { PEERS = 400 };
    static const struct noise_keys keys = {.send = {1}, .receive = {2}};
    static const uint8_t timestamp[NOISE_TIMESTAMP_BYTES];
    struct office office;
    office_init_connected(&office);
    struct node *lab = office.client->engine->core.tree.nodes[OFFICE_LAB];
    for (unsigned i = 0; i < PEERS; i++) {
        struct peer_description peer = living_peer(100 + i);
        peer.has_endpoint = true;
        peer.endpoint = sample_endpoint("203.0.113.3:2000");
        peer.endpoint.port = (uint16_t)(2000 + i);
        const struct change add = {.kind = CHANGE_PEER_SET, .tunnel = "lab", .peer = &peer,
                                   .fields = CHANGE_ENDPOINT};
        living_apply_one(office.client, &add);
        struct peer *added = tunnel_find_peer(&lab->tunnel, peer.public_key);
        const struct peer_derivation derivation = {
            .keys = &keys, .timestamp = timestamp, .is_initiator = true,
            .local_index = indices_draw(added->indices, added->random)};
        CHECK(peer_derive_session(added, &derivation, office.sim->now));
    }
    struct network_description before = living_describe(office.client);
    const struct change_allowed_ip wide[] = {{living_prefix("203.0.113.0/24"), false}};
    const struct change away[] = {
        {.kind = CHANGE_PEER_SET, .tunnel = "home", .allowed_ips = wide, .allowed_ips_count = 1,
         .peer = &before.tunnels[OFFICE_HOME].peers[0]},
        {.kind = CHANGE_TUNNEL_SET, .tunnel = "lab", .fields = CHANGE_CARRIER, .carrier = "home"}};
    struct text why = TEXT_ROOM(512);
    CHECK_EQUAL(living_apply(office.client, away, 2, &why), 0);
    sim_run(office.sim, SIM_S);
    unsigned told = 0;
    for (struct peer *peer = NULL; (peer = node_next_peer(lab, peer));)
        told += peer->current && peer->current->send_counter > 0;
    CHECK_EQUAL(told, PEERS + 2);
    tree_description_forget(tap_memory(), &before);
    office_wipe(&office);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, i3_every_session_of_a_moved_tunnel_is_told);
    TAP_RUN(argc, argv, who_is_a_peer_of_itself_is_told_by_the_key_of_the_end);
    TAP_RUN(argc, argv, what_is_so_already_is_no_change);
    return tap_done();
}
