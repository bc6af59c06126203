/* SPDX-License-Identifier: MIT */
/* RULES G3: each name server is a host route of the tunnel that names it, and never a conflict. */
#include "engine/tree.h"
#include "simulation/simulation.h"

enum { ENTRY, OFFICE, HOME };

static struct address servers[8];
static size_t server_count;

/* In place of what its peer is allowed. */
static void allow(struct sim_network *network, int tunnel, const char *prefix)
{
    struct peer_description *peer = &network->tunnels[tunnel].peers[0];
    CHECK(prefix_parse(prefix, &peer->allowed_ips[0]));
    peer->allowed_ips_count = 1;
}

static void add_server(struct sim_network *network, int tunnel, const char *server)
{
    struct tunnel_description *to = &network->tunnels[tunnel];
    if (to->dns_count == 0)
        to->dns = &servers[server_count];
    servers[server_count++] = sample_address(server);
    to->dns_count++;
}

/* `entry` with all of IPv4, in it `office` with 10.20.0.0/16 of what it is allowed, and another
 * root `home` with 192.168.0.0/16. */
static void describe(struct sim_network *network)
{
    server_count = 0;
    sim_network_init(network);
    sim_add_tunnel(network, "entry", TUNNEL_NO_CARRIER, 1, "10.64.0.2");
    sim_add_tunnel(network, "office", ENTRY, 2, "10.9.0.2");
    sim_add_tunnel(network, "home", TUNNEL_NO_CARRIER, 3, "172.16.0.2");
    sim_add_peer(network, ENTRY, 11, "0.0.0.0/0", "203.0.113.1:51820");
    sim_add_peer(network, OFFICE, 12, "0.0.0.0/0 ::/0", "203.0.113.2:51820");
    sim_add_peer(network, HOME, 13, "0.0.0.0/0", "203.0.113.3:51820");
    sim_set_routes(network, OFFICE, "10.20.0.0/16");
    sim_set_routes(network, HOME, "192.168.0.0/16");
}

static void expect(const struct sim_network *network, const char *destination, int tunnel)
{
    struct tree tree;
    struct text why = TEXT_ROOM(512);
    struct address address = sample_address(destination);
    if (!CHECK(tree_init(&tree, tap_memory(), tap_random_source(), &network->description, 1500,
                         &why))) {
        CHECK_TEXT(why.bytes, "");
        return;
    }
    CHECK_EQUAL(routes_lookup(&tree.routes, &address), tunnel);
    tree_wipe(&tree);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

static void g3_a_server_is_a_host_route_of_its_tunnel(void)
{
    struct sim_network network;
    describe(&network);
    expect(&network, "10.99.0.53", ENTRY);
    add_server(&network, OFFICE, "10.99.0.53");
    add_server(&network, OFFICE, "fd99::53");
    expect(&network, "10.99.0.53", OFFICE);
    expect(&network, "fd99::53", OFFICE);
    expect(&network, "10.99.0.54", ENTRY);
    expect(&network, "10.20.0.1", OFFICE);
    add_server(&network, HOME, "10.98.0.53");
    expect(&network, "10.98.0.53", HOME);
    sim_set_routes(&network, OFFICE, ""); /* none: its server is routed all the same */
    expect(&network, "10.99.0.53", OFFICE);
}

static void g3_the_first_in_the_file_and_the_deepest_have_it(void)
{
    struct sim_network network;
    describe(&network);
    add_server(&network, ENTRY, "9.9.9.9");
    expect(&network, "9.9.9.9", ENTRY);
    add_server(&network, HOME, "9.9.9.9"); /* unrelated, as deep, later */
    expect(&network, "9.9.9.9", ENTRY);
    add_server(&network, OFFICE, "9.9.9.9");
    expect(&network, "9.9.9.9", OFFICE);
}

/* The query would die inside: it goes where it would without the line. */
static void g3_a_server_that_no_peer_takes_is_no_route_of_its_tunnel(void)
{
    struct sim_network network;
    describe(&network);
    allow(&network, HOME, "192.168.0.0/16");
    add_server(&network, HOME, "9.9.9.9");
    add_server(&network, HOME, "fd99::53");
    expect(&network, "9.9.9.9", ENTRY); /* another tunnel of the network has all of IPv4 */
    expect(&network, "fd99::53", ROUTES_NONE);
    add_server(&network, ENTRY, "9.9.9.8"); /* a later one that does not take it changes nothing */
    add_server(&network, OFFICE, "9.9.9.8");
    allow(&network, OFFICE, "10.20.0.0/16");
    expect(&network, "9.9.9.8", ENTRY);
    sim_add_peer(&network, HOME, 14, "9.9.9.9/32 fd99::/64", "203.0.113.4:51820");
    expect(&network, "9.9.9.9", HOME);
    expect(&network, "fd99::53", HOME);
}

static void g3_a_written_route_goes_before(void)
{
    struct sim_network network;
    describe(&network);
    sim_set_routes(&network, HOME, "10.99.0.53/32");
    add_server(&network, OFFICE, "10.99.0.53");
    expect(&network, "10.99.0.53", HOME);
    describe(&network);
    sim_set_routes(&network, OFFICE, "10.20.0.0/16 !10.99.0.53/32");
    add_server(&network, OFFICE, "10.99.0.53");
    expect(&network, "10.99.0.53", ENTRY);
}

static void a2_a_carriers_server_never_beats_what_it_carries(void)
{
    struct sim_network network;
    describe(&network);
    sim_set_routes(&network, OFFICE, "0.0.0.0/0");
    add_server(&network, ENTRY, "10.64.0.1");
    expect(&network, "10.64.0.1", OFFICE);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, g3_a_server_is_a_host_route_of_its_tunnel);
    TAP_RUN(argc, argv, g3_the_first_in_the_file_and_the_deepest_have_it);
    TAP_RUN(argc, argv, g3_a_server_that_no_peer_takes_is_no_route_of_its_tunnel);
    TAP_RUN(argc, argv, g3_a_written_route_goes_before);
    TAP_RUN(argc, argv, a2_a_carriers_server_never_beats_what_it_carries);
    return tap_done();
}
