/* SPDX-License-Identifier: MIT */
/* A network's look into main, or its /0, at a smaller priority takes nothing from another's longer
 * prefixes or kill switch. */
#include "rigs/networks.h"

#include <stdio.h>

#define DESTINATIONS 5

/* A network of a pair: the first one's interface is hop0, the second one's hop1. */
struct member {
    uint32_t priority;
    bool is_closed, is_whole;
    bool is_up;
};

static const char *const interfaces[2] = {"hop0", "hop1"};
static const char *const members_split[2][2] = {{"10.20.0.0/16", "fd20::/48"},
                                                {"10.30.0.0/16", "fd30::/48"}};
/* In a split network's prefix and a longer one of main's; of main's alone; of a table of others',
 * which a rule at 250 looks up; of nobody's. */
static const char *const destinations[2][DESTINATIONS] = {
    {"10.20.0.80", "10.30.0.80", "198.51.100.1", "203.0.113.1", "198.18.0.80"},
    {"fd20::80", "fd30::80", "2001:db8:51::1", "2001:db8:113::1", "2001:db8:18::80"}};

static bool is_one_of(const struct member members[2], const char *way, bool is_closed)
{
    for (size_t i = 0; i < 2; i++)
        if (members[i].is_up && members[i].is_whole && members[i].is_closed == is_closed &&
            strcmp(way, interfaces[i]) == 0)
            return true;
    return false;
}

static bool has_whole(const struct member members[2], bool is_closed, uint32_t priority_most)
{
    bool has_any = false;
    for (size_t i = 0; i < 2; i++)
        has_any |= members[i].is_up && members[i].is_whole && members[i].is_closed == is_closed &&
                   members[i].priority <= priority_most;
    return has_any;
}

/* What a user was promised of that destination. */
static bool is_right(const struct member members[2], size_t destination, const char *way)
{
    if (destination < 2 && members[destination].is_up && !members[destination].is_whole)
        return strcmp(way, interfaces[destination]) == 0;
    if (destination == 3 && !has_whole(members, false, 250) && !has_whole(members, true, 250))
        return strcmp(way, "up0") == 0;
    if (has_whole(members, true, UINT32_MAX))
        return is_one_of(members, way, true);
    return destination >= 3 && has_whole(members, false, UINT32_MAX)
               ? is_one_of(members, way, false)
               : strcmp(way, "up0") == 0;
}

static void check_ways(struct networks *networks, const struct member members[2], bool is_settled,
                       const char *when)
{
    for (size_t d = 0; d < 2 * DESTINATIONS; d++) {
        const char *destination = destinations[d / DESTINATIONS][d % DESTINATIONS];
        const char *way = host_way_of(&networks->host, destination, 0);
        if (strcmp(way, "elsewhere") == 0)
            way = "hop1";
        if (!is_settled && d % DESTINATIONS == 3)
            continue; /* it may still go first, until its daemon looks */
        if (CHECK(is_right(members, d % DESTINATIONS, way)))
            continue;
        printf("# %s: %s by %s;", when, destination, way);
        for (size_t i = 0; i < 2; i++)
            printf(" %s%s%s at %u", members[i].is_up ? "" : "(down) ",
                   members[i].is_whole ? "whole" : "split", members[i].is_closed ? ", closed" : "",
                   members[i].priority);
        printf(": %s\n", networks_order_of(networks, d < DESTINATIONS ? "4" : "6"));
    }
}

static void lay_member(struct networks *networks, const struct member *member, size_t at,
                       int index)
{
    struct host *host = &networks->host;
    struct routing *routing = &networks->routing[at];
    struct routing_choice choice = {.interface_name = interfaces[at], .interface_index = index,
                                    .priority = member->priority};
    const char *const *prefixes = member->is_whole ? networks_whole : members_split[at];
    struct routing_entry entries[2];
    for (size_t i = 0; i < 2; i++) {
        entries[i] = host_entry(prefixes[i], ROUTING_TUNNEL);
        entries[i].source = (struct address){0};
    }
    CHECK_EQUAL(routing_choose(&host->netlink, &choice, routing, &host->why), 0);
    routing->has_kill_switch = member->is_closed;
    CHECK_EQUAL(routing_lay(&host->netlink, routing, entries, 2, &host->why), 0);
}

/* Nobody has to look twice, in whatever order they look. */
static void check_rest(struct networks *networks)
{
    static char rested[RULES_BYTES];
    own_netns_run(rested, sizeof(rested), "ip rule; ip -6 rule");
    for (size_t round = 0; round < 4; round++)
        keep_one(networks, round / 2 ^ round % 2);
    CHECK_TEXT(own_netns_run(networks->after, sizeof(networks->after), "ip rule; ip -6 rule"),
               rested);
}

/* Up in turn, `first` first; then the first one's daemon is dead or keeps its rules; then one
 * ends. */
static void try_pair(struct networks *networks, struct member members[2], size_t first,
                     const int indexes[2])
{
    struct host *host = &networks->host;
    for (size_t ends = 0; ends < 4; ends++) {
        size_t last = ends % 2;
        bool has_crashed = ends / 2;
        for (size_t i = 0; i < 2; i++) {
            size_t at = i ^ first;
            lay_member(networks, &members[at], at, indexes[at]);
            members[at].is_up = true;
            check_ways(networks, members, true, i ? "both up" : "the first up");
        }
        if (!has_crashed) {
            networks_keep(networks);
            check_ways(networks, members, true, "both up and kept");
            check_rest(networks);
        }
        CHECK_EQUAL(routing_undo(&host->netlink, &networks->routing[last], &host->why), 0);
        members[last].is_up = false;
        check_ways(networks, members, false, "one down");
        if (!has_crashed)
            keep_one(networks, !last);
        check_ways(networks, members, !has_crashed, "one down, the other kept");
        CHECK_EQUAL(routing_undo(&host->netlink, &networks->routing[!last], &host->why), 0);
        members[!last].is_up = false;
    }
}

/* A network's look into main, or its /0, at a smaller priority takes nothing from another's longer
 * prefixes or kill switch; and a priority of the user's holds where no /0 stands in front of it. */
static void test_f1_networks_of_different_priorities_take_nothing_from_each_other(void)
{
    static const uint32_t priorities[] = {0, 200, 300};
    static struct networks networks;
    int indexes[2];
    if (!networks_open(&networks))
        return;
    int second = own_netns_tun("hop1", &indexes[1]);
    indexes[0] = networks.host.tun_index;
    networks.count = 2;
    networks_run(&networks,
                 "ip link set hop1 up; for n in 10.20.0.0/24 10.30.0.0/24 198.51.100.0/24; do ip "
                 "route add $n via 192.0.2.1; done; for n in fd20::/64 fd30::/64 2001:db8:51::/48; "
                 "do ip -6 route add $n via 2001:db8::1; done; ip route add 203.0.113.0/24 dev up0 "
                 "table 52; ip -6 route add 2001:db8:113::/48 dev up0 table 52; ip rule add pref "
                 "250 table 52; ip -6 rule add pref 250 table 52");
    own_netns_run(networks.dump, sizeof(networks.dump), "ip rule; ip -6 rule");
    for (unsigned i = 0; i < 9 * 16 * 2; i++) {
        struct member members[2] = {
            {.priority = priorities[i % 3], .is_closed = i / 9 & 1, .is_whole = i / 9 & 2},
            {.priority = priorities[i / 3 % 3], .is_closed = i / 9 & 4, .is_whole = i / 9 & 8}};
        try_pair(&networks, members, i / (9 * 16), indexes);
    }
    CHECK_TEXT(own_netns_run(networks.after, sizeof(networks.after), "ip rule; ip -6 rule"),
               networks.dump);
    networks_run(&networks,
                 "ip route flush table 52; ip -6 route flush table 52; ip rule del pref 250; ip -6 "
                 "rule del pref 250");
    close(second);
    host_close(&networks.host);
}

static void test_f1_a_priority_of_the_users_lets_others_go_first(void)
{
    static struct networks networks;
    if (!networks_open(&networks))
        return;
    networks_run(&networks, "for f in -4 -6; do ip $f rule add pref 5270 table 52; done");
    networks_add(&networks, 5271, false, networks_whole);
    networks_expect(&networks, "0:L 5270:52 5271:A1 5272:m 5273:A2 5273:o" TAIL);
    CHECK_TEXT(host_way_of(&networks.host, "10.20.0.80", 0), "hop0");
    networks_add(&networks, 5271, true, networks_whole);
    networks_expect(&networks,
                    "0:L 5270:52 5271:A1 5271:B1 5272:b2 5272:m 5273:A2 5273:o 5273:o" TAIL);
    networks_keep(&networks);
    networks_expect(&networks,
                    "0:L 5270:52 5271:A1 5271:B1 5272:b2 5272:m 5273:A2 5273:o 5273:o" TAIL);
    /* Never in front of local all the same. */
    networks_run(&networks,
                 "for f in -4 -6; do ip $f rule del pref 0; ip $f rule add pref 6000 lookup local; "
                 "done");
    networks_keep(&networks);
    networks_expect(&networks,
                    "5270:52 6000:L 6000:A1 6000:B1 6000:b2 6000:m 6000:A2 6000:o 6000:o" TAIL);
    networks_run(&networks,
                 "for f in -4 -6; do ip $f rule del pref 6000 lookup local; ip $f rule add pref 0 "
                 "lookup local; done");
    networks_keep(
        &networks); /* the first one takes the second for one that follows local: it looks again */
    networks_keep(&networks);
    networks_expect(&networks,
                    "0:L 5270:52 5271:A1 5271:B1 5272:b2 5272:m 5273:A2 5273:o 5273:o" TAIL);
    networks_run(&networks, "for f in -4 -6; do ip $f rule del pref 5270; done");
    networks_close(&networks);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_f1_a_priority_of_the_users_lets_others_go_first);
    TAP_RUN(argc, argv, test_f1_networks_of_different_priorities_take_nothing_from_each_other);
    return tap_done();
}
