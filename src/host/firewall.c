/* SPDX-License-Identifier: MIT */
/* Several networks on one host must let each other's packets pass, although what one base chain
 * accepts the next still sees. So each table only writes on the flow, early and for its own marks
 * and endpoints: the connection's mark becomes the packet's. The filters of all tables then trust a
 * flow that bears a mark of Hopwire's twice, and all interfaces of the group. The same connection
 * mark, put back onto what comes in, is what strict reverse path filtering needs (F5): with it the
 * answer's way back is the uplink.
 *
 * A change is the whole table again: "add, delete, add" is one transaction, and no packet sees a
 * state between. */
#include "host/firewall.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/network.h"
#include "host/netlink.h"

#define TABLE_NAME_BYTES 256

/* nft's names have no + and =; no network's name has a slash. */
static void name_table(const char *network, char name[TABLE_NAME_BYTES])
{
    char *to = name + snprintf(name, TABLE_NAME_BYTES, "hopwire_");
    for (const char *c = network; *c && to < name + TABLE_NAME_BYTES - 4; c++) {
        if (*c == '+' || *c == '=')
            to += sprintf(to, "/%02x", (unsigned char)*c);
        else
            *to++ = *c;
    }
    *to = '\0';
}

/* libnftables ends the whole process when this socket cannot be had. */
static int probe(struct text *why)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (fd >= 0) {
        close(fd);
        return 0;
    }
    int error = errno;
    text_append(why, "this kernel has no nftables: %s", strerror(error));
    return -error;
}

static int run(const char *commands, const char *what, struct text *why)
{
    int result = probe(why);
    if (result < 0)
        return result;
    struct nft_ctx *context = nft_ctx_new(NFT_CTX_DEFAULT);
    if (!context || nft_ctx_buffer_error(context) != 0 || nft_ctx_buffer_output(context) != 0) {
        if (context)
            nft_ctx_free(context);
        text_append(why, "no memory for nftables");
        return -ENOMEM;
    }
    errno = 0;
    if (nft_run_cmd_from_buffer(context, commands) != 0) {
        const char *said = nft_ctx_get_error_buffer(context);
        result = errno ? -errno : -EIO;
        text_append(why, "nftables refuses to %s: %.*s", what,
                    said ? (int)strcspn(said, "\n") : 0, said ? said : "");
    }
    nft_ctx_free(context);
    return result;
}

static void put_marks(FILE *to, const struct firewall *firewall)
{
    fprintf(to, "{ ");
    for (size_t i = 0; i < firewall->mark_count; i++)
        fprintf(to, "%s0x%x", i ? ", " : "", firewall->marks[i]);
    fprintf(to, " }");
}

/* "ip daddr { … } VERDICT", if there is one of the family. */
static void put_addresses(FILE *to, const struct firewall *firewall, enum family family,
                          const char *before, const char *verdict)
{
    bool is_first = true;
    for (size_t i = 0; i < firewall->address_count; i++) {
        char text[ADDRESS_TEXT_BYTES];
        if (firewall->addresses[i].family != family)
            continue;
        if (is_first)
            fprintf(to, "%s %s daddr { ", before, family == FAMILY_IPV4 ? "ip" : "ip6");
        fprintf(to, "%s%s", is_first ? "" : ", ", address_format(&firewall->addresses[i], text));
        is_first = false;
    }
    if (!is_first)
        fprintf(to, " } %s\n", verdict);
}

static void put_endpoint_set(FILE *to, const struct firewall *firewall, enum family family)
{
    bool is_first = true;
    fprintf(to, "set endpoints%d { type ipv%d_addr . inet_service\n", family, family);
    for (size_t i = 0; i < firewall->endpoint_count; i++) {
        const struct endpoint *endpoint = &firewall->endpoints[i];
        char text[ADDRESS_TEXT_BYTES];
        if (endpoint->address.family != family)
            continue;
        fprintf(to, "%s%s . %u", is_first ? "elements = { " : ", ",
                address_format(&endpoint->address, text), endpoint->port);
        is_first = false;
    }
    fprintf(to, "%s}\n", is_first ? "" : " }\n");
}

static void put_lan_set(FILE *to, const struct firewall *firewall, enum family family)
{
    bool is_first = true;
    fprintf(to, "set lan%d { type ipv%d_addr; flags interval; auto-merge\n", family, family);
    for (size_t i = 0; i < firewall->lan_count; i++) {
        char text[PREFIX_TEXT_BYTES];
        if (firewall->lan[i].address.family != family)
            continue;
        fprintf(to, "%s%s", is_first ? "elements = { " : ", ",
                prefix_format(&firewall->lan[i], text));
        is_first = false;
    }
    fprintf(to, "%s}\n", is_first ? "" : " }\n");
}

/* F5, and what the filters of all networks know ours by. */
static void put_marking(FILE *to, const struct firewall *firewall)
{
    fprintf(to, "chain mark_out { type filter hook output priority mangle; policy accept;\n");
    for (int family = FAMILY_IPV4; family <= FAMILY_IPV6; family += 2) {
        fprintf(to, "meta mark ");
        put_marks(to, firewall);
        fprintf(to, " %s daddr . udp dport @endpoints%d ct mark set meta mark\n",
                family == FAMILY_IPV4 ? "ip" : "ip6", family);
    }
    if (firewall->allows_dns)
        fprintf(to, "meta mark 0x%x meta l4proto { tcp, udp } th dport 53 ct mark set meta mark\n",
                firewall->marks[0]);
    fprintf(to, "}\nchain mark_in { type filter hook prerouting priority mangle; policy accept;\n"
                "ct mark ");
    put_marks(to, firewall);
    fprintf(to, " meta mark set ct mark\n}\n");
}

/* Nobody on the LAN learns which address the interface has, or meddles with flows inside the
 * tunnels, by sending to it from outside (CVE-2019-14899). */
static void put_guard(FILE *to, const struct firewall *firewall)
{
    char before[64];
    snprintf(before, sizeof(before), "iifname != { lo, \"%s\" }", firewall->interface_name);
    fprintf(to, "chain guard { type filter hook prerouting priority raw; policy accept;\n");
    put_addresses(to, firewall, FAMILY_IPV4, before, "drop");
    put_addresses(to, firewall, FAMILY_IPV6, before, "drop");
    fprintf(to, "}\n");
}

static void put_lan(FILE *to, const struct firewall *firewall)
{
    fprintf(to, "ip daddr @lan4 accept\nip6 daddr @lan6 accept\n");
    if (firewall->allows_lan_multicast)
        fprintf(to, "ip daddr { 169.254.0.0/16, 224.0.0.0/24, 239.255.255.250, 255.255.255.255 } "
                    "accept\nip6 daddr { fe80::/10, ff02::/16 } accept\n");
}

static void put_kill_switch(FILE *to, const struct firewall *firewall)
{
    fprintf(to,
            "chain output { type filter hook output priority filter; policy accept;\n"
            "oifname { lo, \"%s\" } accept\noifgroup %u accept\n"
            "meta mark & 0x%x == 0x%x ct mark & 0x%x == 0x%x accept\n",
            firewall->interface_name, FIREWALL_LINK_GROUP, NETWORK_MARK_MASK, NETWORK_MARK,
            NETWORK_MARK_MASK, NETWORK_MARK);
    for (int family = FAMILY_IPV4; family <= FAMILY_IPV6; family += 2) {
        /* A FwMark of the user's own, outside Hopwire's range. */
        fprintf(to, "meta mark ");
        put_marks(to, firewall);
        fprintf(to, " %s daddr . udp dport @endpoints%d accept\n",
                family == FAMILY_IPV4 ? "ip" : "ip6", family);
    }
    fprintf(to, "udp sport 68 udp dport 67 accept\n"
                "ip6 daddr { fe80::/10, ff02::1:2, ff05::1:3 } udp sport 546 udp dport 547 accept\n"
                "ip6 hoplimit 255 icmpv6 type { nd-router-solicit, nd-neighbor-solicit, "
                "nd-neighbor-advert } accept\n"
                "ip6 daddr ff02::/16 icmpv6 type { mld-listener-report, mld-listener-done, "
                "mld2-listener-report } accept\n");
    put_lan(to, firewall);
    fprintf(to,
            "reject with icmpx admin-prohibited\n}\n"
            "chain forward { type filter hook forward priority filter; policy accept;\n"
            "iifname \"%s\" accept\noifname { lo, \"%s\" } accept\n"
            "iifgroup %u accept\noifgroup %u accept\n",
            firewall->interface_name, firewall->interface_name, FIREWALL_LINK_GROUP,
            FIREWALL_LINK_GROUP);
    put_lan(to, firewall);
    fprintf(to, "reject with icmpx admin-prohibited\n}\n");
}

static void put_queries_rejected(FILE *to)
{
    fprintf(to, "tcp dport { 53, 853 } reject with tcp reset\n"
                "udp dport { 53, 853 } reject with icmpx admin-prohibited\n}\n");
}

/* RULES G3: what asks past the tunnels is told at once, so that it asks another server. Marked twice
 * are the queries for the roots' names, and the datagrams to a relay that has one of the ports. What
 * came out of a tunnel is no query of this host's or of its guests'. */
static void put_dns_guard(FILE *to, const struct firewall *firewall)
{
    fprintf(to,
            "chain dns_output { type filter hook output priority filter; policy accept;\n"
            "oifname lo accept\noifgroup %u accept\n"
            "meta mark & 0x%x == 0x%x ct mark & 0x%x == 0x%x accept\n"
            "meta mark ",
            FIREWALL_LINK_GROUP, NETWORK_MARK_MASK, NETWORK_MARK, NETWORK_MARK_MASK, NETWORK_MARK);
    put_marks(to, firewall);
    fprintf(to, " ct mark ");
    put_marks(to, firewall);
    fprintf(to, " accept\n");
    put_queries_rejected(to);
    fprintf(to,
            "chain dns_forward { type filter hook forward priority filter; policy accept;\n"
            "iifgroup %u accept\noifgroup %u accept\n",
            FIREWALL_LINK_GROUP, FIREWALL_LINK_GROUP);
    put_queries_rejected(to);
}

int firewall_lay(const struct firewall *firewall, struct text *why)
{
    char table[TABLE_NAME_BYTES];
    char *commands = NULL;
    size_t len;
    FILE *to = open_memstream(&commands, &len);
    name_table(firewall->network, table);
    if (to) {
        fprintf(to, "add table inet %s\ndelete table inet %s\ntable inet %s {\n", table, table,
                table);
        put_endpoint_set(to, firewall, FAMILY_IPV4);
        put_endpoint_set(to, firewall, FAMILY_IPV6);
        put_marking(to, firewall);
        put_guard(to, firewall);
        if (firewall->has_kill_switch) {
            put_lan_set(to, firewall, FAMILY_IPV4);
            put_lan_set(to, firewall, FAMILY_IPV6);
            put_kill_switch(to, firewall);
        }
        if (firewall->has_dns_guard)
            put_dns_guard(to, firewall);
        fprintf(to, "}\n");
    }
    if (!to || fclose(to) != 0 || !commands) {
        text_append(why, "no memory for the rules of nftables");
        free(commands);
        return -ENOMEM;
    }
    int result = run(commands, "add the network's table", why);
    free(commands);
    return result;
}

/* Asked of the kernel itself: libnftables would list all that is in the table. */
int firewall_stands(const char *network, struct text *why)
{
    struct netlink netlink;
    uint8_t bytes[NETLINK_REQUEST_BYTES] __attribute__((aligned(8)));
    char table[TABLE_NAME_BYTES];
    int result = netlink_open_netfilter(&netlink, why);
    if (result != 0)
        return result;
    name_table(network, table);
    struct nlmsghdr *request =
        netlink_request(bytes, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE, 0);
    struct nfgenmsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
    header->nfgen_family = NFPROTO_INET;
    header->version = NFNETLINK_V0;
    mnl_attr_put_strz(request, NFTA_TABLE_NAME, table);
    result = netlink_ask(&netlink, request, NULL, NULL);
    if (result != 0 && result != -ENOENT)
        text_append(why, "cannot ask for the network's nftables table: %s", netlink.reason);
    netlink_close(&netlink);
    return result == 0 ? 1 : result == -ENOENT ? 0 : result;
}

int firewall_remove(const char *network, struct text *why)
{
    char table[TABLE_NAME_BYTES], commands[3 * TABLE_NAME_BYTES];
    name_table(network, table);
    snprintf(commands, sizeof(commands), "add table inet %s\ndelete table inet %s\n", table, table);
    return run(commands, "remove the network's table", why);
}
