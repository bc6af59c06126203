/* SPDX-License-Identifier: MIT */
#include "host/watch.h"

#include "host/kernel_route.h"
#include "host/kernel_rule.h"
#include "host/link.h"
#include "host/namespace_fixture.h"

struct heard {
    unsigned links, links_gone, routes, routes_gone, hopwires_gone, rules_gone, addresses, lost;
    int index; /* of the interface that counts */
    bool is_up;
};

static void hear(void *context, const struct watch_event *event)
{
    struct heard *heard = context;
    heard->lost += event->kind == WATCH_LOST;
    heard->rules_gone += event->kind == WATCH_RULE && event->is_gone;
    if (event->interface_index != heard->index)
        return;
    heard->links += event->kind == WATCH_LINK && !event->is_gone;
    if (event->kind == WATCH_LINK)
        heard->is_up = event->is_up;
    heard->links_gone += event->kind == WATCH_LINK && event->is_gone;
    heard->routes += event->kind == WATCH_ROUTE && !event->is_gone;
    heard->routes_gone += event->kind == WATCH_ROUTE && event->is_gone;
    heard->hopwires_gone += event->is_hopwires && event->is_gone;
    heard->addresses += event->kind == WATCH_ADDRESS;
}

/* One of ours and one of another's, made and removed. */
static void change_routes(struct netlink *netlink, struct watch *watch, struct heard *heard,
                          struct text *why)
{
    struct kernel_route route = {.table = KERNEL_ROUTE_TABLE_MAIN,
                                 .interface_index = heard->index,
                                 .protocol = KERNEL_ROUTE_PROTOCOL};
    CHECK(prefix_parse("10.7.0.0/16", &route.prefix));
    CHECK_EQUAL(kernel_route_change(netlink, KERNEL_ROUTE_ADD, &route, 1, why), 0);
    CHECK_EQUAL(watch_read(watch, hear, heard), 0);
    CHECK_EQUAL(heard->routes, 0);
    CHECK_EQUAL(kernel_route_change(netlink, KERNEL_ROUTE_DELETE, &route, 1, why), 0);
    CHECK_EQUAL(watch_read(watch, hear, heard), 0);
    CHECK_EQUAL(heard->routes_gone, 1);
    CHECK_EQUAL(heard->hopwires_gone, 1);
    heard->routes_gone = 0;
    route.protocol = 4;
    CHECK(prefix_parse("2001:db8:7::/48", &route.prefix));
    CHECK_EQUAL(kernel_route_change(netlink, KERNEL_ROUTE_ADD, &route, 1, why), 0);
    CHECK_EQUAL(kernel_route_change(netlink, KERNEL_ROUTE_DELETE, &route, 1, why), 0);
    CHECK_EQUAL(watch_read(watch, hear, heard), 0);
    CHECK_EQUAL(heard->routes, 1);
    CHECK_EQUAL(heard->routes_gone, 1);
    CHECK_EQUAL(heard->hopwires_gone, 1);
}

static void test_f8_what_others_change_is_told_and_what_we_add_is_not(void)
{
    struct netlink netlink = {0};
    struct watch watch = {0};
    struct heard heard = {0};
    char said[256];
    struct text why;
    text_init(&why, said, sizeof(said));
    if (!namespace_enter())
        return;
    int tun = namespace_tun("hop0", &heard.index);
    if (tun < 0)
        return;
    CHECK_EQUAL(netlink_open(&netlink, &why), 0);
    CHECK_EQUAL(link_make_quiet(&netlink, heard.index, &why), 0);
    CHECK_EQUAL(link_set_up(&netlink, heard.index, true, &why), 0);
    CHECK_EQUAL(watch_open(&watch, &why), 0);
    CHECK_EQUAL(watch_read(&watch, hear, &heard), 0);
    heard = (struct heard){.index = heard.index};

    change_routes(&netlink, &watch, &heard, &why);
    struct address own = {.family = FAMILY_IPV4, .bytes = {10, 64, 0, 2}};
    CHECK_EQUAL(link_add_address(&netlink, heard.index, &own, &why), 0);
    CHECK_EQUAL(watch_read(&watch, hear, &heard), 0);
    CHECK_EQUAL(heard.addresses, 1);
    CHECK_EQUAL(link_set_mtu(&netlink, heard.index, 1400, &why), 0);
    CHECK_EQUAL(watch_read(&watch, hear, &heard), 0);
    CHECK(heard.links >= 1 && heard.links_gone == 0 && heard.is_up);
    CHECK_EQUAL(link_set_up(&netlink, heard.index, false, &why), 0);
    CHECK_EQUAL(watch_read(&watch, hear, &heard), 0);
    CHECK(!heard.is_up);
    close(tun);
    CHECK_EQUAL(watch_read(&watch, hear, &heard), 0);
    CHECK(heard.links_gone >= 1);
    CHECK_EQUAL(heard.lost, 0);
    CHECK_TEXT(said, "");
    watch_close(&watch);
    watch_close(&watch);
    netlink_close(&netlink);
}

static void test_f8_a_hopwire_network_s_rule_that_goes_is_told(void)
{
    struct netlink netlink = {0};
    struct watch watch = {0};
    struct heard heard = {0};
    char said[256];
    struct text why;
    text_init(&why, said, sizeof(said));
    if (!namespace_enter())
        return;
    CHECK_EQUAL(netlink_open(&netlink, &why), 0);
    CHECK_EQUAL(watch_open(&watch, &why), 0);
    for (unsigned i = 0; i < 2; i++) {
        struct kernel_rule rule = {.family = i ? FAMILY_IPV6 : FAMILY_IPV4,
                                   .priority = 77, .table = 51820};
        CHECK_EQUAL(kernel_rule_add(&netlink, &rule, &why), 0);
        CHECK_EQUAL(watch_read(&watch, hear, &heard), 0);
        CHECK_EQUAL(heard.rules_gone, i);
        CHECK_EQUAL(kernel_rule_remove(&netlink, &rule, &why), 0);
        CHECK_EQUAL(watch_read(&watch, hear, &heard), 0);
        CHECK_EQUAL(heard.rules_gone, i + 1);
    }
    CHECK_TEXT(said, "");
    watch_close(&watch);
    netlink_close(&netlink);
}

static void test_a_flood_of_events_is_told_as_lost(void)
{
    enum { MANY = 4000 };
    struct netlink netlink = {0};
    struct watch watch = {0};
    struct heard heard = {.index = -1};
    static struct kernel_route routes[MANY];
    char said[256];
    struct text why;
    text_init(&why, said, sizeof(said));
    if (!namespace_enter())
        return;
    CHECK_EQUAL(netlink_open(&netlink, &why), 0);
    CHECK_EQUAL(watch_open(&watch, &why), 0);
    for (unsigned i = 0; i < MANY; i++) {
        routes[i] = (struct kernel_route){.type = KERNEL_ROUTE_UNREACHABLE, .table = 77};
        routes[i].prefix = (struct prefix){
            .address = {.family = FAMILY_IPV4, .bytes = {10, (uint8_t)(i >> 8), (uint8_t)i}},
            .len_bits = 24};
    }
    CHECK_EQUAL(kernel_route_change(&netlink, KERNEL_ROUTE_ADD, routes, MANY, &why), 0);
    CHECK_EQUAL(watch_read(&watch, hear, &heard), 0);
    CHECK(heard.lost >= 1);
    CHECK_EQUAL(kernel_route_flush(&netlink, 77, 0, &why), 0);
    watch_close(&watch);
    netlink_close(&netlink);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_f8_what_others_change_is_told_and_what_we_add_is_not);
    TAP_RUN(argc, argv, test_f8_a_hopwire_network_s_rule_that_goes_is_told);
    TAP_RUN(argc, argv, test_a_flood_of_events_is_told_as_lost);
    return tap_done();
}
