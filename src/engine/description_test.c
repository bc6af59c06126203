/* SPDX-License-Identifier: MIT */
/* The ways inside a tunnel (RULES A8): what the description says is what the tree does. */
#include "engine/description.h"

#include <stdio.h>

#include "engine/tree.h"
#include "simulation/simulation.h"

static void random_description(struct sim_network *network)
{
    static char name[] = "x";
    sim_network_init(network);
    sim_add_tunnel(network, "wg0", TUNNEL_NO_CARRIER, 1, "10.64.0.2");
    for (unsigned p = 0; p < 4; p++) {
        char endpoint[64];
        snprintf(endpoint, sizeof(endpoint), "%u.0.0.%u:1", 1 + (unsigned)tap_random_below(2) * 128,
                 (unsigned)tap_random_below(4));
        struct peer_description *peer = sim_add_peer(network, 0, 11 + p, "", endpoint);
        peer->has_endpoint = tap_random_below(4) > 0;
        peer->endpoint_name = !peer->has_endpoint && tap_random_below(2) ? name : NULL;
        for (size_t i = 0; i < 3; i++) {
            static const uint8_t lengths[] = {0, 1, 1, 8, 30, 31, 32};
            struct prefix *prefix = &network->prefixes[network->prefix_count];
            *prefix = prefix_host(&peer->endpoint.address);
            prefix->address.bytes[0] = tap_random_below(2) ? 1 : 129;
            prefix->address.bytes[3] = (uint8_t)tap_random_below(4);
            prefix->len_bits = lengths[tap_random_below(sizeof(lengths))];
            prefix_mask(prefix);
            bool is_new = true; /* of two that are equal the tree knows one */
            for (size_t other = 0; other < network->prefix_count; other++)
                is_new &= !prefix_is_equal(&network->prefixes[other], prefix);
            network->prefix_count += is_new;
            peer->allowed_ips_count += is_new;
        }
    }
}

/* A peer's way in the tree is what the description says, but where that would be a circle or is too
 * deep; nobody whose endpoint a fellow has uses the socket, and no path is deeper than was
 * foreseen. */
static void a8_description_and_tree_agree(void)
{
    static struct sim_network network;
    for (unsigned round = 0; round < 3000; round++) {
        struct tree tree;
        random_description(&network);
        if (!CHECK(tree_init(&tree, tap_memory(), tap_random_source(), &network.description, 1500,
                             TEXT_UNHEARD)))
            return;
        const struct node *node = tree.nodes[0];
        for (uint32_t p = 0; p < node->tunnel.peer_count; p++) {
            const struct peer_description *from = &network.tunnels[0].peers[p];
            const struct hop *hop = hop_of(node->peers[p]);
            int fellow = description_fellow_of(&network.tunnels[0], p, &from->endpoint.address);
            if (!from->has_endpoint) {
                CHECK(!hop->carrier);
                continue;
            }
            uint32_t steps = 1;
            for (const struct hop *at = hop; at->carrier_peer && steps < 100; steps++)
                at = hop_of(at->carrier_peer);
            CHECK(steps <= node->levels);
            CHECK_EQUAL(hop->carrier == node, fellow != NETWORK_FELLOW_NONE);
            CHECK(!hop->carrier_peer || (int)hop->carrier_peer->index == fellow);
        }
        CHECK(node->levels <= description_longest_path(&network.description));
        tree_wipe(&tree);
    }
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

/* Trees as they always were: a /0, its halves, or a peer's own wide prefix carry nobody (TRAPS
 * 9). */
static void a8_ordinary_peers_go_straight(void)
{
    static const struct {
        const char *exit, *entry; /* AllowedIPs; the endpoints are 203.0.113.1 and .2 */
        int exits_fellow, entrys_fellow;
        uint32_t levels;
    } cases[] = {
        {"10.1.0.0/16", "10.2.0.0/16", -1, -1, 1},
        {"0.0.0.0/0", "10.2.0.0/16", -1, -1, 1},
        {"0.0.0.0/1 128.0.0.0/1", "10.2.0.0/16", -1, -1, 1},
        {"0.0.0.0/1", "128.0.0.0/1", -1, -1, 1},
        {"203.0.113.0/24", "10.2.0.0/16", -1, 0, 2},
        {"203.0.113.1/32", "10.2.0.0/16", -1, -1, 1},
        {"0.0.0.0/0", "203.0.113.1/32", 1, -1, 2},
        {"0.0.0.0/1 128.0.0.0/1", "203.0.113.0/31", 1, -1, 2},
        {"203.0.113.1/32", "203.0.113.0/24", NETWORK_FELLOW_ITSELF, -1, 1},
        {"128.0.0.0/1", "203.0.113.1/32", 1, 0, 2},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sim_network network;
        sim_network_init(&network);
        sim_add_tunnel(&network, "wg0", TUNNEL_NO_CARRIER, 1, "10.64.0.2");
        sim_add_peer(&network, 0, 11, cases[i].exit, "203.0.113.1:1");
        sim_add_peer(&network, 0, 12, cases[i].entry, "203.0.113.2:1");
        for (size_t p = 0; p < 2; p++)
            CHECK_EQUAL(description_fellow_of(&network.tunnels[0], p,
                                               &network.tunnels[0].peers[p].endpoint.address),
                        p ? cases[i].entrys_fellow : cases[i].exits_fellow);
        CHECK_EQUAL(description_levels_of(&network.tunnels[0]), cases[i].levels);
    }
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, a8_description_and_tree_agree);
    TAP_RUN(argc, argv, a8_ordinary_peers_go_straight);
    return tap_done();
}
