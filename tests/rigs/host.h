/* SPDX-License-Identifier: MIT */
/* A host in a namespace of its own, for the tests of routes and rules. */
#ifndef TESTS_RIGS_HOST_H
#define TESTS_RIGS_HOST_H

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/kernel_route.h"
#include "host/link.h"
#include "host/routing.h"
#include "rigs/own_netns.h"
#include "tap.h"

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

static const struct address host_nat_ipv4 = {.family = FAMILY_IPV4, .bytes = {10, 64, 0, 2}};
static const struct address host_nat_ipv6 = {.family = FAMILY_IPV6,
                                             .bytes = {0xfc, 0, 0xbb, [15] = 2}};

static bool host_open_tun(struct host *host)
{
    host->tun = own_netns_tun("hop0", &host->tun_index);
    return host->tun >= 0 &&
           CHECK_EQUAL(link_make_quiet(&host->netlink, host->tun_index, &host->why), 0) &&
           CHECK_EQUAL(
               link_add_address(&host->netlink, host->tun_index, &host_nat_ipv4, &host->why), 0) &&
           CHECK_EQUAL(
               link_add_address(&host->netlink, host->tun_index, &host_nat_ipv6, &host->why), 0) &&
           CHECK_EQUAL(link_set_up(&host->netlink, host->tun_index, true, &host->why), 0);
}

/* The kernel's local routes of IPv6 addresses come a moment after the addresses. */
static bool host_wait_for_addresses(void)
{
    char output[256];
    own_netns_run(output, sizeof(output),
                  "for i in $(seq 3000); do ip -6 addr | grep -q tentative || [ 2 != "
                  "$(ip -6 route show table local | grep -cE '^local (2001:db8|fc00:bb00)::2 ') ] "
                  "|| exit 0; sleep 0.01; done; exit 1");
    return CHECK_TEXT(output, "");
}

static bool host_open(struct host *host)
{
    char output[DUMP_BYTES];
    *host = (struct host){.uplink = -1, .tun = -1};
    text_init(&host->why, host->said, sizeof(host->said));
    if (!own_netns_enter_once() || !own_netns_has_ip_command())
        return false;
    host->uplink = own_netns_tun("up0", &host->uplink_index);
    if (host->uplink < 0)
        return false;
    own_netns_run(output, sizeof(output),
                  "ip link set lo up && ip addr add 192.0.2.2/24 dev up0 && ip -6 addr add "
                  "2001:db8::2/64 dev up0 nodad && ip link set up0 up && ip route add default via "
                  "192.0.2.1 && ip -6 route add default via 2001:db8::1");
    CHECK_TEXT(output, "");
    CHECK_EQUAL(netlink_open(&host->netlink, &host->why), 0);
    if (!host_open_tun(host))
        return false;
    return host_wait_for_addresses();
}

static void host_close(struct host *host)
{
    netlink_close(&host->netlink);
    if (host->tun >= 0)
        close(host->tun);
    if (host->uplink >= 0)
        close(host->uplink);
    if (host->said[0])
        printf("# said: %s\n", host->said);
}

static struct routing_entry host_entry(const char *prefix, enum routing_kind kind)
{
    struct routing_entry made = {.kind = kind, .mtu_bytes = 1380};
    CHECK(prefix_parse(prefix, &made.prefix));
    made.source = made.prefix.address.family == FAMILY_IPV4 ? host_nat_ipv4 : host_nat_ipv6;
    return made;
}

/* "up0", "hop0", or "refused": where a packet without a mark would go. */
static const char *host_way_of(struct host *host, const char *text, uint32_t mark)
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

static inline int host_choose(struct host *host, enum routing_mode mode, uint32_t table,
                              struct routing *routing, struct text *why)
{
    struct routing_choice choice = {
        .mode = mode, .table = table, .interface_name = "hop0", .interface_index = host->tun_index};
    return routing_choose(&host->netlink, &choice, routing, why);
}

static inline bool host_lay(struct host *host, struct routing *routing,
                            const struct routing_entry *entries, size_t count)
{
    return CHECK_EQUAL(host_choose(host, ROUTING_AUTO, 0, routing, &host->why), 0) &&
           CHECK_EQUAL(routing_lay(&host->netlink, routing, entries, count, &host->why), 0);
}

#endif
