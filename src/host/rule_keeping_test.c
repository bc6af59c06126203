/* SPDX-License-Identifier: MIT */
#include "host/rule_keeping.h"

#include <errno.h>
#include <stdio.h>

#include "rigs/networks.h"

static void test_f1_rules_stand_behind_local_and_before_what_others_add(void)
{
    static struct networks networks;
    if (!networks_open(&networks))
        return;
    networks_add(&networks, 0, false, networks_whole);
    networks_expect(&networks, "0:L 0:A1 0:m 0:A2 0:o" TAIL);
    /* Without a number, as wg-quick adds them; and with one. */
    networks_run(&networks,
                 "ip rule add table 77; ip -6 rule add table 77; ip rule add pref 5000 table main;"
                 "ip -6 rule add pref 5000 table main; ip rule add pref 1 table 78;"
                 "ip -6 rule add pref 1 table 78");
    networks_expect(&networks, "0:L 0:A1 0:m 0:A2 0:o 0:77 1:78 5000:M" TAIL);
    networks_keep(&networks);
    networks_expect(&networks, "0:L 0:A1 0:m 0:A2 0:g1 0:o 0:77 1:78 5000:M" TAIL);
    CHECK_TEXT(host_way_of(&networks.host, "10.20.0.80", 0), "hop0");
    CHECK_TEXT(host_way_of(&networks.host, "10.20.0.80", 0x48000001), "up0");
    networks_run(&networks,
                 "for f in -4 -6; do for rule in 'table 77' 'pref 1' 'pref 5000'; do ip $f rule "
                 "del $rule; done; done");
    networks_close(&networks);
}

static void test_f1_the_rules_follow_local_wherever_it_is_moved(void)
{
    static const char *const moves[][2] = {
        {"ip $f rule add pref 100 lookup local; ip $f rule del pref 0 lookup local",
         "100:L 100:A1 100:m 100:A2 100:o" TAIL},
        {"ip $f rule del pref 100 lookup local; ip $f rule add pref 7 lookup local",
         "7:L 7:A1 7:m 7:A2 7:o" TAIL},
        {"ip $f rule del pref 7 lookup local; ip $f rule add pref 7 lookup local",
         "7:L 7:A1 7:m 7:A2 7:o" TAIL},
        /* A second one changes nothing, until the first goes. */
        {"ip $f rule add pref 9 lookup local", "7:L 7:A1 7:m 7:A2 7:o 9:L" TAIL},
        {"ip $f rule del pref 7 lookup local", "9:L 9:A1 9:m 9:A2 9:o" TAIL},
        /* None at all: they stay. One for some packets only is none. */
        {"ip $f rule del pref 9 lookup local", "9:A1 9:m 9:A2 9:o" TAIL},
        {"ip $f rule add pref 20 iif up0 lookup local", "9:A1 9:m 9:A2 9:o 20:L" TAIL},
        {"ip $f rule del pref 20; ip $f rule add pref 0 lookup local",
         "0:L 0:A1 0:m 0:A2 0:o" TAIL},
    };
    static struct networks networks;
    char command[512];
    if (!networks_open(&networks))
        return;
    networks_add(&networks, 0, false, networks_whole);
    for (size_t i = 0; i < sizeof(moves) / sizeof(*moves); i++) {
        snprintf(command, sizeof(command), "for f in -4 -6; do %s; done", moves[i][0]);
        networks_run(&networks, command);
        networks_keep(&networks);
        networks_expect(&networks, moves[i][1]);
    }
    networks_close(&networks);
}

static void test_f1_what_is_removed_comes_back_in_order(void)
{
    static const char *const losses[] = {
        "ip $f rule del table 4800",
        "ip $f rule del table 4801",
        "ip $f rule del table 4802",
        "ip $f rule del table 4801; ip $f rule del table 4802",
        "ip $f rule del not fwmark 0x48000000/0xff000000 table main suppress_prefixlength 0",
        "ip $f rule del table 4800; ip $f rule del table 4802; ip $f rule del table 4801",
        /* put back by hand, where it does not belong */
        "ip $f rule del table 4800; ip $f rule add pref 0 not fwmark 0x48000000/0xff000000 table "
        "4800 protocol 202",
        "for i in 1 2 3 4 5 6 7; do ip $f rule del pref 0; done; ip $f rule add pref 0 lookup "
        "local",
    };
    static struct networks networks;
    char command[512];
    if (!networks_open(&networks))
        return;
    networks_add(&networks, 0, false, networks_whole);
    networks_add(&networks, 0, false, networks_split);
    for (size_t i = 0; i < sizeof(losses) / sizeof(*losses); i++) {
        snprintf(command, sizeof(command), "for f in -4 -6; do %s; done", losses[i]);
        networks_run(&networks, command);
        networks_keep(&networks);
        /* After a loss of both first tables they may have changed places. */
        const char *order = networks_order_of(&networks, "4");
        CHECK(strcmp(order, "0:L 0:A1 0:B1 0:m 0:A2 0:o" TAIL) == 0 ||
              strcmp(order, "0:L 0:B1 0:A1 0:m 0:A2 0:o" TAIL) == 0);
        if (strstr(order, "0:L") != order)
            printf("# %s: %s\n", losses[i], order);
        CHECK_TEXT(host_way_of(&networks.host, "10.20.0.80", 0), "hop0");
        CHECK_TEXT(host_way_of(&networks.host, "192.0.2.77", 0), "up0");
    }
    networks_close(&networks);
}

static void test_f1_flushed_rules_stand_again_behind_local(void)
{
    static struct networks networks;
    if (!networks_open(&networks))
        return;
    networks_run(&networks,
                 "for f in 4 6; do ip -$f ru add pref 100 table local; ip -$f ru del pref 0; done");
    networks_add(&networks, 0, true, networks_whole);
    networks_add(&networks, 0, false, networks_split);
    networks_expect(&networks, "100:L 100:A1 100:B1 100:a2 100:o" TAIL);
    networks_run(&networks,
                 "ip rule flush; ip -6 rule flush; for f in -4 -6; do ip $f rule add pref 0 lookup "
                 "local; ip $f rule add pref 32766 lookup main; done; ip rule add pref 32767 "
                 "lookup default");
    networks_keep(&networks);
    networks_expect(&networks, "0:L 0:A1 0:B1 0:a2 0:o" TAIL);
    networks.dump[0] = networks.after[0] = '\0';
    own_netns_run(networks.dump, sizeof(networks.dump), "ip rule; ip -6 rule");
    for (size_t i = 0; i < networks.count; i++)
        CHECK_EQUAL(routing_undo(&networks.host.netlink, &networks.routing[i], &networks.host.why),
                    0);
    networks_expect(&networks, "0:L" TAIL);
    host_close(&networks.host);
}

/* Without a /0 nothing of the host's needs to go before it; while its routes stand its rules do. */
static void test_f1_the_rules_of_a_0_come_and_go_with_it(void)
{
    static struct networks networks;
    if (!networks_open(&networks))
        return;
    struct host *host = &networks.host;
    struct routing_entry longer[] = {host_entry(networks_split[0], ROUTING_TUNNEL),
                                     host_entry(networks_split[1], ROUTING_TUNNEL)};
    const struct routing_entry all[] = {host_entry(networks_whole[0], ROUTING_TUNNEL),
                                        host_entry(networks_whole[1], ROUTING_TUNNEL)};
    networks_add(&networks, 0, false, networks_split);
    networks_expect(&networks, "0:L 0:A1" TAIL);
    CHECK_EQUAL(routing_update(&host->netlink, &networks.routing[0], all, 2, &host->why), 0);
    networks_expect(&networks, "0:L 0:A1 0:m 0:A2 0:o" TAIL);
    longer[0].source.bytes[3] ^= 1; /* an address that the host has not: the kernel refuses */
    CHECK(routing_update(&host->netlink, &networks.routing[0], longer, 2, &host->why) < 0);
    text_init(&host->why, host->said, sizeof(host->said));
    networks_expect(&networks, "0:L 0:A1 0:m 0:A2 0:o" TAIL);
    CHECK_TEXT(host_way_of(host, "198.51.100.1", 0), "hop0");
    longer[0].source.bytes[3] ^= 1;
    CHECK_EQUAL(routing_update(&host->netlink, &networks.routing[0], longer, 2, &host->why), 0);
    networks_expect(&networks, "0:L 0:A1" TAIL);
    CHECK_TEXT(host_way_of(host, "198.51.100.1", 0), "up0");
    networks_close(&networks);
}

/* A second network's longer prefixes go before the first one's /0, its "main" not before the first
 * one's kill switch, and neither one's goes before a first table. */
static void test_f1_a_second_network_goes_before_no_kill_switch(void)
{
    static const struct {
        bool first, second;          /* kill switches */
        const char *const *prefixes; /* the second one's */
        const char *order;
    } cases[] = {
        {false, false, networks_split, "0:L 0:A1 0:B1 0:m 0:A2 0:o" TAIL},
        {true, false, networks_split, "0:L 0:A1 0:B1 0:a2 0:o" TAIL},
        {false, true, networks_split, "0:L 0:A1 0:B1 0:m 0:A2 0:o" TAIL},
        {true, true, networks_split, "0:L 0:A1 0:B1 0:a2 0:o" TAIL},
        {false, false, networks_whole, "0:L 0:A1 0:B1 0:m 0:A2 0:B2 0:o 0:o" TAIL},
        {true, false, networks_whole, "0:L 0:A1 0:B1 0:a2 0:m 0:B2 0:o 0:o" TAIL},
        {false, true, networks_whole, "0:L 0:A1 0:B1 0:b2 0:m 0:A2 0:o 0:o" TAIL},
        {true, true, networks_whole, "0:L 0:A1 0:B1 0:a2 0:b2 0:o 0:o" TAIL},
    };
    static struct networks networks;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        if (!networks_open(&networks))
            return;
        networks_add(&networks, 0, cases[i].first, networks_whole);
        networks_run(&networks,
                     "ip route add 10.20.0.0/24 via 192.0.2.1; ip -6 route add fd20::/64 via "
                     "2001:db8::1; ip route add 198.51.100.0/24 via 192.0.2.1");
        CHECK_TEXT(host_way_of(&networks.host, "198.51.100.1", 0), cases[i].first ? "hop0" : "up0");
        networks_add(&networks, 0, cases[i].second, cases[i].prefixes);
        networks_expect(&networks, cases[i].order);
        bool is_split = cases[i].prefixes == networks_split;
        bool has_closed = cases[i].first || (cases[i].second && !is_split);
        CHECK_TEXT(host_way_of(&networks.host, "10.20.0.80", 0),
                   is_split || has_closed ? "hop0" : "up0");
        CHECK_TEXT(host_way_of(&networks.host, "198.51.100.1", 0), has_closed ? "hop0" : "up0");
        /* Whichever ends first, the other's stay. */
        size_t ends = i % 2;
        CHECK_EQUAL(
            routing_undo(&networks.host.netlink, &networks.routing[ends], &networks.host.why), 0);
        networks_keep(&networks);
        CHECK_TEXT(host_way_of(&networks.host, "10.20.0.80", 0),
                   is_split || has_closed ? "hop0" : "up0");
        networks_run(&networks,
                     "ip route del 10.20.0.0/24; ip -6 route del fd20::/64; ip route del "
                     "198.51.100.0/24");
        networks_close(&networks);
    }
}

/* Whatever stands, a second look changes nothing: else two daemons would work against each other
 * for ever. */
static void test_f1_networks_do_not_work_against_each_other(void)
{
    static struct networks networks;
    static char rested[RULES_BYTES];
    if (!networks_open(&networks))
        return;
    networks_add(&networks, 0, false, networks_whole);
    networks_add(&networks, 0, true, networks_whole);
    networks_add(&networks, 0, false, networks_whole);
    for (unsigned round = 0; round < 60; round++) {
        char command[160];
        snprintf(command, sizeof(command),
                 "ip rule del pref 0 table %u; ip rule del pref 0 fwmark "
                 "0x%x table main",
                 ROUTING_TABLE_FIRST + (unsigned)tap_random_below(6),
                 ROUTING_MARK_FIRST + (unsigned)tap_random_below(3));
        own_netns_run(rested, sizeof(rested), command);
        size_t first = tap_random_below(3);
        for (size_t i = 0; i < 3; i++)
            keep_one(&networks, (first + i) % 3);
        own_netns_run(rested, sizeof(rested), "ip rule");
        networks_keep(&networks);
        CHECK_TEXT(own_netns_run(networks.after, sizeof(networks.after), "ip rule"), rested);
    }
    networks_close(&networks);
}

/* wg-quick's rule for all that it has not marked takes the tunnels' own datagrams no more; rules
 * that steer packets do as before. */
static void test_f3_own_datagrams_go_past_a_wg_quick_but_not_past_policy_routing(void)
{
    static struct networks networks;
    if (!networks_open(&networks))
        return;
    networks_run(&networks,
                 "ip route add default dev hop0 table 51820; ip rule add not fwmark 51820 table "
                 "51820; ip rule add table main suppress_prefixlength 0");
    networks_add(&networks, 0, false, networks_whole);
    CHECK_TEXT(host_way_of(&networks.host, "198.51.100.1", 0x48000001), "up0");
    /* It rides the tunnel. */
    CHECK_TEXT(host_way_of(&networks.host, "198.51.100.1", 51820), "hop0");
    networks_run(&networks,
                 "ip route add 198.51.100.0/24 dev hop0 table 52; ip rule add pref 5270 table 52");
    networks_keep(&networks);
    CHECK_TEXT(networks_order_of(&networks, "4"),
               "0:L 0:A1 0:m 0:A2 5270:52 5270:o 32764:M 32765:51820" TAIL);
    CHECK_TEXT(host_way_of(&networks.host, "198.51.100.1", 0x48000001), "hop0");
    CHECK_TEXT(host_way_of(&networks.host, "198.18.0.1", 0x48000001), "up0");
    networks_run(&networks,
                 "ip rule del pref 5270; ip rule del table 51820; ip rule del pref 32764; ip route "
                 "flush table 51820; ip route flush table 52");
    networks_keep(&networks);
    networks_expect(&networks, "0:L 0:A1 0:m 0:A2 0:o" TAIL);
    networks_close(&networks);
}

/* Where each rule of a full tunnel's and of what steers packets can stand, with a priority and
 * without: our own datagrams are steered, and go into no full tunnel. */
static void test_f3_own_datagrams_are_steered_past_every_full_tunnel(void)
{
    static const uint32_t places[] = {100, 200, 300, 400};
    static const uint32_t priorities[] = {0, 150, 250, 500};
    static struct networks networks;
    char command[512];
    for (unsigned p = 0; p < 4; p++) {
        if (!networks_open(&networks))
            return;
        networks_run(&networks,
                     "ip route add 198.51.100.0/24 dev lo table 52; ip route add default dev hop0 "
                     "table 77; ip -6 route add 2001:db8:51::/48 dev lo table 52; ip -6 route add "
                     "default dev hop0 table 77");
        networks_add(&networks, priorities[p], false, networks_whole);
        for (unsigned i = 0; i < 16; i++) {
            unsigned steering = places[i / 4], full = places[i % 4];
            bool steers_first = i % 2; /* they come in either order */
            char rules[2][96];
            snprintf(rules[!steers_first], sizeof(rules[0]), "ip $f rule add pref %u table 52",
                     steering);
            snprintf(rules[steers_first], sizeof(rules[0]),
                     "ip $f rule add pref %u not fwmark 0x51 table 77", full);
            snprintf(command, sizeof(command), "for f in -4 -6; do %s; %s; done", rules[0],
                     rules[1]);
            if (steering == full && !steers_first)
                continue; /* the full tunnel takes all before */
            networks_run(&networks, command);
            networks_keep(&networks);
            const char *steered = steering == full ? "up0" : "elsewhere"; /* no room between */
            bool is_right =
                CHECK_TEXT(host_way_of(&networks.host, "198.51.100.1", 0x48000001), steered) &&
                CHECK_TEXT(host_way_of(&networks.host, "2001:db8:51::1", 0x48000001), steered) &&
                CHECK_TEXT(host_way_of(&networks.host, "198.18.0.1", 0x48000001), "up0") &&
                CHECK_TEXT(host_way_of(&networks.host, "2001:db8:18::1", 0x48000001), "up0");
            if (!is_right)
                printf("# %s\n", networks_order_of(&networks, "4"));
            snprintf(
                command, sizeof(command),
                "for f in -4 -6; do ip $f rule del pref %u table 52; ip $f rule del pref %u not "
                "fwmark 0x51 table 77; done",
                steering, full);
            networks_run(&networks, command);
            networks_keep(&networks);
        }
        networks_run(
            &networks,
            "for f in -4 -6; do ip $f route flush table 52; ip $f route flush table 77; done");
        networks_close(&networks);
    }
}

/* Added without a number a full tunnel's rule lands directly behind ours, at their priority, where
 * nothing can be put in front of it any more. */
static void test_f3_a_full_tunnel_that_comes_directly_behind_ours_is_passed(void)
{
    static struct networks networks;
    if (!networks_open(&networks))
        return;
    networks_run(&networks,
                 "ip route add 198.51.100.0/24 dev lo table 52; ip rule add pref 5270 table 52; ip "
                 "route add default dev hop0 table 77");
    networks_add(&networks, 0, false, networks_whole);
    CHECK_TEXT(networks_order_of(&networks, "4"), "0:L 0:A1 0:m 0:A2 0:g5270 0:o 5270:52" TAIL);
    networks_run(&networks, "ip rule add not fwmark 0x51 table 77");
    networks_keep(&networks);
    CHECK_TEXT(networks_order_of(&networks, "4"),
               "0:L 0:A1 0:m 0:A2 0:g5270 0:o 0:77 5270:52" TAIL);
    CHECK_TEXT(host_way_of(&networks.host, "198.51.100.1", 0x48000001), "elsewhere");
    CHECK_TEXT(host_way_of(&networks.host, "198.18.0.1", 0x48000001), "up0");
    networks_run(&networks, "ip rule del pref 5270"); /* and then what lies behind */
    networks_keep(&networks);
    CHECK_TEXT(host_way_of(&networks.host, "198.51.100.1", 0x48000001), "up0");
    networks_run(&networks,
                 "ip rule del table 77; ip route flush table 52; ip route flush table 77");
    networks_keep(&networks);
    networks_expect(&networks, "0:L 0:A1 0:m 0:A2 0:o" TAIL);
    networks_close(&networks);
}

/* With split routes there is no circle: whoever has a full tunnel beside keeps the datagrams in
 * it. */
static void test_f3_split_tunnels_ride_a_full_wg_quick(void)
{
    static struct networks networks;
    if (!networks_open(&networks))
        return;
    networks_add(&networks, 0, false, networks_split);
    networks_run(&networks,
                 "ip route add default dev hop0 table 51820; ip rule add not fwmark 51820 table "
                 "51820");
    networks_keep(&networks);
    CHECK_TEXT(networks_order_of(&networks, "4"), "0:L 0:A1 0:51820" TAIL);
    CHECK_TEXT(host_way_of(&networks.host, "198.51.100.1", 0x48000001), "hop0");
    networks_run(&networks, "ip rule del table 51820; ip route flush table 51820");
    networks_close(&networks);
}

/* With a mark under all bits two of its rules are alike to the kernel. */
static void test_f3_a_mark_of_the_users_is_undone_exactly(void)
{
    static struct networks networks;
    if (!networks_open(&networks))
        return;
    struct host *host = &networks.host;
    struct routing *routing = &networks.routing[networks.count++];
    struct routing_choice choice = {.interface_name = "hop0",
                                    .interface_index = host->tun_index,
                                    .mark = 0x51,
                                    .mask = UINT32_MAX};
    const struct routing_entry entries[] = {host_entry("0.0.0.0/0", ROUTING_TUNNEL),
                                            host_entry("::/0", ROUTING_TUNNEL)};
    CHECK_EQUAL(routing_choose(&host->netlink, &choice, routing, &host->why), 0);
    CHECK_EQUAL(routing_lay(&host->netlink, routing, entries, 2, &host->why), 0);
    networks_expect(&networks, "0:L 0:A1 0:m 0:A2 0:o" TAIL);
    networks_run(&networks,
                 "for f in 4 6; do ip -$f ru add pref 100 table local; ip -$f ru del pref 0; done");
    networks_keep(&networks);
    networks_expect(&networks, "100:L 100:A1 100:m 100:A2 100:o" TAIL);
    CHECK_TEXT(host_way_of(host, "198.51.100.1", 0x51), "up0");
    CHECK_TEXT(host_way_of(host, "198.51.100.1", 0x48000001), "hop0");
    CHECK_EQUAL(routing_undo(&host->netlink, routing, &host->why), 0);
    networks_expect(&networks, "100:L" TAIL);
    networks_run(&networks,
                 "for f in 4 6; do ip -$f ru add pref 0 table local; ip -$f ru del pref 100; done");
    networks_close(&networks);
}

/* The rules of an earlier version are undone by their tables, and "main" only where it is the
 * last. */
static void test_f7_rules_of_the_earlier_kind_are_undone(void)
{
    static struct networks networks;
    char command[512];
    if (!networks_open(&networks))
        return;
    for (unsigned i = 0; i < 2; i++) {
        unsigned table = 51820 + 2 * i, priority = 32763 - 3 * i;
        snprintf(
            command, sizeof(command),
            "for f in -4 -6; do r=\"ip $f rule add not fwmark 0xca00/0xff00 protocol 202\"; $r "
            "pref %u table %u; $r pref %u table main suppress_prefixlength 0; $r pref %u table "
            "%u; done; ip route add unreachable default table %u proto 202 metric 4294967295",
            priority, table, priority + 1, priority + 2, table + 1, table + 1);
        networks_run(&networks, command);
        networks.routing[networks.count++] = (struct routing){.mode = ROUTING_AUTO,
                                                              .mark = table,
                                                              .mask = NETWORK_OLD_MARK_MASK,
                                                              .tables = {table, table + 1},
                                                              .twin_metric = UINT32_MAX,
                                                              .interface_index = 77,
                                                              .interface_name = "gone"};
    }
    struct routing *first = &networks.routing[0];
    CHECK_EQUAL(routing_undo(&networks.host.netlink, first, &networks.host.why), 0);
    CHECK(strstr(networks_order_of(&networks, "4"), "32760:51822 32761:m 32762:51823 32766:M") !=
          NULL);
    networks_close(&networks);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_f1_rules_stand_behind_local_and_before_what_others_add);
    TAP_RUN(argc, argv, test_f1_the_rules_follow_local_wherever_it_is_moved);
    TAP_RUN(argc, argv, test_f1_what_is_removed_comes_back_in_order);
    TAP_RUN(argc, argv, test_f1_flushed_rules_stand_again_behind_local);
    TAP_RUN(argc, argv, test_f1_the_rules_of_a_0_come_and_go_with_it);
    TAP_RUN(argc, argv, test_f1_a_second_network_goes_before_no_kill_switch);
    TAP_RUN(argc, argv, test_f1_networks_do_not_work_against_each_other);
    TAP_RUN(argc, argv, test_f3_own_datagrams_go_past_a_wg_quick_but_not_past_policy_routing);
    TAP_RUN(argc, argv, test_f3_own_datagrams_are_steered_past_every_full_tunnel);
    TAP_RUN(argc, argv, test_f3_a_full_tunnel_that_comes_directly_behind_ours_is_passed);
    TAP_RUN(argc, argv, test_f3_split_tunnels_ride_a_full_wg_quick);
    TAP_RUN(argc, argv, test_f3_a_mark_of_the_users_is_undone_exactly);
    TAP_RUN(argc, argv, test_f7_rules_of_the_earlier_kind_are_undone);
    return tap_done();
}
