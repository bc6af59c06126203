/* SPDX-License-Identifier: MIT */
#include "daemon/lan.h"

#include <unistd.h>

#include "base/text.h"
#include "host/link.h"
#include "rigs/own_netns.h"
#include "tap.h"

static struct prefix parse(const char *text)
{
    struct prefix prefix = {0};
    CHECK(prefix_parse(text, &prefix));
    return prefix;
}

static bool is_lan(const char *text, const char *own_text)
{
    struct prefix prefix = parse(text), own = parse(own_text);
    return lan_is_one(&prefix, &own.address, 1);
}

static void test_f1_a_lan_has_an_address_of_ours(void)
{
    CHECK(is_lan("192.168.1.0/24", "192.168.1.7"));
    CHECK(!is_lan("192.168.2.0/24", "192.168.1.7"));
    CHECK(is_lan("fd00:1::/64", "fd00:1::7"));
    CHECK(!is_lan("fd00:2::/64", "fd00:1::7"));
    CHECK(is_lan("192.0.2.7/32", "192.0.2.7"));
    CHECK(!is_lan("10.0.0.0/8", "fd00:1::7"));
    CHECK(!is_lan("fd00:1::/64", "192.168.1.7"));
}

/* A DHCP server that hands out 0.0.0.0/1 would have half of the Internet past the tunnels. */
static void test_f1_what_is_wider_than_any_lan_is_none(void)
{
    static const char *const own[] = {"10.9.8.7", "2001:db8:1:2::7"};
    for (unsigned family = 0; family < 2; family++) {
        struct prefix prefix = parse(own[family]);
        unsigned least = family ? 48 : 8, whole = prefix.len_bits;
        for (unsigned bits = 0; bits <= whole; bits++) {
            struct prefix cut = {.address = prefix.address, .len_bits = (uint8_t)bits};
            CHECK_EQUAL(lan_is_one(&cut, &prefix.address, 1), bits >= least);
        }
    }
}

static void test_f1_any_of_the_links_addresses_counts(void)
{
    struct prefix lan = parse("192.168.1.0/24");
    struct address own[] = {parse("fd00:1::7").address, parse("10.0.0.1").address,
                            parse("192.168.1.7").address};
    CHECK(lan_is_one(&lan, own, 3));
    CHECK(!lan_is_one(&lan, own, 2));
    CHECK(!lan_is_one(&lan, own, 0));
}

static void append(void *context, const struct prefix *prefix)
{
    char text[PREFIX_TEXT_BYTES];
    text_append(context, "%s\n", prefix_format(prefix, text));
}

/* Of a table's routes: no gateway's, no other link's, none that is no way. */
static void test_f1_only_what_is_directly_on_the_link_counts(void)
{
    int index;
    struct text text = TEXT_ROOM(256);
    struct netlink netlink = {0};
    if (!own_netns_enter_once())
        return;
    int tun = own_netns_tun("lan0", &index);
    if (tun < 0)
        return;
    CHECK(own_netns_add_address("lan0", "192.168.1.7", 24));
    CHECK(own_netns_add_address("lan0", "fd00:1::7", 64));
    const struct kernel_route direct = {.type = KERNEL_ROUTE_UNICAST, .interface_index = index};
    struct kernel_route routes[8];
    for (size_t i = 0; i < 8; i++)
        routes[i] = direct;
    routes[0].prefix = parse("192.168.1.0/24");
    routes[1].prefix = parse("192.168.0.0/16"), routes[1].has_gateway = true;
    routes[2].prefix = parse("192.168.1.0/25"), routes[2].interface_index = index + 1;
    routes[3].prefix = parse("192.168.1.7/32"), routes[3].type = KERNEL_ROUTE_UNREACHABLE;
    routes[4].prefix = parse("198.51.100.0/24"); /* no address in it */
    routes[5].prefix = parse("fd00:1::/64");
    routes[6].prefix = parse("128.0.0.0/1"); /* wider than a LAN */
    routes[7].prefix = parse("192.168.1.4/30");
    if (CHECK_EQUAL(netlink_open(&netlink, TEXT_UNHEARD), 0))
        lan_walk_link(&netlink, index, routes, 8, append, &text);
    CHECK_TEXT(text.bytes, "192.168.1.0/24\nfd00:1::/64\n192.168.1.4/30\n");
    netlink_close(&netlink);
    close(tun);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_f1_a_lan_has_an_address_of_ours);
    TAP_RUN(argc, argv, test_f1_what_is_wider_than_any_lan_is_none);
    TAP_RUN(argc, argv, test_f1_any_of_the_links_addresses_counts);
    TAP_RUN(argc, argv, test_f1_only_what_is_directly_on_the_link_counts);
    return tap_done();
}
