/* SPDX-License-Identifier: MIT */
#include "rigs/networks.h"

/* What each network was given, and more. */
static struct routing_entry entries[NETWORKS_MOST][4];
static size_t entry_counts[NETWORKS_MOST];

static void add_network(struct networks *networks, uint32_t priority, bool has_kill_switch,
                        const char *const prefixes[2])
{
    size_t at = networks->count;
    networks_add(networks, priority, has_kill_switch, prefixes);
    for (entry_counts[at] = 0; entry_counts[at] < 2; entry_counts[at]++)
        entries[at][entry_counts[at]] = host_entry(prefixes[entry_counts[at]], ROUTING_TUNNEL);
}

static void add_lan(size_t network, const char *prefix)
{
    entries[network][entry_counts[network]++] = host_entry(prefix, ROUTING_LAN);
}

static void update(struct networks *networks)
{
    for (size_t i = 0; i < networks->count; i++)
        CHECK_EQUAL(routing_update(&networks->host.netlink, &networks->routing[i], entries[i],
                                   entry_counts[i], &networks->host.why),
                    0);
}

#define LAN "192.168.77.0/24"
#define LAN6 "fd77::/64"
#define COME                                                                                       \
    "ip addr add 192.168.77.2/24 dev up0; ip addr add fd77::2/64 dev up0 nodad; until ip -6 "      \
    "route "                                                                                       \
    "show table main | grep -q ^fd77::/64; do sleep 0.01; done"
#define LEAVE "ip addr del 192.168.77.2/24 dev up0; ip addr del fd77::2/64 dev up0"

static void expect_way(struct networks *networks, const char *way)
{
    CHECK_TEXT(host_way_of(&networks->host, "192.168.77.9", 0), way);
    CHECK_TEXT(host_way_of(&networks->host, "fd77::9", 0), way);
}

/* Nobody follows: what was on the link is nobody's when it is not any more, until it is again. */
static void test_a7_a_lan_that_is_left_is_unreachable(void)
{
    static const char *const around[2] = {"192.168.0.0/16", "fd77::/32"};
    static const char *const same[2] = {LAN, LAN6};
    static const struct {
        bool has_kill_switch;
        const char *const *prefixes;
        const char *order;
    } cases[] = {
        {true, networks_whole, "0:L 0:A1 0:a2 0:l 0:x 0:o" TAIL},
        {true, around, "0:L 0:A1 0:l 0:x" TAIL},
        {false, around, "0:L 0:A1 0:l 0:x" TAIL},
    };
    static struct networks networks;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        if (!networks_open(&networks))
            return;
        networks_run(&networks, COME);
        add_network(&networks, 0, cases[i].has_kill_switch, cases[i].prefixes);
        add_lan(0, LAN);
        add_lan(0, LAN6);
        update(&networks);
        networks_expect(&networks, cases[i].order);
        expect_way(&networks, "up0");
        networks_run(&networks, LEAVE);
        expect_way(&networks, "refused");
        /* A wider one behind somebody's gateway is another network. */
        networks_run(&networks,
                     "ip route add 192.168.0.0/17 via 192.0.2.1; ip -6 route add fd77::/48 via "
                     "2001:db8::1");
        expect_way(&networks, "refused");
        networks_run(&networks, "ip route del 192.168.0.0/17; ip -6 route del fd77::/48; " COME);
        expect_way(&networks, "up0");
        entry_counts[0] = 2;
        update(&networks);
        expect_way(&networks, "hop0");
        networks_run(&networks, LEAVE);
        networks_close(&networks);
    }
    if (!networks_open(&networks))
        return;
    networks_run(&networks, COME);
    add_network(&networks, 0, false, same);
    for (size_t i = 0; i < 2; i++) {
        entries[0][i].kind = ROUTING_LAN;
        entries[0][i].is_tunnels = true;
    }
    update(&networks);
    expect_way(&networks, "up0");
    networks_run(&networks, LEAVE);
    expect_way(&networks, "refused");
    networks_close(&networks);
}

/* A default route alone goes behind main's longer prefixes: nothing is to be ended. */
static void test_a7_a_lan_beside_a_default_route_goes_into_the_tunnel_when_it_is_left(void)
{
    static struct networks networks;
    if (!networks_open(&networks))
        return;
    networks_run(&networks, COME);
    add_network(&networks, 0, false, networks_whole);
    add_lan(0, LAN);
    add_lan(0, LAN6);
    update(&networks);
    networks_expect(&networks, "0:L 0:A1 0:m 0:A2 0:o" TAIL);
    expect_way(&networks, "up0");
    networks_run(&networks, LEAVE);
    expect_way(&networks, "hop0");
    networks_close(&networks);
}

/* Each has its own end, the look into main is for both; the priorities of a user's are kept. */
static void test_f1_two_networks_share_a_lan(void)
{
    static const char *const around[2] = {"192.168.0.0/16", "fd77::/32"};
    static struct networks networks;
    if (!networks_open(&networks))
        return;
    networks_run(&networks, COME);
    add_network(&networks, 0, false, around);
    add_network(&networks, 0, true, networks_whole);
    add_network(&networks, 500, true, networks_whole);
    for (size_t i = 0; i < 3; i++) {
        add_lan(i, LAN);
        add_lan(i, LAN6);
    }
    update(&networks);
    update(&networks);
    networks_expect(&networks,
                    "0:L 0:A1 0:B1 0:C1 0:b2 0:c2 0:l 0:x 0:x 0:o 501:l 501:x 502:o" TAIL);
    expect_way(&networks, "up0");
    entry_counts[1] = 2; /* it allows it no more, and takes it */
    update(&networks);
    expect_way(&networks, "hop0");
    add_lan(1, LAN);
    add_lan(1, LAN6);
    update(&networks);
    struct host *host = &networks.host;
    CHECK_EQUAL(routing_undo(&host->netlink, &networks.routing[0], &host->why), 0);
    networks_expect(&networks, "0:L 0:B1 0:C1 0:b2 0:c2 0:l 0:x 0:o 501:l 501:x 502:o" TAIL);
    CHECK_EQUAL(routing_undo(&host->netlink, &networks.routing[1], &host->why), 0);
    networks_expect(&networks, "0:L 0:C1 0:c2 501:l 501:x 502:o" TAIL);
    expect_way(&networks, "up0");
    networks_run(&networks, LEAVE);
    expect_way(&networks, "refused");
    networks_close(&networks);
}

/* Behind another network's look into main it would be too late. */
static void test_a7_a_lan_of_a_larger_priority_is_ended_before_anothers_default_route(void)
{
    static const char *const around[2] = {"192.168.0.0/16", "fd77::/32"};
    static struct networks networks;
    if (!networks_open(&networks))
        return;
    networks_run(&networks,
                 COME "; ip route add 192.168.0.0/17 via 192.0.2.1; ip -6 route add fd77::/48 via "
                      "2001:db8::1");
    add_network(&networks, 0, false, networks_whole);
    add_network(&networks, 500, false, around);
    add_lan(1, LAN);
    add_lan(1, LAN6);
    update(&networks);
    update(&networks);
    networks_expect(&networks, "0:L 0:A1 0:B1 0:l 0:x 0:m 0:A2 0:o" TAIL);
    expect_way(&networks, "up0");
    networks_run(&networks, LEAVE);
    expect_way(&networks, "refused");
    networks_run(&networks, "ip route del 192.168.0.0/17; ip -6 route del fd77::/48");
    expect_way(&networks, "refused");
    networks_close(&networks);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_a7_a_lan_that_is_left_is_unreachable);
    TAP_RUN(argc, argv,
            test_a7_a_lan_beside_a_default_route_goes_into_the_tunnel_when_it_is_left);
    TAP_RUN(argc, argv, test_f1_two_networks_share_a_lan);
    TAP_RUN(argc, argv,
            test_a7_a_lan_of_a_larger_priority_is_ended_before_anothers_default_route);
    return tap_done();
}
