/* SPDX-License-Identifier: MIT */
#include "host/routes_standing.h"

#include <stdio.h>
#include <stdlib.h>

#include "rigs/host.h"

#define ROUNDS 24
/* In the order of routing_entries_compare. */
static const char *const prefixes[] = {
    "0.0.0.0/1",     "10.1.0.0/16",    "10.2.0.0/16",      "10.2.3.0/24", "10.3.0.0/16",
    "128.0.0.0/1",   "172.16.0.0/12",  "192.0.2.0/24",     "::/0",        "2001:db8:4::/48",
    "2001:db8:5::/48"};
#define COUNT (sizeof(prefixes) / sizeof(*prefixes))
#define KERNEL "ip rule; ip -6 rule; ip route show table all; ip -6 route show table all"

/* Each with the chance of one in two, as anything. */
static size_t choose_entries(struct routing_entry **entries)
{
    static const enum routing_kind kinds[] = {ROUTING_TUNNEL, ROUTING_TUNNEL, ROUTING_THROW,
                                              ROUTING_UNREACHABLE, ROUTING_LAN};
    size_t count = 0;
    *entries = calloc(COUNT, sizeof(**entries));
    for (size_t i = 0; i < COUNT; i++) {
        if (tap_random_below(2))
            continue;
        struct routing_entry *entry = &(*entries)[count++];
        *entry = host_entry(prefixes[i], kinds[tap_random_below(5)]);
        entry->mtu_bytes = 1280 + (uint32_t)tap_random_below(2) * 100;
    }
    return count;
}

/* One that stands goes, and is told as the kernel tells it. */
static void take_some(struct host *host, const struct routing *routing,
                      struct routes_standing *standing)
{
    struct kernel_route *routes = NULL;
    size_t count = 0;
    CHECK_EQUAL(kernel_route_list(&host->netlink, routing->tables[0], &routes, &count, &host->why),
                0);
    for (size_t i = 0; i < count; i++) {
        if (tap_random_below(3))
            continue;
        CHECK_EQUAL(kernel_route_change(&host->netlink, KERNEL_ROUTE_DELETE, &routes[i], 1,
                                        &host->why),
                    0);
        routes_standing_lose(standing, &routes[i].prefix);
    }
    free(routes);
}

static void follow(struct host *host, struct routing *routing, struct routes_standing *standing)
{
    static char followed[DUMP_BYTES], updated[DUMP_BYTES];
    struct routing_entry *entries, copies[COUNT];
    size_t count = choose_entries(&entries);
    memcpy(copies, entries, sizeof(copies));
    CHECK_EQUAL(routing_follow(&host->netlink, routing, standing, entries, count, &host->why), 0);
    own_netns_run(followed, sizeof(followed), KERNEL);
    CHECK_EQUAL(routing_update(&host->netlink, routing, copies, count, &host->why), 0);
    own_netns_run(updated, sizeof(updated), KERNEL);
    CHECK_TEXT(followed, updated);
}

static void test_what_is_known_to_stand_comes_to_what_asking_the_kernel_comes_to(void)
{
    struct host host;
    struct routing routing;
    struct routes_standing standing = {0};
    if (!host_open(&host) || !host_lay(&host, &routing, NULL, 0))
        goto close;
    for (int round = 0; round < ROUNDS; round++) {
        if (round % 3 == 1)
            take_some(&host, &routing, &standing);
        if (round % 5 == 4)
            routes_standing_forget(&standing);
        routing.has_kill_switch = round % 4 > 1;
        follow(&host, &routing, &standing);
    }
    CHECK_EQUAL(routing_undo(&host.netlink, &routing, &host.why), 0);
close:
    routes_standing_forget(&standing);
    host_close(&host);
}

static void test_a_failure_midway_goes_back_to_what_stood(void)
{
    static char before[DUMP_BYTES], after[DUMP_BYTES];
    struct host host;
    struct routing routing;
    struct routes_standing standing = {0};
    char said[512];
    struct text why;
    text_init(&why, said, sizeof(said));
    struct routing_entry *entries = calloc(2, sizeof(*entries));
    struct routing_entry *others = calloc(2, sizeof(*others));
    if (!host_open(&host) || !host_lay(&host, &routing, NULL, 0))
        goto close;
    entries[0] = host_entry("10.1.0.0/16", ROUTING_TUNNEL);
    entries[1] = host_entry("10.2.0.0/16", ROUTING_TUNNEL);
    others[0] = host_entry("10.1.0.0/16", ROUTING_THROW);
    others[1] = host_entry("10.3.0.0/16", ROUTING_TUNNEL);
    CHECK(address_parse("203.0.113.99", &others[1].source)); /* not the host's */
    CHECK_EQUAL(routing_follow(&host.netlink, &routing, &standing, entries, 2, &host.why), 0);
    entries = NULL;
    own_netns_run(before, sizeof(before), KERNEL);
    CHECK(routing_follow(&host.netlink, &routing, &standing, others, 2, &why) < 0);
    others = NULL;
    own_netns_run(after, sizeof(after), KERNEL);
    CHECK_TEXT(after, before);
    CHECK_TEXT(host_way_of(&host, "10.2.0.1", 0), "hop0");
    CHECK(!routes_standing_are_known(&standing));
    CHECK_EQUAL(routing_undo(&host.netlink, &routing, &host.why), 0);
close:
    free(entries);
    free(others);
    routes_standing_forget(&standing);
    host_close(&host);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_what_is_known_to_stand_comes_to_what_asking_the_kernel_comes_to);
    TAP_RUN(argc, argv, test_a_failure_midway_goes_back_to_what_stood);
    return tap_done();
}
