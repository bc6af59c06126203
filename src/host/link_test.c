/* SPDX-License-Identifier: MIT */
#include "host/link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "host/kernel_route.h"
#include "host/kernel_rule.h"
#include "host/sysctl.h"
#include "rigs/own_netns.h"
#include "tap.h"

struct fixture {
    struct netlink netlink;
    int tun, index;
    struct text why;
    char said[512];
};

static bool open_fixture(struct fixture *fixture)
{
    *fixture = (struct fixture){.tun = -1};
    text_init(&fixture->why, fixture->said, sizeof(fixture->said));
    if (!own_netns_enter_once())
        return false;
    fixture->tun = own_netns_tun("hop0", &fixture->index);
    return fixture->tun >= 0 && CHECK_EQUAL(netlink_open(&fixture->netlink, &fixture->why), 0);
}

static void close_fixture(struct fixture *fixture)
{
    netlink_close(&fixture->netlink);
    if (fixture->tun >= 0)
        close(fixture->tun);
}

static struct address address(const char *text)
{
    struct address parsed = {0};
    CHECK(address_parse(text, &parsed));
    return parsed;
}

static void test_f6_a_quiet_link_has_no_multicast_and_no_made_up_address(void)
{
    struct fixture host;
    char output[4096];
    struct address addresses[4];
    size_t count = 99;
    if (!open_fixture(&host))
        goto close;
    CHECK_EQUAL(link_make_quiet(&host.netlink, host.index, &host.why), 0);
    CHECK_EQUAL(link_set_up(&host.netlink, host.index, true, &host.why), 0);
    CHECK_EQUAL(link_list_addresses(&host.netlink, host.index, addresses, 4, &count, &host.why), 0);
    CHECK_EQUAL(count, 0);
    if (own_netns_has_ip_command()) {
        own_netns_run(output, sizeof(output), "ip -d link show hop0");
        CHECK(strstr(output, "addrgenmode none") != NULL);
        CHECK(strstr(output, "MULTICAST") == NULL);
        CHECK(strstr(output, "UP") != NULL);
    }
close:
    close_fixture(&host);
}

static void test_a_link_is_found_changed_and_missed(void)
{
    struct fixture host;
    struct link found;
    if (!open_fixture(&host))
        goto close;
    CHECK_EQUAL(link_by_name(&host.netlink, "hop0", &found, &host.why), 0);
    CHECK_EQUAL(found.index, host.index);
    CHECK(!found.is_up && !found.is_loopback);
    CHECK_EQUAL(link_set_mtu(&host.netlink, host.index, 1380, &host.why), 0);
    CHECK_EQUAL(link_by_index(&host.netlink, host.index, &found, &host.why), 0);
    CHECK_EQUAL(found.mtu_bytes, 1380);
    CHECK_TEXT(found.name, "hop0");
    CHECK_EQUAL(link_by_name(&host.netlink, "nothing", &found, &host.why), -ENODEV);
    CHECK(strstr(host.said, "nothing") != NULL);
    CHECK_EQUAL(link_by_name(&host.netlink, "longer-than-a-name-may-be", &found, &host.why),
                -EINVAL);
    CHECK(link_set_mtu(&host.netlink, host.index, 1u << 20, &host.why) < 0);
    CHECK(strstr(host.said, "1048576") != NULL);
close:
    close_fixture(&host);
}

static void test_an_address_that_stands_already_is_fine(void)
{
    struct fixture host;
    struct address listed[8];
    size_t count = 0;
    if (!open_fixture(&host))
        goto close;
    const struct address own[] = {address("10.64.0.2"), address("fc00:bb::2")};
    CHECK_EQUAL(link_make_quiet(&host.netlink, host.index, &host.why), 0);
    CHECK_EQUAL(link_set_up(&host.netlink, host.index, true, &host.why), 0);
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQUAL(link_add_address(&host.netlink, host.index, &own[i % 2], &host.why), 0);
    CHECK_EQUAL(link_list_addresses(&host.netlink, host.index, listed, 8, &count, &host.why), 0);
    CHECK_EQUAL(count, 2);
    CHECK(address_is_equal(&listed[0], &own[0]) && address_is_equal(&listed[1], &own[1]));
    CHECK_EQUAL(link_list_addresses(&host.netlink, host.index, NULL, 0, &count, &host.why), 0);
    CHECK_EQUAL(count, 2);
close:
    close_fixture(&host);
}

static void test_e1_the_way_tells_the_mtu_of_route_or_link(void)
{
    struct fixture host;
    struct kernel_route_way way;
    if (!open_fixture(&host))
        goto close;
    struct address own = address("10.64.0.2"), near = address("10.7.1.1"), far = address("9.9.9.9");
    struct kernel_route route = {.table = KERNEL_ROUTE_TABLE_MAIN,
                                 .interface_index = host.index,
                                 .mtu_bytes = 1300,
                                 .protocol = 4};
    CHECK(prefix_parse("10.7.0.0/16", &route.prefix));
    CHECK_EQUAL(link_add_address(&host.netlink, host.index, &own, &host.why), 0);
    CHECK_EQUAL(link_set_up(&host.netlink, host.index, true, &host.why), 0);
    CHECK_EQUAL(kernel_route_change(&host.netlink, KERNEL_ROUTE_ADD, &route, 1, &host.why), 0);
    CHECK_EQUAL(kernel_route_towards(&host.netlink, &near, 0xca6c, &way, &host.why), 0);
    CHECK_EQUAL(way.mtu_bytes, 1300);
    CHECK_EQUAL(way.interface_index, host.index);
    CHECK(address_is_equal(&way.source, &own) && way.gateway.family == FAMILY_NONE);
    CHECK_EQUAL(kernel_route_towards(&host.netlink, &far, 0, &way, &host.why), -ENETUNREACH);
    CHECK_EQUAL(kernel_route_default(&host.netlink, FAMILY_IPV4, 0, &way, &host.why), -ENETUNREACH);
    CHECK_EQUAL(kernel_route_default(&host.netlink, FAMILY_IPV6, 0, &way, &host.why), -ENETUNREACH);
    route.mtu_bytes = 0;
    route.prefix = (struct prefix){.address.family = FAMILY_IPV4};
    CHECK_EQUAL(kernel_route_change(&host.netlink, KERNEL_ROUTE_ADD, &route, 1, &host.why), 0);
    CHECK_EQUAL(kernel_route_default(&host.netlink, FAMILY_IPV4, 0, &way, &host.why), 0);
    CHECK_EQUAL(way.mtu_bytes, 1500);
    CHECK_EQUAL(kernel_route_towards(&host.netlink, &own, 0, &way, &host.why), 0);
    CHECK(way.is_local);
close:
    close_fixture(&host);
}

static void test_a_refusal_says_what_the_kernel_said(void)
{
    struct fixture host;
    if (!open_fixture(&host))
        goto close;
    struct kernel_route route = {.table = 77, .interface_index = host.index, .protocol = 202};
    CHECK(prefix_parse("10.7.0.0/16", &route.prefix));
    int result = kernel_route_change(&host.netlink, KERNEL_ROUTE_ADD, &route, 1, &host.why);
    CHECK_EQUAL(result, -ENETDOWN); /* the link is down */
    CHECK(strstr(host.said, "10.7.0.0/16") && strstr(host.said, "the kernel says"));
    printf("# %s\n", host.said);
    CHECK_EQUAL(kernel_route_change(&host.netlink, KERNEL_ROUTE_DELETE, &route, 1, &host.why), 0);
    CHECK_EQUAL(kernel_route_change(&host.netlink, KERNEL_ROUTE_ADD, &route, 0, &host.why), 0);
close:
    close_fixture(&host);
}

static void test_a_batch_tries_all_and_names_the_first_refusal(void)
{
    enum { MANY = 300, BAD = 200 };
    struct fixture host;
    static struct kernel_route routes[MANY];
    struct kernel_route *listed;
    size_t count = 0;
    if (!open_fixture(&host))
        goto close;
    for (unsigned i = 0; i < MANY; i++) {
        routes[i] =
            (struct kernel_route){.type = KERNEL_ROUTE_UNREACHABLE, .table = 77, .protocol = 202};
        CHECK(prefix_parse("10.0.0.0/24", &routes[i].prefix));
        routes[i].prefix.address.bytes[1] = (uint8_t)(i >> 8);
        routes[i].prefix.address.bytes[2] = (uint8_t)i;
    }
    routes[BAD].prefix.address.bytes[3] = 1; /* host bits */
    CHECK_EQUAL(kernel_route_change(&host.netlink, KERNEL_ROUTE_REPLACE, routes, MANY, &host.why),
                -EINVAL);
    CHECK(strstr(host.said, "10.0.200.1/24") != NULL);
    CHECK_EQUAL(kernel_route_list(&host.netlink, 77, &listed, &count, &host.why), 0);
    CHECK_EQUAL(count, MANY - 1);
    free(listed);
    CHECK_EQUAL(kernel_route_change(&host.netlink, KERNEL_ROUTE_DELETE, routes, MANY, &host.why),
                -EINVAL);
    CHECK_EQUAL(kernel_route_list(&host.netlink, 77, &listed, &count, &host.why), 0);
    CHECK_EQUAL(count, 0);
    free(listed);
close:
    close_fixture(&host);
}

static void test_a_rule_is_read_as_it_was_written(void)
{
    struct fixture host;
    struct kernel_rule *rules, rule = {.family = FAMILY_IPV6,
                                       .priority = 1234,
                                       .table = 70000,
                                       .mark = 0xca00,
                                       .mask = 0xff00,
                                       .is_inverted = true,
                                       .least_bits = 1,
                                       .protocol = KERNEL_RULE_PROTOCOL};
    size_t count = 0, seen = 0;
    if (!open_fixture(&host))
        goto close;
    CHECK_EQUAL(kernel_rule_add(&host.netlink, &rule, true, &host.why), 0);
    CHECK_EQUAL(kernel_rule_add(&host.netlink, &rule, true, &host.why), -EEXIST);
    CHECK_EQUAL(kernel_rule_list(&host.netlink, FAMILY_IPV6, &rules, &count, &host.why), 0);
    for (size_t i = 0; i < count; i++)
        seen += rules[i].priority == 1234 && rules[i].table == 70000 && rules[i].mark == 0xca00 &&
                rules[i].mask == 0xff00 && rules[i].is_inverted && rules[i].least_bits == 1;
    CHECK_EQUAL(seen, 1);
    free(rules);
    CHECK_EQUAL(kernel_rule_remove(&host.netlink, &rule, &host.why), 0);
    CHECK_EQUAL(kernel_rule_remove(&host.netlink, &rule, &host.why), 0);
    CHECK_EQUAL(kernel_rule_list(&host.netlink, FAMILY_IPV6, &rules, &seen, &host.why), 0);
    CHECK_EQUAL(seen, count - 1);
    free(rules);
close:
    close_fixture(&host);
}

static void test_f5_rp_filter_is_loosened_on_our_interface_only(void)
{
    struct fixture host;
    char output[64];
    if (!open_fixture(&host))
        goto close;
    if (!sysctl_loosen_rp_filter("hop0", &host.why)) {
        tap_skip("/proc/sys cannot be written");
        goto close;
    }
    CHECK_TEXT(own_netns_run(output, sizeof(output), "cat /proc/sys/net/ipv4/conf/hop0/rp_filter"),
               "2\n");
    CHECK(strncmp(own_netns_run(output, sizeof(output), "cat /proc/sys/net/ipv4/conf/lo/rp_filter"),
                  "2", 1) != 0);
    CHECK(!sysctl_loosen_rp_filter("nothing", &host.why));
    CHECK(strstr(host.said, "nothing") != NULL);
    CHECK_EQUAL(sysctl_ipv6("hop0"), SYSCTL_IPV6_USABLE);
    CHECK(sysctl_ipv6_notice(SYSCTL_IPV6_USABLE) == NULL);
close:
    close_fixture(&host);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_f6_a_quiet_link_has_no_multicast_and_no_made_up_address);
    TAP_RUN(argc, argv, test_a_link_is_found_changed_and_missed);
    TAP_RUN(argc, argv, test_an_address_that_stands_already_is_fine);
    TAP_RUN(argc, argv, test_e1_the_way_tells_the_mtu_of_route_or_link);
    TAP_RUN(argc, argv, test_a_refusal_says_what_the_kernel_said);
    TAP_RUN(argc, argv, test_a_batch_tries_all_and_names_the_first_refusal);
    TAP_RUN(argc, argv, test_a_rule_is_read_as_it_was_written);
    TAP_RUN(argc, argv, test_f5_rp_filter_is_loosened_on_our_interface_only);
    return tap_done();
}
