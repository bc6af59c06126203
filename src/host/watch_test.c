/* SPDX-License-Identifier: MIT */
#include "host/watch.h"

#include <stdio.h>
#include <unistd.h>

#include "host/kernel_route.h"
#include "host/kernel_rule.h"
#include "host/link.h"
#include "rigs/own_netns.h"
#include "tap.h"

struct heard {
    unsigned links, links_gone, routes, routes_gone, hopwires_gone, rules, rules_gone;
    unsigned addresses, tables, tables_gone, lost;
    int index; /* of the interface that counts */
    bool is_up;
    uint32_t group;
    char name[IF_NAMESIZE];
};

static void hear(void *context, const struct watch_event *event)
{
    struct heard *heard = context;
    heard->lost += event->kind == WATCH_LOST;
    heard->tables += event->kind == WATCH_TABLE;
    heard->tables_gone += event->kind == WATCH_TABLE && event->is_gone;
    heard->rules += event->kind == WATCH_RULE && !event->is_gone;
    heard->rules_gone += event->kind == WATCH_RULE && event->is_gone;
    if (event->interface_index != heard->index)
        return;
    heard->links += event->kind == WATCH_LINK && !event->is_gone;
    if (event->kind == WATCH_LINK) {
        heard->is_up = event->is_up;
        heard->group = event->group;
        memcpy(heard->name, event->name, sizeof(heard->name));
    }
    heard->links_gone += event->kind == WATCH_LINK && event->is_gone;
    heard->routes += event->kind == WATCH_ROUTE && !event->is_gone;
    heard->routes_gone += event->kind == WATCH_ROUTE && event->is_gone;
    heard->hopwires_gone += event->is_hopwires && event->is_gone;
    heard->addresses += event->kind == WATCH_ADDRESS;
}

struct watcher {
    struct netlink netlink;
    struct watch watch;
    struct heard heard;
    struct text why;
    char said[256];
};

/* False: skipped, or a check has failed. */
static bool watcher_open(struct watcher *watcher)
{
    *watcher = (struct watcher){0};
    text_init(&watcher->why, watcher->said, sizeof(watcher->said));
    return own_netns_enter_once() &&
           CHECK_EQUAL(netlink_open(&watcher->netlink, &watcher->why), 0) &&
           CHECK_EQUAL(watch_open(&watcher->watch, &watcher->why), 0);
}

static void watcher_read(struct watcher *watcher)
{
    CHECK_EQUAL(watch_read(&watcher->watch, hear, &watcher->heard), 0);
}

static void watcher_close(struct watcher *watcher)
{
    CHECK_TEXT(watcher->said, "");
    watch_close(&watcher->watch);
    watch_close(&watcher->watch);
    netlink_close(&watcher->netlink);
}

static void change(struct watcher *watcher, enum kernel_route_change change,
                   const struct kernel_route *routes, size_t count)
{
    CHECK_EQUAL(kernel_route_change(&watcher->netlink, change, routes, count, &watcher->why), 0);
}

/* One of ours and one of another's, made and removed. */
static void change_routes(struct watcher *watcher)
{
    struct heard *heard = &watcher->heard;
    struct kernel_route route = {.table = KERNEL_ROUTE_TABLE_MAIN,
                                 .interface_index = heard->index,
                                 .protocol = KERNEL_ROUTE_PROTOCOL};
    CHECK(prefix_parse("10.7.0.0/16", &route.prefix));
    change(watcher, KERNEL_ROUTE_ADD, &route, 1);
    watcher_read(watcher);
    CHECK_EQUAL(heard->routes, 0);
    change(watcher, KERNEL_ROUTE_DELETE, &route, 1);
    watcher_read(watcher);
    CHECK_EQUAL(heard->routes_gone, 1);
    CHECK_EQUAL(heard->hopwires_gone, 1);
    heard->routes_gone = 0;
    route.protocol = 4;
    CHECK(prefix_parse("2001:db8:7::/48", &route.prefix));
    change(watcher, KERNEL_ROUTE_ADD, &route, 1);
    change(watcher, KERNEL_ROUTE_DELETE, &route, 1);
    watcher_read(watcher);
    CHECK_EQUAL(heard->routes, 1);
    CHECK_EQUAL(heard->routes_gone, 1);
    CHECK_EQUAL(heard->hopwires_gone, 1);
}

static void test_f8_what_others_change_is_told_and_what_we_add_is_not(void)
{
    struct watcher watcher;
    struct heard *heard = &watcher.heard;
    int index;
    if (!watcher_open(&watcher))
        return;
    int tun = own_netns_tun("hop0", &index);
    if (tun < 0)
        return;
    CHECK_EQUAL(link_make_quiet(&watcher.netlink, index, &watcher.why), 0);
    CHECK_EQUAL(link_set_up(&watcher.netlink, index, true, &watcher.why), 0);
    watcher_read(&watcher);
    *heard = (struct heard){.index = index};

    change_routes(&watcher);
    struct address own = {.family = FAMILY_IPV4, .bytes = {10, 64, 0, 2}};
    CHECK_EQUAL(link_add_address(&watcher.netlink, index, &own, &watcher.why), 0);
    watcher_read(&watcher);
    CHECK_EQUAL(heard->addresses, 1);
    CHECK_EQUAL(link_set_mtu(&watcher.netlink, index, 1400, &watcher.why), 0);
    watcher_read(&watcher);
    CHECK(heard->links >= 1 && heard->links_gone == 0 && heard->is_up);
    CHECK_TEXT(heard->name, "hop0");
    CHECK_EQUAL(heard->group, 0);
    CHECK_EQUAL(link_set_group(&watcher.netlink, index, 7, &watcher.why), 0);
    watcher_read(&watcher);
    CHECK_EQUAL(heard->group, 7);
    CHECK_EQUAL(link_set_up(&watcher.netlink, index, false, &watcher.why), 0);
    watcher_read(&watcher);
    CHECK(!heard->is_up);
    close(tun);
    watcher_read(&watcher);
    CHECK(heard->links_gone >= 1);
    CHECK_EQUAL(heard->lost, 0);
    watcher_close(&watcher);
}

static void test_f1_rules_that_come_and_go_are_told(void)
{
    struct watcher watcher;
    if (!watcher_open(&watcher))
        return;
    for (unsigned i = 0; i < 4; i++) {
        struct kernel_rule rule = {.family = i % 2 ? FAMILY_IPV6 : FAMILY_IPV4,
                                   .priority = 77, .table = 4800,
                                   .protocol = i < 2 ? KERNEL_RULE_PROTOCOL : 0};
        CHECK_EQUAL(kernel_rule_add(&watcher.netlink, &rule, true, &watcher.why), 0);
        watcher_read(&watcher);
        CHECK_EQUAL(watcher.heard.rules, i + 1);
        CHECK_EQUAL(watcher.heard.rules_gone, i);
        CHECK_EQUAL(kernel_rule_remove(&watcher.netlink, &rule, &watcher.why), 0);
        watcher_read(&watcher);
        CHECK_EQUAL(watcher.heard.rules_gone, i + 1);
        CHECK_EQUAL(watcher.heard.hopwires_gone, i < 2 ? i + 1 : 2);
    }
    watcher_close(&watcher);
}

static void test_f4_what_others_do_to_a_network_s_table_is_told(void)
{
    static const struct {
        const char *change;
        unsigned is_told, is_gone;
    } steps[] = {
        {"add table inet hopwire_x; add chain inet hopwire_x y; add rule inet hopwire_x y accept",
         1, 0},
        {"add set inet hopwire_x z { type ipv4_addr; elements = { 192.0.2.1 }; }", 1, 0},
        {"delete element inet hopwire_x z { 192.0.2.1 }", 1, 0},
        {"flush chain inet hopwire_x y", 1, 0},
        {"add rule inet hopwire_x y accept", 1, 0},
        {"flush table inet hopwire_x", 1, 0},
        {"delete chain inet hopwire_x y", 1, 0},
        {"delete table inet hopwire_x", 1, 1},
        {"add table inet other; add chain inet other y; add rule inet other y accept", 0, 0},
        {"flush table inet other; delete table inet other", 0, 0},
        {"add table inet hopwire_x", 1, 0},
        {"flush ruleset", 1, 1},
    };
    struct watcher watcher;
    struct watch tables = {0};
    char output[256];
    if (!watcher_open(&watcher) || !CHECK_EQUAL(watch_open_tables(&tables, &watcher.why), 0))
        return;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        own_netns_run(output, sizeof(output), "nft '%s' 2>&1", steps[i].change);
        if (i == 0 && strncmp(output, "failed", 6) == 0) {
            tap_skip("no nft command, or no nftables in this kernel (Debian package nftables)");
            break;
        }
        CHECK_TEXT(output, "");
        watcher.heard.tables = watcher.heard.tables_gone = 0;
        CHECK_EQUAL(watch_read(&tables, hear, &watcher.heard), 0);
        if (!CHECK_EQUAL(watcher.heard.tables > 0, steps[i].is_told) ||
            !CHECK_EQUAL(watcher.heard.tables_gone, steps[i].is_gone))
            printf("# after %s\n", steps[i].change);
    }
    watcher_read(&watcher);
    CHECK_EQUAL(watcher.heard.lost, 0);
    watch_close(&tables);
    watcher_close(&watcher);
}

static void test_a_flood_of_events_is_told_as_lost(void)
{
    enum { MANY = 4000 };
    static struct kernel_route routes[MANY];
    struct watcher watcher;
    if (!watcher_open(&watcher))
        return;
    for (unsigned i = 0; i < MANY; i++) {
        routes[i] = (struct kernel_route){.type = KERNEL_ROUTE_UNREACHABLE, .table = 77};
        routes[i].prefix = (struct prefix){
            .address = {.family = FAMILY_IPV4, .bytes = {10, (uint8_t)(i >> 8), (uint8_t)i}},
            .len_bits = 24};
    }
    change(&watcher, KERNEL_ROUTE_ADD, routes, MANY);
    watcher_read(&watcher);
    CHECK(watcher.heard.lost >= 1);
    change(&watcher, KERNEL_ROUTE_DELETE, routes, MANY);
    watcher_close(&watcher);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_f8_what_others_change_is_told_and_what_we_add_is_not);
    TAP_RUN(argc, argv, test_f1_rules_that_come_and_go_are_told);
    TAP_RUN(argc, argv, test_f4_what_others_do_to_a_network_s_table_is_told);
    TAP_RUN(argc, argv, test_a_flood_of_events_is_told_as_lost);
    return tap_done();
}
