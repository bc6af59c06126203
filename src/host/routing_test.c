/* SPDX-License-Identifier: MIT */
#include "rigs/host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void test_f1_f2_what_is_laid_is_undone_exactly(void)
{
    struct host host;
    struct routing routing;
    static char before[DUMP_BYTES], during[DUMP_BYTES], after[DUMP_BYTES];
    if (!host_open(&host))
        goto close;
    const struct routing_entry entries[] = {
        host_entry("0.0.0.0/0", ROUTING_TUNNEL), host_entry("::/0", ROUTING_TUNNEL),
        host_entry("10.20.0.0/16", ROUTING_TUNNEL), host_entry("2001:db8:20::/48", ROUTING_TUNNEL),
        host_entry("10.20.30.0/24", ROUTING_THROW)};
    own_netns_run(before, sizeof(before), DUMP);
    if (!host_lay(&host, &routing, entries, 5))
        goto close;
    CHECK_EQUAL(routing.mark, 0x48000001);
    CHECK_TEXT(host_way_of(&host, "10.20.1.1", 0), "hop0");
    CHECK_TEXT(host_way_of(&host, "198.51.100.1", 0), "hop0");
    CHECK_TEXT(host_way_of(&host, "2001:db8:20::1", 0), "hop0");
    CHECK_TEXT(host_way_of(&host, "2001:db8:99::1", 0), "hop0");
    CHECK_TEXT(host_way_of(&host, "10.20.30.1", 0), "up0");            /* the exception */
    CHECK_TEXT(host_way_of(&host, "192.0.2.77", 0), "up0");            /* main's /24 beats our /0 */
    CHECK_TEXT(host_way_of(&host, "198.51.100.1", 0x48000001), "up0"); /* ours passes */
    CHECK_TEXT(host_way_of(&host, "198.51.100.1", 0x48000099),
               "up0"); /* and so do other networks */
    CHECK_TEXT(host_way_of(&host, "2001:db8:20::1", 0x48000001), "up0");
    own_netns_run(during, sizeof(during), "ip route show table 4800");
    CHECK(strstr(during, "10.20.0.0/16 dev hop0") && strstr(during, "src 10.64.0.2") &&
          strstr(during, "mtu 1380") && strstr(during, "unreachable 10.20.0.0/16") &&
          strstr(during, "metric 4294967295"));
    CHECK_EQUAL(routing_undo(&host.netlink, &routing, &host.why), 0);
    own_netns_run(after, sizeof(after), DUMP);
    CHECK_TEXT(after, before);
    CHECK_EQUAL(routing_undo(&host.netlink, &routing, &host.why), 0);
    own_netns_run(after, sizeof(after), DUMP);
    CHECK_TEXT(after, before);
close:
    host_close(&host);
}

static void test_a7_nothing_leaks_when_the_interface_is_gone(void)
{
    struct host host;
    struct routing routing;
    if (!host_open(&host))
        goto close;
    const struct routing_entry entries[] = {
        host_entry("0.0.0.0/1", ROUTING_TUNNEL), host_entry("128.0.0.0/1", ROUTING_TUNNEL),
        host_entry("10.20.0.0/16", ROUTING_TUNNEL), host_entry("::/0", ROUTING_UNREACHABLE)};
    if (!host_lay(&host, &routing, entries, 4))
        goto close;
    CHECK_TEXT(host_way_of(&host, "198.51.100.1", 0), "hop0");
    CHECK_TEXT(host_way_of(&host, "2001:db8:99::1", 0), "refused"); /* a family nobody has */
    CHECK_TEXT(host_way_of(&host, "2001:db8::77", 0), "up0");       /* but the link works */
    close(host.tun);                                           /* as kill -9 does */
    host.tun = -1;
    CHECK_TEXT(host_way_of(&host, "198.51.100.1", 0), "refused");
    CHECK_TEXT(host_way_of(&host, "10.20.1.1", 0), "refused");
    CHECK_TEXT(host_way_of(&host, "192.0.2.77", 0),
               "up0"); /* the LAN lives: the /1 twins are a /0 */
    CHECK_EQUAL(routing_undo(&host.netlink, &routing, &host.why), 0);
    CHECK_TEXT(host_way_of(&host, "198.51.100.1", 0), "up0");
    CHECK_TEXT(host_way_of(&host, "2001:db8:99::1", 0), "up0");
close:
    host_close(&host);
}

static void test_a_half_alone_is_no_default(void)
{
    struct host host;
    struct routing routing;
    if (!host_open(&host))
        goto close;
    const struct routing_entry entries[] = {host_entry("128.0.0.0/1", ROUTING_TUNNEL)};
    if (!host_lay(&host, &routing, entries, 1))
        goto close;
    CHECK_TEXT(host_way_of(&host, "192.0.2.77", 0), "hop0");
    CHECK_TEXT(host_way_of(&host, "10.0.0.1", 0), "up0");
    CHECK_EQUAL(routing_undo(&host.netlink, &routing, &host.why), 0);
close:
    host_close(&host);
}

static void test_an_update_makes_exactly_the_difference(void)
{
    struct host host;
    struct routing routing;
    static char first[DUMP_BYTES], second[DUMP_BYTES];
    if (!host_open(&host))
        goto close;
    const struct routing_entry old[] = {host_entry("10.1.0.0/16", ROUTING_TUNNEL),
                                        host_entry("10.2.0.0/16", ROUTING_TUNNEL),
                                        host_entry("10.3.0.0/16", ROUTING_THROW)};
    struct routing_entry new[] = {host_entry("10.2.0.0/16", ROUTING_TUNNEL),
                                  host_entry("10.3.0.0/16", ROUTING_TUNNEL),
                                  host_entry("2001:db8:4::/48", ROUTING_TUNNEL)};
    new[0].mtu_bytes = 1320;
    if (!host_lay(&host, &routing, old, 3))
        goto close;
    own_netns_run(first, sizeof(first), DUMP);
    CHECK_EQUAL(routing_update(&host.netlink, &routing, new, 3, &host.why), 0);
    CHECK_TEXT(host_way_of(&host, "10.1.0.1", 0), "up0");
    CHECK_TEXT(host_way_of(&host, "10.3.0.1", 0), "hop0");
    CHECK_TEXT(host_way_of(&host, "2001:db8:4::1", 0), "hop0");
    struct kernel_route_way way;
    struct address to;
    CHECK(address_parse("10.2.0.1", &to));
    CHECK_EQUAL(kernel_route_towards(&host.netlink, &to, 0, &way, &host.why), 0);
    CHECK_EQUAL(way.mtu_bytes, 1320);
    CHECK(address_is_equal(&way.source, &host_nat_ipv4));
    /* The kernel drops routes when the link goes down; the same update puts them back. */
    own_netns_run(first, sizeof(first), "ip route show table all; ip -6 route show table 4800");
    CHECK_EQUAL(link_set_up(&host.netlink, host.tun_index, false, &host.why), 0);
    CHECK_TEXT(host_way_of(&host, "10.2.0.1", 0), "refused");
    CHECK_EQUAL(link_set_up(&host.netlink, host.tun_index, true, &host.why), 0);
    CHECK_EQUAL(link_add_address(&host.netlink, host.tun_index, &host_nat_ipv6, &host.why), 0);
    if (!host_wait_for_addresses())
        goto close;
    CHECK_EQUAL(routing_update(&host.netlink, &routing, new, 3, &host.why), 0);
    own_netns_run(second, sizeof(second), "ip route show table all; ip -6 route show table 4800");
    CHECK_TEXT(second, first);
    CHECK_EQUAL(routing_update(&host.netlink, &routing, old, 3, &host.why), 0);
    CHECK_TEXT(host_way_of(&host, "10.3.0.1", 0), "up0");
    CHECK_EQUAL(routing_undo(&host.netlink, &routing, &host.why), 0);
close:
    host_close(&host);
}

static void test_a_failure_midway_undoes_everything(void)
{
    struct host host;
    struct routing routing;
    static char before[DUMP_BYTES], after[DUMP_BYTES];
    if (!host_open(&host))
        goto close;
    struct routing_entry entries[] = {host_entry("10.1.0.0/16", ROUTING_TUNNEL),
                                      host_entry("10.2.0.0/16", ROUTING_TUNNEL)};
    CHECK(address_parse("203.0.113.9", &entries[1].source)); /* not an address of this host */
    own_netns_run(before, sizeof(before), DUMP);
    CHECK_EQUAL(host_choose(&host, ROUTING_AUTO, 0, &routing, &host.why), 0);
    CHECK(routing_lay(&host.netlink, &routing, entries, 2, &host.why) < 0);
    CHECK(strstr(host.said, "10.2.0.0/16") != NULL);
    own_netns_run(after, sizeof(after), DUMP);
    CHECK_TEXT(after, before);
    /* On an update, what stood before stands again. */
    if (!host_lay(&host, &routing, entries, 1))
        goto close;
    own_netns_run(before, sizeof(before), DUMP);
    CHECK(routing_update(&host.netlink, &routing, &entries[1], 1, &host.why) < 0);
    own_netns_run(after, sizeof(after), DUMP);
    CHECK_TEXT(after, before);
    CHECK_EQUAL(routing_undo(&host.netlink, &routing, &host.why), 0);
    host.said[0] = '\0';
close:
    host_close(&host);
}

static void test_f3_numbers_in_use_are_never_taken(void)
{
    struct host host;
    struct routing first, second, third;
    static char output[DUMP_BYTES], before[DUMP_BYTES];
    if (!host_open(&host))
        goto close;
    /* A rule for our first table, a route in the second pair's, a bit of the third mark's. */
    own_netns_run(output, sizeof(output),
                  "ip rule add to 10.9.0.0/16 table 4801 && ip -6 route add unreachable "
                  "2001:db8:5::/48 table 4802 && ip rule add fwmark 0x1/0x1 table 100");
    CHECK_TEXT(output, "");
    own_netns_run(before, sizeof(before), DUMP);
    const struct routing_entry entries[] = {host_entry("10.1.0.0/16", ROUTING_TUNNEL)};
    if (!host_lay(&host, &first, entries, 1))
        goto close;
    CHECK_EQUAL(first.mark, 0x48000004);
    CHECK_EQUAL(first.tables[0], 4806);
    CHECK_EQUAL(first.tables[1], 4807);
    /* Somebody who chose at the same time is refused and disturbs nothing. */
    struct text unheard;
    char said[256];
    text_init(&unheard, said, sizeof(said));
    CHECK_EQUAL(routing_lay(&host.netlink, &first, entries, 1, &unheard), -EEXIST);
    CHECK_TEXT(host_way_of(&host, "10.1.0.1", 0), "hop0");
    if (!host_lay(&host, &second, entries, 1))
        goto close;
    CHECK_EQUAL(second.tables[0], 4810); /* 0x48000005 has the bit */
    CHECK_EQUAL(routing_undo(&host.netlink, &first, &host.why), 0);
    CHECK_EQUAL(host_choose(&host, ROUTING_AUTO, 0, &third, &host.why), 0);
    CHECK_EQUAL(third.mark, 0x48000004);
    const uint32_t taken[] = {0x48000006, 4806};
    struct routing_choice choice = {.interface_name = "hop0", .interface_index = host.tun_index,
                                    .taken = taken, .taken_count = 2};
    CHECK_EQUAL(routing_choose(&host.netlink, &choice, &third, &host.why), 0);
    CHECK_EQUAL(third.mark, 0x48000008);
    choice.mark = 0x2000;
    choice.mask = 0xff00;
    CHECK_EQUAL(routing_choose(&host.netlink, &choice, &third, &host.why), 0);
    CHECK(third.mark == 0x2000 && third.mask == 0xff00 && third.tables[0] == 4804);
    CHECK_EQUAL(routing_undo(&host.netlink, &second, &host.why), 0);
    CHECK_TEXT(own_netns_run(output, sizeof(output), DUMP), before);
close:
    host_close(&host);
}

static void test_f3_a_table_of_the_users_is_shared_and_cleaned(void)
{
    struct host host;
    struct routing routing;
    static char before[DUMP_BYTES], during[DUMP_BYTES], after[DUMP_BYTES];
    if (!host_open(&host))
        goto close;
    struct routing_entry entries[] = {host_entry("10.1.0.0/16", ROUTING_TUNNEL),
                                      host_entry("0.0.0.0/0", ROUTING_TUNNEL),
                                      host_entry("10.1.2.0/24", ROUTING_THROW)};
    own_netns_run(before, sizeof(before),
                  "ip route add 10.9.0.0/16 dev up0 table 77 && "
                  "ip route add unreachable 10.1.0.0/16 metric 4294967295 proto 202 table 77");
    own_netns_run(before, sizeof(before), DUMP);
    CHECK_EQUAL(host_choose(&host, ROUTING_TABLE, 77, &routing, &host.why), 0);
    CHECK_EQUAL(routing_lay(&host.netlink, &routing, entries, 3, &host.why), 0);
    own_netns_run(during, sizeof(during), "ip route show table 77; ip rule");
    CHECK(strstr(during, "default dev hop0") && strstr(during, "throw 10.1.2.0/24"));
    CHECK(strstr(during, "0x48000000") == NULL);
    close(host.tun);
    host.tun = -1;
    CHECK_EQUAL(routing_undo(&host.netlink, &routing, &host.why), 0);
    CHECK(host_open_tun(&host)); /* its index is another now */
    own_netns_run(after, sizeof(after), "ip route show table 77");
    own_netns_run(during, sizeof(during), "ip route flush table 77; ip rule");
    CHECK(strstr(after, "10.9.0.0/16 dev up0") != NULL);
    CHECK(strstr(after, "unreachable 10.1.0.0/16 proto 202 metric 4294967295") != NULL);
    CHECK(strstr(after, "throw") == NULL && strstr(after, "unreachable default") == NULL);
    routing.tables[0] = KERNEL_ROUTE_TABLE_MAIN;
    CHECK_EQUAL(routing_lay(&host.netlink, &routing, entries, 3, &host.why), -EINVAL);
    CHECK(strstr(host.said, "!10.1.2.0/24") != NULL);
    host.said[0] = '\0';
close:
    host_close(&host);
}

/* As with wg-quick, whose `ip route add` fails: what the user wrote there is no business of
 * ours. */
static void test_f3_a_table_of_the_users_keeps_the_routes_of_others(void)
{
    struct host host;
    struct routing routing;
    static char before[DUMP_BYTES], after[DUMP_BYTES];
    if (!host_open(&host))
        goto close;
    const struct routing_entry entries[] = {
        host_entry("10.1.0.0/16", ROUTING_TUNNEL), host_entry("10.2.0.0/16", ROUTING_TUNNEL),
        host_entry("fd01::/32", ROUTING_TUNNEL), host_entry("fd02::/32", ROUTING_TUNNEL)};
    static const char *const others[] = {"route add 10.2.0.0/16 dev up0",
                                         "-6 route add fd02::/32 dev up0"};
    static const uint32_t tables[] = {77, KERNEL_ROUTE_TABLE_MAIN};
    for (size_t i = 0; i < 4; i++) {
        char add[128], take_away[160];
        snprintf(add, sizeof(add), "ip %s table %u", others[i / 2], tables[i % 2]);
        own_netns_run(after, sizeof(after), add);
        own_netns_run(before, sizeof(before), DUMP);
        CHECK_EQUAL(host_choose(&host, ROUTING_TABLE, tables[i % 2], &routing, &host.why), 0);
        CHECK_EQUAL(routing_lay(&host.netlink, &routing, entries, 4, &host.why), -EADDRINUSE);
        CHECK(strstr(host.said, "is not Hopwire's") != NULL);
        CHECK(strncmp(host.said, i % 2 ? "table main " : "table 77 ", 9) == 0);
        text_init(&host.why, host.said, sizeof(host.said));
        CHECK_TEXT(own_netns_run(after, sizeof(after), DUMP), before);
        /* One that comes later stays too, and the others are looked after. */
        snprintf(take_away, sizeof(take_away), "ip %s table %u", others[i / 2], tables[i % 2]);
        memcpy(strstr(take_away, "add"), "del", 3);
        own_netns_run(after, sizeof(after), take_away);
        CHECK_EQUAL(routing_lay(&host.netlink, &routing, entries, 4, &host.why), 0);
        snprintf(add, sizeof(add), "ip %s table %u", i / 2 ? "-6 route replace fd02::/32 dev up0"
                                                           : "route replace 10.2.0.0/16 dev up0",
                 tables[i % 2]);
        own_netns_run(after, sizeof(after), add);
        CHECK_EQUAL(routing_update(&host.netlink, &routing, entries, 4, &host.why), -EADDRINUSE);
        text_init(&host.why, host.said, sizeof(host.said));
        CHECK_EQUAL(routing_undo(&host.netlink, &routing, &host.why), 0);
        CHECK_TEXT(own_netns_run(after, sizeof(after), DUMP), before);
        own_netns_run(after, sizeof(after), take_away);
    }
close:
    host_close(&host);
}

static void test_f3_table_off_changes_nothing(void)
{
    struct host host;
    struct routing routing;
    static char before[DUMP_BYTES], after[DUMP_BYTES];
    if (!host_open(&host))
        goto close;
    const struct routing_entry entries[] = {host_entry("0.0.0.0/0", ROUTING_TUNNEL)};
    own_netns_run(before, sizeof(before), DUMP);
    CHECK_EQUAL(host_choose(&host, ROUTING_OFF, 0, &routing, &host.why), 0);
    CHECK_EQUAL(routing.mark & NETWORK_MARK_MASK, NETWORK_MARK);
    CHECK_EQUAL(routing_lay(&host.netlink, &routing, entries, 1, &host.why), 0);
    CHECK_TEXT(own_netns_run(after, sizeof(after), DUMP), before);
    CHECK_EQUAL(routing_undo(&host.netlink, &routing, &host.why), 0);
close:
    host_close(&host);
}

static void test_i6_ipv6_switched_off_is_unreachable_not_leaked(void)
{
    struct host host;
    struct routing routing;
    if (!host_open(&host))
        goto close;
    if (!own_netns_write("/proc/sys/net/ipv6/conf/hop0/disable_ipv6", "1")) {
        tap_skip("/proc/sys cannot be written");
        goto close;
    }
    CHECK_EQUAL(sysctl_ipv6("hop0"), SYSCTL_IPV6_DISABLED);
    CHECK(sysctl_ipv6_notice(SYSCTL_IPV6_DISABLED) != NULL);
    const struct routing_entry entries[] = {host_entry("0.0.0.0/0", ROUTING_TUNNEL),
                                            host_entry("::/0", ROUTING_TUNNEL)};
    if (!host_lay(&host, &routing, entries, 2))
        goto close;
    CHECK_TEXT(host_way_of(&host, "198.51.100.1", 0), "hop0");
    CHECK_TEXT(host_way_of(&host, "2001:db8:99::1", 0), "refused");
    CHECK_EQUAL(routing_undo(&host.netlink, &routing, &host.why), 0);
close:
    host_close(&host);
}

static void test_thousands_of_routes_come_and_go(void)
{
    enum { MANY = 5000 };
    struct host host;
    struct routing routing;
    static struct routing_entry entries[MANY];
    static char before[DUMP_BYTES], after[DUMP_BYTES];
    if (!host_open(&host))
        goto close;
    for (unsigned i = 0; i < MANY; i++) {
        entries[i] = host_entry("10.0.0.0/24", ROUTING_TUNNEL);
        entries[i].prefix.address.bytes[1] = (uint8_t)(i >> 8);
        entries[i].prefix.address.bytes[2] = (uint8_t)i;
    }
    own_netns_run(before, sizeof(before), DUMP);
    if (!host_lay(&host, &routing, entries, MANY))
        goto close;
    struct kernel_route *routes;
    size_t count;
    CHECK_EQUAL(kernel_route_list(&host.netlink, routing.tables[0], &routes, &count, &host.why), 0);
    CHECK_EQUAL(count, 2 * MANY);
    free(routes);
    CHECK_EQUAL(routing_undo(&host.netlink, &routing, &host.why), 0);
    CHECK_TEXT(own_netns_run(after, sizeof(after), DUMP), before);
close:
    host_close(&host);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_f1_f2_what_is_laid_is_undone_exactly);
    TAP_RUN(argc, argv, test_a7_nothing_leaks_when_the_interface_is_gone);
    TAP_RUN(argc, argv, test_a_half_alone_is_no_default);
    TAP_RUN(argc, argv, test_an_update_makes_exactly_the_difference);
    TAP_RUN(argc, argv, test_a_failure_midway_undoes_everything);
    TAP_RUN(argc, argv, test_f3_numbers_in_use_are_never_taken);
    TAP_RUN(argc, argv, test_f3_a_table_of_the_users_is_shared_and_cleaned);
    TAP_RUN(argc, argv, test_f3_a_table_of_the_users_keeps_the_routes_of_others);
    TAP_RUN(argc, argv, test_f3_table_off_changes_nothing);
    TAP_RUN(argc, argv, test_i6_ipv6_switched_off_is_unreachable_not_leaked);
    TAP_RUN(argc, argv, test_thousands_of_routes_come_and_go);
    return tap_done();
}
