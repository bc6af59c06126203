/* SPDX-License-Identifier: MIT */
#include "host/routing.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "host/kernel_route.h"
#include "host/kernel_rule.h"
#include "host/link.h"
#include "host/namespace_fixture.h"

#define DUMP_BYTES 65536
#define DUMP                                                                                       \
    "ip rule; ip -6 rule; ip route show table all; ip -6 route show table all; ip -d link; ip "    \
    "addr"

/* A namespace with loopback, an uplink TUN that holds the default routes, and our own TUN. */
struct host {
    struct netlink netlink;
    int uplink, tun;
    int uplink_index, tun_index;
    struct text why;
    char said[512];
};

static const struct address nat_ipv4 = {.family = FAMILY_IPV4, .bytes = {10, 64, 0, 2}};
static const struct address nat_ipv6 = {.family = FAMILY_IPV6, .bytes = {0xfc, 0, 0xbb, [15] = 2}};

static bool open_tun(struct host *host)
{
    host->tun = namespace_tun("hop0", &host->tun_index);
    return host->tun >= 0 &&
           CHECK_EQUAL(link_make_quiet(&host->netlink, host->tun_index, &host->why), 0) &&
           CHECK_EQUAL(link_add_address(&host->netlink, host->tun_index, &nat_ipv4, &host->why),
                       0) &&
           CHECK_EQUAL(link_add_address(&host->netlink, host->tun_index, &nat_ipv6, &host->why),
                       0) &&
           CHECK_EQUAL(link_set_up(&host->netlink, host->tun_index, true, &host->why), 0);
}

static bool open_host(struct host *host)
{
    char output[DUMP_BYTES];
    *host = (struct host){.uplink = -1, .tun = -1};
    text_init(&host->why, host->said, sizeof(host->said));
    if (!namespace_enter() || !namespace_has_ip_command())
        return false;
    host->uplink = namespace_tun("up0", &host->uplink_index);
    if (host->uplink < 0)
        return false;
    namespace_run(output, sizeof(output),
                  "ip link set lo up && ip addr add 192.0.2.2/24 dev up0 && ip -6 addr add "
                  "2001:db8::2/64 dev up0 nodad && ip link set up0 up && ip route add default via "
                  "192.0.2.1 && ip -6 route add default via 2001:db8::1");
    CHECK_TEXT(output, "");
    CHECK_EQUAL(netlink_open(&host->netlink, &host->why), 0);
    if (!open_tun(host))
        return false;
    /* The kernel's local routes of IPv6 addresses come a moment after the addresses. */
    namespace_run(output, sizeof(output),
                  "for i in $(seq 500); do ip -6 addr | grep -q tentative || [ 2 != "
                  "$(ip -6 route show table local | grep -cE '^local (2001:db8|fc00:bb00)::2 ') ] "
                  "|| exit 0; sleep 0.01; done; exit 1");
    return CHECK_TEXT(output, "");
}

static void close_host(struct host *host)
{
    netlink_close(&host->netlink);
    if (host->tun >= 0)
        close(host->tun);
    if (host->uplink >= 0)
        close(host->uplink);
    if (host->said[0])
        printf("# said: %s\n", host->said);
}

static struct routing_entry entry(const char *prefix, enum routing_kind kind)
{
    struct routing_entry made = {.kind = kind, .mtu_bytes = 1380};
    CHECK(prefix_parse(prefix, &made.prefix));
    made.source = made.prefix.address.family == FAMILY_IPV4 ? nat_ipv4 : nat_ipv6;
    return made;
}

/* "up0", "hop0", or "refused": where a packet without a mark would go. */
static const char *way_of(struct host *host, const char *text, uint32_t mark)
{
    struct kernel_route_way way;
    struct address to;
    char said[256];
    struct text why;
    text_init(&why, said, sizeof(said));
    CHECK(address_parse(text, &to));
    if (kernel_route_towards(&host->netlink, &to, mark, &way, &why) < 0)
        return "refused";
    return way.interface_index == host->tun_index      ? "hop0"
           : way.interface_index == host->uplink_index ? "up0"
                                                       : "elsewhere";
}

static int choose(struct host *host, enum routing_mode mode, uint32_t table,
                  struct routing *routing, struct text *why)
{
    struct routing_choice choice = {.mode = mode, .table = table, .interface_name = "hop0",
                                    .interface_index = host->tun_index};
    return routing_choose(&host->netlink, &choice, routing, why);
}

static bool lay(struct host *host, struct routing *routing, const struct routing_entry *entries,
                size_t count)
{
    return CHECK_EQUAL(choose(host, ROUTING_AUTO, 0, routing, &host->why), 0) &&
           CHECK_EQUAL(routing_lay(&host->netlink, routing, entries, count, &host->why), 0);
}

static void test_f1_f2_what_is_laid_is_undone_exactly(void)
{
    struct host host;
    struct routing routing;
    static char before[DUMP_BYTES], during[DUMP_BYTES], after[DUMP_BYTES];
    if (!open_host(&host))
        goto close;
    const struct routing_entry entries[] = {
        entry("0.0.0.0/0", ROUTING_TUNNEL), entry("::/0", ROUTING_TUNNEL),
        entry("10.20.0.0/16", ROUTING_TUNNEL), entry("2001:db8:20::/48", ROUTING_TUNNEL),
        entry("10.20.30.0/24", ROUTING_THROW)};
    namespace_run(before, sizeof(before), DUMP);
    if (!lay(&host, &routing, entries, 5))
        goto close;
    CHECK_EQUAL(routing.mark, 0xca6c);
    CHECK_TEXT(way_of(&host, "10.20.1.1", 0), "hop0");
    CHECK_TEXT(way_of(&host, "198.51.100.1", 0), "hop0");
    CHECK_TEXT(way_of(&host, "2001:db8:20::1", 0), "hop0");
    CHECK_TEXT(way_of(&host, "2001:db8:99::1", 0), "hop0");
    CHECK_TEXT(way_of(&host, "10.20.30.1", 0), "up0");        /* the exception */
    CHECK_TEXT(way_of(&host, "192.0.2.77", 0), "up0");        /* main's /24 beats our /0 */
    CHECK_TEXT(way_of(&host, "198.51.100.1", 0xca6c), "up0"); /* ours passes */
    CHECK_TEXT(way_of(&host, "198.51.100.1", 0xca99), "up0"); /* and so do other networks */
    CHECK_TEXT(way_of(&host, "2001:db8:20::1", 0xca6c), "up0");
    namespace_run(during, sizeof(during), "ip route show table 51820");
    CHECK(strstr(during, "10.20.0.0/16 dev hop0") && strstr(during, "src 10.64.0.2") &&
          strstr(during, "mtu 1380") && strstr(during, "unreachable 10.20.0.0/16") &&
          strstr(during, "metric 4294967295"));
    CHECK_EQUAL(routing_undo(&host.netlink, &routing, &host.why), 0);
    namespace_run(after, sizeof(after), DUMP);
    CHECK_TEXT(after, before);
    CHECK_EQUAL(routing_undo(&host.netlink, &routing, &host.why), 0);
    namespace_run(after, sizeof(after), DUMP);
    CHECK_TEXT(after, before);
close:
    close_host(&host);
}

static void test_a7_nothing_leaks_when_the_interface_is_gone(void)
{
    struct host host;
    struct routing routing;
    if (!open_host(&host))
        goto close;
    const struct routing_entry entries[] = {
        entry("0.0.0.0/1", ROUTING_TUNNEL), entry("128.0.0.0/1", ROUTING_TUNNEL),
        entry("10.20.0.0/16", ROUTING_TUNNEL), entry("::/0", ROUTING_UNREACHABLE)};
    if (!lay(&host, &routing, entries, 4))
        goto close;
    CHECK_TEXT(way_of(&host, "198.51.100.1", 0), "hop0");
    CHECK_TEXT(way_of(&host, "2001:db8:99::1", 0), "refused"); /* a family nobody has */
    CHECK_TEXT(way_of(&host, "2001:db8::77", 0), "up0");       /* but the link works */
    close(host.tun);                                           /* as kill -9 does */
    host.tun = -1;
    CHECK_TEXT(way_of(&host, "198.51.100.1", 0), "refused");
    CHECK_TEXT(way_of(&host, "10.20.1.1", 0), "refused");
    CHECK_TEXT(way_of(&host, "192.0.2.77", 0), "up0"); /* the LAN lives: the /1 twins are a /0 */
    CHECK_EQUAL(routing_undo(&host.netlink, &routing, &host.why), 0);
    CHECK_TEXT(way_of(&host, "198.51.100.1", 0), "up0");
    CHECK_TEXT(way_of(&host, "2001:db8:99::1", 0), "up0");
close:
    close_host(&host);
}

static void test_a_half_alone_is_no_default(void)
{
    struct host host;
    struct routing routing;
    if (!open_host(&host))
        goto close;
    const struct routing_entry entries[] = {entry("128.0.0.0/1", ROUTING_TUNNEL)};
    if (!lay(&host, &routing, entries, 1))
        goto close;
    CHECK_TEXT(way_of(&host, "192.0.2.77", 0), "hop0");
    CHECK_TEXT(way_of(&host, "10.0.0.1", 0), "up0");
    CHECK_EQUAL(routing_undo(&host.netlink, &routing, &host.why), 0);
close:
    close_host(&host);
}

static void test_an_update_makes_exactly_the_difference(void)
{
    struct host host;
    struct routing routing;
    static char first[DUMP_BYTES], second[DUMP_BYTES];
    if (!open_host(&host))
        goto close;
    const struct routing_entry old[] = {entry("10.1.0.0/16", ROUTING_TUNNEL),
                                        entry("10.2.0.0/16", ROUTING_TUNNEL),
                                        entry("10.3.0.0/16", ROUTING_THROW)};
    struct routing_entry new[] = {entry("10.2.0.0/16", ROUTING_TUNNEL),
                                  entry("10.3.0.0/16", ROUTING_TUNNEL),
                                  entry("2001:db8:4::/48", ROUTING_TUNNEL)};
    new[0].mtu_bytes = 1320;
    if (!lay(&host, &routing, old, 3))
        goto close;
    namespace_run(first, sizeof(first), DUMP);
    CHECK_EQUAL(routing_update(&host.netlink, &routing, new, 3, &host.why), 0);
    CHECK_TEXT(way_of(&host, "10.1.0.1", 0), "up0");
    CHECK_TEXT(way_of(&host, "10.3.0.1", 0), "hop0");
    CHECK_TEXT(way_of(&host, "2001:db8:4::1", 0), "hop0");
    struct kernel_route_way way;
    struct address to;
    CHECK(address_parse("10.2.0.1", &to));
    CHECK_EQUAL(kernel_route_towards(&host.netlink, &to, 0, &way, &host.why), 0);
    CHECK_EQUAL(way.mtu_bytes, 1320);
    CHECK(address_is_equal(&way.source, &nat_ipv4));
    /* The kernel drops routes when the link goes down; the same update puts them back. */
    namespace_run(first, sizeof(first), "ip route show table all; ip -6 route show table 51820");
    CHECK_EQUAL(link_set_up(&host.netlink, host.tun_index, false, &host.why), 0);
    CHECK_TEXT(way_of(&host, "10.2.0.1", 0), "refused");
    CHECK_EQUAL(link_set_up(&host.netlink, host.tun_index, true, &host.why), 0);
    CHECK_EQUAL(link_add_address(&host.netlink, host.tun_index, &nat_ipv6, &host.why), 0);
    CHECK_EQUAL(routing_update(&host.netlink, &routing, new, 3, &host.why), 0);
    namespace_run(second, sizeof(second), "ip route show table all; ip -6 route show table 51820");
    CHECK_TEXT(second, first);
    CHECK_EQUAL(routing_update(&host.netlink, &routing, old, 3, &host.why), 0);
    CHECK_TEXT(way_of(&host, "10.3.0.1", 0), "up0");
    CHECK_EQUAL(routing_undo(&host.netlink, &routing, &host.why), 0);
close:
    close_host(&host);
}

static void test_a_failure_midway_undoes_everything(void)
{
    struct host host;
    struct routing routing;
    static char before[DUMP_BYTES], after[DUMP_BYTES];
    if (!open_host(&host))
        goto close;
    struct routing_entry entries[] = {entry("10.1.0.0/16", ROUTING_TUNNEL),
                                      entry("10.2.0.0/16", ROUTING_TUNNEL)};
    CHECK(address_parse("203.0.113.9", &entries[1].source)); /* not an address of this host */
    namespace_run(before, sizeof(before), DUMP);
    CHECK_EQUAL(choose(&host, ROUTING_AUTO, 0, &routing, &host.why), 0);
    CHECK(routing_lay(&host.netlink, &routing, entries, 2, &host.why) < 0);
    CHECK(strstr(host.said, "10.2.0.0/16") != NULL);
    namespace_run(after, sizeof(after), DUMP);
    CHECK_TEXT(after, before);
    /* On an update, what stood before stands again. */
    if (!lay(&host, &routing, entries, 1))
        goto close;
    namespace_run(before, sizeof(before), DUMP);
    CHECK(routing_update(&host.netlink, &routing, &entries[1], 1, &host.why) < 0);
    namespace_run(after, sizeof(after), DUMP);
    CHECK_TEXT(after, before);
    CHECK_EQUAL(routing_undo(&host.netlink, &routing, &host.why), 0);
    host.said[0] = '\0';
close:
    close_host(&host);
}

static void test_f3_numbers_in_use_are_never_taken(void)
{
    struct host host;
    struct routing first, second, third;
    static char output[DUMP_BYTES], before[DUMP_BYTES];
    if (!open_host(&host))
        goto close;
    /* wg-quick's first network: table and mark 51820. */
    namespace_run(output, sizeof(output),
                  "ip rule add not fwmark 51820 table 51820 && ip -6 route add unreachable "
                  "2001:db8:5::/48 table 51823");
    CHECK_TEXT(output, "");
    namespace_run(before, sizeof(before), DUMP);
    const struct routing_entry entries[] = {entry("10.1.0.0/16", ROUTING_TUNNEL)};
    if (!lay(&host, &first, entries, 1))
        goto close;
    CHECK_EQUAL(first.mark, 51824);
    CHECK_EQUAL(first.tables[1], 51825);
    CHECK(first.priorities[2] < 32765);
    /* Somebody who chose at the same time is refused and disturbs nothing. */
    struct text unheard;
    char said[256];
    text_init(&unheard, said, sizeof(said));
    CHECK_EQUAL(routing_lay(&host.netlink, &first, entries, 1, &unheard), -EEXIST);
    CHECK_TEXT(way_of(&host, "10.1.0.1", 0), "hop0");
    if (!lay(&host, &second, entries, 1))
        goto close;
    CHECK_EQUAL(second.mark, 51826);
    CHECK(second.priorities[2] < first.priorities[0]);
    CHECK_EQUAL(routing_undo(&host.netlink, &first, &host.why), 0);
    CHECK_EQUAL(choose(&host, ROUTING_AUTO, 0, &third, &host.why), 0);
    CHECK_EQUAL(third.mark, 51824);
    const uint32_t taken[] = {51826, 51824};
    struct routing_choice choice = {.interface_name = "hop0", .interface_index = host.tun_index,
                                    .taken_marks = taken, .taken_count = 2};
    CHECK_EQUAL(routing_choose(&host.netlink, &choice, &third, &host.why), 0);
    CHECK_EQUAL(third.mark, 51828);
    CHECK_EQUAL(routing_undo(&host.netlink, &second, &host.why), 0);
    CHECK_TEXT(namespace_run(output, sizeof(output), DUMP), before);
    namespace_run(output, sizeof(output),
                  "ip rule del table 51820; ip -6 route flush table 51823; ip rule add priority 3 "
                  "table 77");
    CHECK_EQUAL(choose(&host, ROUTING_AUTO, 0, &third, &unheard), -ENOSPC);
    namespace_run(output, sizeof(output), "ip rule del priority 3");
close:
    close_host(&host);
}

static void test_f3_a_table_of_the_users_is_shared_and_cleaned(void)
{
    struct host host;
    struct routing routing;
    static char before[DUMP_BYTES], during[DUMP_BYTES], after[DUMP_BYTES];
    if (!open_host(&host))
        goto close;
    struct routing_entry entries[] = {entry("10.1.0.0/16", ROUTING_TUNNEL),
                                      entry("0.0.0.0/0", ROUTING_TUNNEL),
                                      entry("10.1.2.0/24", ROUTING_THROW)};
    namespace_run(before, sizeof(before),
                  "ip route add 10.9.0.0/16 dev up0 table 77 && "
                  "ip route add unreachable 10.1.0.0/16 metric 4294967295 proto 202 table 77");
    namespace_run(before, sizeof(before), DUMP);
    CHECK_EQUAL(choose(&host, ROUTING_TABLE, 77, &routing, &host.why), 0);
    CHECK_EQUAL(routing_lay(&host.netlink, &routing, entries, 3, &host.why), 0);
    namespace_run(during, sizeof(during), "ip route show table 77; ip rule");
    CHECK(strstr(during, "default dev hop0") && strstr(during, "throw 10.1.2.0/24"));
    CHECK(strstr(during, "0xca00") == NULL);
    close(host.tun);
    host.tun = -1;
    CHECK_EQUAL(routing_undo(&host.netlink, &routing, &host.why), 0);
    CHECK(open_tun(&host)); /* its index is another now */
    namespace_run(after, sizeof(after), "ip route show table 77");
    namespace_run(during, sizeof(during), "ip route flush table 77; ip rule");
    CHECK(strstr(after, "10.9.0.0/16 dev up0") != NULL);
    CHECK(strstr(after, "unreachable 10.1.0.0/16 proto 202 metric 4294967295") != NULL);
    CHECK(strstr(after, "throw") == NULL && strstr(after, "unreachable default") == NULL);
    routing.tables[0] = KERNEL_ROUTE_TABLE_MAIN;
    CHECK_EQUAL(routing_lay(&host.netlink, &routing, entries, 3, &host.why), -EINVAL);
    CHECK(strstr(host.said, "!10.1.2.0/24") != NULL);
    host.said[0] = '\0';
close:
    close_host(&host);
}

static void test_f3_table_off_changes_nothing(void)
{
    struct host host;
    struct routing routing;
    static char before[DUMP_BYTES], after[DUMP_BYTES];
    if (!open_host(&host))
        goto close;
    const struct routing_entry entries[] = {entry("0.0.0.0/0", ROUTING_TUNNEL)};
    namespace_run(before, sizeof(before), DUMP);
    CHECK_EQUAL(choose(&host, ROUTING_OFF, 0, &routing, &host.why), 0);
    CHECK_EQUAL(routing.mark & NETWORK_MARK_MASK, NETWORK_MARK);
    CHECK_EQUAL(routing_lay(&host.netlink, &routing, entries, 1, &host.why), 0);
    CHECK_TEXT(namespace_run(after, sizeof(after), DUMP), before);
    CHECK_EQUAL(routing_undo(&host.netlink, &routing, &host.why), 0);
close:
    close_host(&host);
}

static void test_i6_ipv6_switched_off_is_unreachable_not_leaked(void)
{
    struct host host;
    struct routing routing;
    if (!open_host(&host))
        goto close;
    if (!namespace_write("/proc/sys/net/ipv6/conf/hop0/disable_ipv6", "1")) {
        tap_skip("/proc/sys cannot be written");
        goto close;
    }
    CHECK_EQUAL(sysctl_ipv6("hop0"), SYSCTL_IPV6_DISABLED);
    CHECK(sysctl_ipv6_notice(SYSCTL_IPV6_DISABLED) != NULL);
    const struct routing_entry entries[] = {entry("0.0.0.0/0", ROUTING_TUNNEL),
                                            entry("::/0", ROUTING_TUNNEL)};
    if (!lay(&host, &routing, entries, 2))
        goto close;
    CHECK_TEXT(way_of(&host, "198.51.100.1", 0), "hop0");
    CHECK_TEXT(way_of(&host, "2001:db8:99::1", 0), "refused");
    CHECK_EQUAL(routing_undo(&host.netlink, &routing, &host.why), 0);
close:
    close_host(&host);
}

static void test_thousands_of_routes_come_and_go(void)
{
    enum { MANY = 5000 };
    struct host host;
    struct routing routing;
    static struct routing_entry entries[MANY];
    static char before[DUMP_BYTES], after[DUMP_BYTES];
    if (!open_host(&host))
        goto close;
    for (unsigned i = 0; i < MANY; i++) {
        entries[i] = entry("10.0.0.0/24", ROUTING_TUNNEL);
        entries[i].prefix.address.bytes[1] = (uint8_t)(i >> 8);
        entries[i].prefix.address.bytes[2] = (uint8_t)i;
    }
    namespace_run(before, sizeof(before), DUMP);
    if (!lay(&host, &routing, entries, MANY))
        goto close;
    struct kernel_route *routes;
    size_t count;
    CHECK_EQUAL(kernel_route_list(&host.netlink, routing.tables[0], &routes, &count, &host.why), 0);
    CHECK_EQUAL(count, 2 * MANY);
    free(routes);
    CHECK_EQUAL(routing_undo(&host.netlink, &routing, &host.why), 0);
    CHECK_TEXT(namespace_run(after, sizeof(after), DUMP), before);
close:
    close_host(&host);
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
    TAP_RUN(argc, argv, test_f3_table_off_changes_nothing);
    TAP_RUN(argc, argv, test_i6_ipv6_switched_off_is_unreachable_not_leaked);
    TAP_RUN(argc, argv, test_thousands_of_routes_come_and_go);
    return tap_done();
}
