/* SPDX-License-Identifier: MIT */
/* Random changes under traffic: nothing is left behind that points to what has gone, all buffers
 * come back, and when everything is set as it was, everything works as it did. */
#include <stdio.h>

#include "engine/tree_description.h"
#include "simulation/living.h"

static const char *const tunnels[] = {"entry", "office", "lab", "home", "more"};
static const char *const destinations[] = {"10.20.0.1", "10.31.0.1", "10.31.5.1", "192.168.0.1",
                                           "198.51.100.9", "10.50.0.1"};

/* What a change points to. */
struct pieces {
    struct peer_description peer;
    struct change_allowed_ip allowed_ips[2];
    struct address address;
    struct tunnel_description tunnel;
};

/* Of one of the peers that the office began with, or of nobody. */
static void random_peer(const struct network_description *first, struct pieces *pieces)
{
    static const char *const prefixes[] = {"10.20.0.0/16", "10.31.5.0/24", "10.50.0.0/16",
                                           "203.0.113.0/24", "203.0.113.2/32", "0.0.0.0/0"};
    const struct tunnel_description *tunnel = &first->tunnels[tap_random_below(4)];
    pieces->peer = tunnel->peers[tap_random_below(tunnel->peer_count)];
    if (tap_random_below(4) == 0)
        sim_public_key(90 + (unsigned)tap_random_below(3), pieces->peer.public_key);
    pieces->peer.persistent_keepalive_s = (uint16_t)tap_random_below(3);
    for (unsigned i = 0; i < 2; i++)
        pieces->allowed_ips[i] = (struct change_allowed_ip){
            living_prefix(prefixes[tap_random_below(6)]), tap_random_below(3) == 0};
}

static struct change random_change(const struct network_description *first, struct pieces *pieces)
{
    static const enum change_kind kinds[] = {CHANGE_TUNNEL_ADD, CHANGE_TUNNEL_REMOVE,
                                             CHANGE_TUNNEL_SET, CHANGE_PEER_SET,
                                             CHANGE_PEER_SET,   CHANGE_PEER_SET,
                                             CHANGE_PEER_REMOVE, CHANGE_PEERS_REMOVE};
    random_peer(first, pieces);
    pieces->address = sample_address("10.64.0.9");
    pieces->tunnel = (struct tunnel_description){.addresses = &pieces->address,
                                                 .address_count = tap_random_below(2),
                                                 .mtu_bytes = tap_random_below(2) ? 0 : 1300,
                                                 .nat_is_off = tap_random_below(2),
                                                 .routes_are_default = true,
                                                 .peers = &pieces->peer,
                                                 .peer_count = tap_random_below(2)};
    struct change change = {.kind = kinds[tap_random_below(8)],
                            .tunnel = tunnels[tap_random_below(5)],
                            .carrier = tunnels[tap_random_below(5)],
                            .description = &pieces->tunnel,
                            .peer = &pieces->peer,
                            .fields = CHANGE_ENDPOINT | CHANGE_KEEPALIVE,
                            .allowed_ips = pieces->allowed_ips,
                            .allowed_ips_count = tap_random_below(3)};
    if (change.kind == CHANGE_TUNNEL_ADD || change.kind == CHANGE_TUNNEL_REMOVE)
        change.tunnel = "more"; /* the simulation has no socket for another root */
    if (change.kind == CHANGE_TUNNEL_SET) {
        bool is_root = change.tunnel[0] == 'e' || change.tunnel[0] == 'h';
        change.fields = CHANGE_NAT | CHANGE_MTU | (tap_random_below(2) ? CHANGE_ADDRESSES : 0) |
                        (is_root ? 0 : CHANGE_CARRIER);
    }
    snprintf(pieces->tunnel.name, sizeof(pieces->tunnel.name), "%s", change.tunnel);
    sim_private_key(70, pieces->tunnel.private_key);
    return change;
}

static void send_some(struct office *office, uint32_t serial)
{
    for (unsigned i = 0; i < 6; i++) {
        size_t len = 100 + tap_random_below(1100);
        const struct sample sample = office_sample(destinations[i], len, serial + i);
        if (tap_random_below(2)) {
            sim_send(office->client, &sample);
            continue;
        }
        uint8_t bytes[SAMPLE_MOST_BYTES];
        struct vnet_header vnet = {0};
        size_t written = sample_write(&sample, bytes);
        sim_write(office->client, bytes, written, &vnet); /* the turn is not over */
    }
}

/* All peers of the tunnels go and come again as they were. */
static void restore(struct office *office, const struct network_description *first)
{
    struct text why = TEXT_ROOM(512);
    struct change list[64];
    struct change_allowed_ip allowed_ips[64];
    size_t count = 0, prefixes = 0;
    for (size_t i = 0; i < 4; i++) {
        const struct tunnel_description *tunnel = &first->tunnels[i];
        list[count++] = (struct change){
            .kind = CHANGE_TUNNEL_SET, .tunnel = tunnel->name, .description = tunnel,
            .fields = CHANGE_CARRIER | CHANGE_ADDRESSES | CHANGE_MTU | CHANGE_NAT | CHANGE_ROUTES,
            .carrier = tunnel->carrier < 0 ? NULL : first->tunnels[tunnel->carrier].name};
        list[count++] = (struct change){.kind = CHANGE_PEERS_REMOVE, .tunnel = tunnel->name};
        for (size_t p = 0; p < tunnel->peer_count; p++) {
            const struct peer_description *peer = &tunnel->peers[p];
            list[count++] = (struct change){
                .kind = CHANGE_PEER_SET, .tunnel = tunnel->name, .peer = peer,
                .fields = CHANGE_ENDPOINT | CHANGE_PRESHARED_KEY | CHANGE_KEEPALIVE,
                .allowed_ips = &allowed_ips[prefixes],
                .allowed_ips_count = peer->allowed_ips_count};
            for (size_t a = 0; a < peer->allowed_ips_count; a++)
                allowed_ips[prefixes++].prefix = peer->allowed_ips[a];
        }
    }
    for (size_t i = 0; i < prefixes; i++)
        allowed_ips[i].is_removed = false;
    if (engine_find_tunnel(office->client->engine, "more") >= 0) /* it may carry one of them */
        list[count++] = (struct change){.kind = CHANGE_TUNNEL_REMOVE, .tunnel = "more"};
    if (!CHECK_EQUAL(living_apply(office->client, list, count, &why), 0))
        CHECK_TEXT(why.bytes, "");
}

static void changes_under_traffic_leave_nothing_behind(void)
{
    for (unsigned round = 0; round < 12; round++) {
        static struct pieces pieces[3];
        struct office office;
        unsigned applied = 0;
        office_init_connected(&office);
        struct network_description first = living_describe(office.client), last;
        for (uint32_t step = 0; step < 60; step++) {
            struct change list[3];
            size_t count = 1 + tap_random_below(3);
            struct text why = TEXT_ROOM(512);
            for (size_t i = 0; i < count; i++)
                list[i] = random_change(&first, &pieces[i]);
            send_some(&office, step * 6);
            applied += living_apply(office.client, list, count, &why) == 0;
            send_some(&office, step * 6);
            sim_flush(office.client);
            sim_run(office.sim, tap_random_below(4) ? SIM_S / 10 : 6 * SIM_S);
        }
        restore(&office, &first);
        last = living_describe(office.client);
        CHECK(living_are_equal(&first, &last));
        sim_run(office.sim, 60 * SIM_S);
        struct sim_host *const hosts[] = {office.office, office.lab[0], office.lab[1],
                                          office.home};
        for (unsigned i = 0; i < 4; i++)
            sim_forget_inbox(hosts[i]);
        living_talk(&office, "10.20.0.1", office.office, "10.9.0.2", 1);
        living_talk(&office, "10.31.0.1", office.lab[0], "10.30.0.2", 2);
        living_talk(&office, "10.31.5.1", office.lab[1], "10.30.0.2", 3);
        living_talk(&office, "192.168.0.1", office.home, "172.16.0.2", 4);
        printf("# %u applied\n", applied);
        tree_description_forget(tap_memory(), &first);
        tree_description_forget(tap_memory(), &last);
        office_wipe(&office);
    }
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, changes_under_traffic_leave_nothing_behind);
    return tap_done();
}
