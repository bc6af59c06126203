/* SPDX-License-Identifier: MIT */
/* Several networks on one host must let each other's packets pass, although what one base chain
 * accepts the next still sees. So each table only writes on the flow, early and for its own marks
 * and endpoints: the connection's mark becomes the packet's. The filters of all tables then trust a
 * flow that bears a mark of Hopwire's twice, and all interfaces of the group. The same connection
 * mark, put back onto what comes in, is what strict reverse path filtering needs (F5): with it the
 * answer's way back is the uplink.
 *
 * No rule names an interface. The kernel gives a number that is free again to a link that is moved
 * here, or asked for by whoever makes one: so the kill switch goes by the group, which a new link
 * has only if somebody sets it, and the number counts only together with it.
 *
 * A change is the whole table again, "add, delete, add" in one transaction. */
#include "host/firewall.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/netlink.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/description.h"
#include "host/nft_table.h"

#define TABLE_NAME_BYTES 256
#define COUNTER "elsewhere" /* of put_guard */
#define ALONE_TRIES 3

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

/* libnftables ends the whole process when one of its sockets cannot be had; the rest is for the
 * names that it reads from files. */
static int probe(struct text *why)
{
    static const int protocols[] = {NETLINK_NETFILTER, NETLINK_ROUTE, NETLINK_ROUTE,
                                    NETLINK_ROUTE};
    int fds[4], error = 0;
    unsigned count = 0;
    while (count < 4 && !error) {
        fds[count] = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocols[count]);
        error = fds[count] < 0 ? errno : 0;
        count += !error;
    }
    while (count > 0)
        close(fds[--count]);
    bool is_short = error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
    if (error)
        text_append(why, "%s: %s",
                    is_short ? "nftables cannot be asked" : "this kernel has no nftables",
                    strerror(error));
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

static void put_prefix_set(FILE *to, const char *name, const struct prefix *prefixes, size_t count,
                           enum family family)
{
    bool is_first = true;
    fprintf(to, "set %s%d { type ipv%d_addr; flags interval; auto-merge\n", name, family, family);
    for (size_t i = 0; i < count; i++) {
        char text[PREFIX_TEXT_BYTES];
        if (prefixes[i].address.family != family)
            continue;
        fprintf(to, "%s%s", is_first ? "elements = { " : ", ", prefix_format(&prefixes[i], text));
        is_first = false;
    }
    fprintf(to, "%s}\n", is_first ? "" : " }\n");
}

/* In another of the same link's: a set takes no two that overlap. */
static bool is_in_another(const struct firewall *firewall, size_t at)
{
    const struct firewall_lan *lan = &firewall->on_link[at];
    for (size_t i = 0; i < firewall->on_link_count; i++) {
        const struct firewall_lan *other = &firewall->on_link[i];
        bool is_larger = i < at || !prefix_is_equal(&other->prefix, &lan->prefix);
        if (i != at && other->link_index == lan->link_index && is_larger &&
            prefix_covers(&other->prefix, &lan->prefix))
            return true;
    }
    return false;
}

/* Link, address, and where it is sent to: see put_on_link. */
static void put_on_link_set(FILE *to, const struct firewall *firewall, enum family family)
{
    bool is_first = true;
    fprintf(to, "set on_link%d { type iface_index . ipv%d_addr . ipv%d_addr; flags interval\n",
            family, family, family);
    for (size_t i = 0; i < firewall->on_link_count; i++) {
        const struct firewall_lan *lan = &firewall->on_link[i];
        char text[PREFIX_TEXT_BYTES];
        if (lan->prefix.address.family != family || is_in_another(firewall, i))
            continue;
        prefix_format(&lan->prefix, text);
        fprintf(to, "%s%d . %s . %s", is_first ? "elements = { " : ", ", lan->link_index, text,
                text);
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

/* "BEFORE ip daddr { … } VERDICT" for each family that has one. */
static void put_for_addresses(FILE *to, const struct firewall *firewall, const char *before,
                              const char *verdict)
{
    put_addresses(to, firewall, FAMILY_IPV4, before, verdict);
    put_addresses(to, firewall, FAMILY_IPV6, before, verdict);
}

/* Nobody on the LAN, and no other network's relay, learns which address the interface has, or
 * meddles with flows inside the tunnels, by sending to it from outside (CVE-2019-14899). Two
 * networks may have one address: each marks what comes by its interface for its own, for a moment,
 * before any of them looks. */
static void put_guard(FILE *to, const struct firewall *firewall)
{
    char own[64], before[96], mark[64];
    snprintf(own, sizeof(own), "iif %d iifgroup %u", firewall->interface_index,
             FIREWALL_LINK_GROUP);
    snprintf(mark, sizeof(mark), "meta mark set meta mark & 0x%x | 0x%x", ~NETWORK_MARK_MASK,
             NETWORK_MARK);
    fprintf(to, "chain own { type filter hook prerouting priority raw - 1; policy accept;\n");
    put_for_addresses(to, firewall, own, mark);
    snprintf(before, sizeof(before), "iif != lo meta mark & 0x%x != 0x%x", NETWORK_MARK_MASK,
             NETWORK_MARK);
    fprintf(to, "}\nchain guard { type filter hook prerouting priority raw; policy accept;\n");
    put_for_addresses(to, firewall, before, "counter name " COUNTER " drop");
    fprintf(to,
            "}\nchain unmark { type filter hook prerouting priority raw + 1; policy accept;\n"
            "%s meta mark set meta mark & 0x%x\n}\n",
            own, ~NETWORK_MARK_MASK);
}

/* "iif { 7, 9 } ", or of the other side. */
static void put_bridges(FILE *to, const struct firewall *firewall, const char *side)
{
    fprintf(to, "%s { ", side);
    for (size_t i = 0; i < firewall->bridge_count; i++)
        fprintf(to, "%s%d", i ? ", " : "", firewall->bridges[i].index);
    fprintf(to, " } ");
}

/* To guests, by their bridge and within its prefixes: it may become a way to others before that is
 * heard of. `who` is what must hold of the sender, of each family. */
static void put_to_guests(FILE *to, const struct firewall *firewall, const char *from_bridge,
                          const char *who_ipv4, const char *who_ipv6)
{
    static const char *const daddr[] = {"ip daddr @guests4", "ip6 daddr @guests6"};
    for (unsigned i = 0; firewall->bridge_count && i < 2; i++) {
        if (from_bridge)
            put_bridges(to, firewall, from_bridge);
        put_bridges(to, firewall, "oif");
        fprintf(to, "%s%s accept\n", i ? who_ipv6 : who_ipv4, daddr[i]);
    }
}

/* What a bridge switches is seen here where br_netfilter is loaded: neighbour discovery and other
 * groups, and addresses of which the host has no network. What is routed has no group, and is for
 * whom the host itself would send it to by that bridge. */
static void put_among_guests(FILE *to, const struct firewall *firewall)
{
    put_to_guests(to, firewall, "iif", "", "");
    for (size_t i = 0; i < firewall->bridge_count; i++) {
        int n = firewall->bridges[i].index;
        fprintf(to, "iif %d oif %d meta pkttype { broadcast, multicast } accept\n", n, n);
        fprintf(to, "iif %d oif %d fib daddr oif != %d accept\n", n, n, n);
    }
}

/* What guests are configured by, and answers to their link-local addresses. No other group: whoever
 * puts a cable into the bridge, with nobody there to hear of it, lets the host's names and searches
 * (mDNS, SSDP) out to all that are behind it. */
static void put_to_guests_links(FILE *to, const struct firewall *firewall)
{
    static const char *const what[] = {
        "ip daddr 255.255.255.255 udp sport 67 udp dport 68",
        "ip6 daddr { fe80::/10, ff02::1 } icmpv6 type { nd-router-advert, mld-listener-query }",
        "ip6 daddr fe80::/10 ct state established,related",
        "ip6 daddr fe80::/10 udp sport 547 udp dport 546"};
    for (size_t i = 0; firewall->bridge_count && i < sizeof(what) / sizeof(*what); i++) {
        put_bridges(to, firewall, "oif");
        fprintf(to, "%s accept\n", what[i]);
    }
}

/* A link's own network passes by that link and to the neighbour itself. Once the host is elsewhere
 * a gateway is the next hop, or another link the way, and nobody need take the prefix out of the
 * set. What is bound to the link IPv4 sends to the neighbour even without a route: so the host's
 * own must come from an address there, but for answers, which come from the one that was asked. */
static void put_on_link(FILE *to, bool is_forwarded)
{
    for (int family = FAMILY_IPV4; family <= FAMILY_IPV6; family += 2) {
        const char *ip = family == FAMILY_IPV4 ? "ip" : "ip6";
        char way[96];
        snprintf(way, sizeof(way), "oif . %s daddr . rt %s nexthop @on_link%d", ip, ip, family);
        if (is_forwarded)
            fprintf(to, "%s accept\n", way);
        else
            fprintf(to, "%s oif . %s saddr . %s saddr @on_link%d accept\n"
                        "%s ct direction reply accept\n", way, ip, ip, family, way);
    }
}

static void put_lan(FILE *to, const struct firewall *firewall, bool is_forwarded)
{
    fprintf(to, "ip daddr @lan4 accept\nip6 daddr @lan6 accept\n");
    put_on_link(to, is_forwarded);
    if (firewall->allows_lan_multicast)
        fprintf(to, "ip daddr { 169.254.0.0/16, 224.0.0.0/24, 239.255.255.250, 255.255.255.255 } "
                    "accept\nip6 daddr { fe80::/10, ff02::/16 } accept\n");
}

static void put_kill_switch(FILE *to, const struct firewall *firewall)
{
    fprintf(to,
            "chain output { type filter hook output priority filter; policy accept;\n"
            "oif lo accept\noifgroup %u accept\n"
            "meta mark & 0x%x == 0x%x ct mark & 0x%x == 0x%x accept\n",
            FIREWALL_LINK_GROUP, NETWORK_MARK_MASK, NETWORK_MARK, NETWORK_MARK_MASK, NETWORK_MARK);
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
    put_lan(to, firewall, false);
    put_to_guests(to, firewall, NULL, "", "");
    put_to_guests_links(to, firewall);
    fprintf(to,
            "meta l4proto tcp reject with tcp reset\nreject with icmpx admin-prohibited\n}\n"
            "chain forward { type filter hook forward priority filter; policy accept;\n"
            "oif lo accept\niifgroup %u accept\noifgroup %u accept\n",
            FIREWALL_LINK_GROUP, FIREWALL_LINK_GROUP);
    put_lan(to, firewall, true);
    put_among_guests(to, firewall);
    put_to_guests(to, firewall, NULL, "ip saddr @lan4 ", "ip6 saddr @lan6 ");
    put_to_guests(to, firewall, NULL, "iif . ip saddr . ip saddr @on_link4 ",
                  "iif . ip6 saddr . ip6 saddr @on_link6 ");
    fprintf(to, "meta l4proto tcp reject with tcp reset\nreject with icmpx admin-prohibited\n}\n");
}

/* 5355 is LLMNR: systemd-resolved asks the whole link for names of one label, before or without
 * any name server. So does Samba at 137, where these five bits are 0 in questions alone (RFC 1002
 * 4.2.1.1): a host's own name may be told, and questions answered. Multicast DNS asks for names in
 * .local alone, which are nobody's but the link's. */
static void put_queries_rejected(FILE *to)
{
    fprintf(to, "tcp dport { 53, 853, 5355 } reject with tcp reset\n"
                "udp dport { 53, 853, 5355 } reject with icmpx admin-prohibited\n"
                "udp dport 137 @th,80,5 0 reject with icmpx admin-prohibited\n}\n");
}

/* RULES G3: what asks past the tunnels is told at once, so that it asks another server. Marked
 * twice are the queries for the roots' names, and the datagrams to a relay that has one of the
 * ports. What came out of a tunnel is no query of this host's or of its guests'. */
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
    put_to_guests(to, firewall, NULL, "", "");
    put_queries_rejected(to);
    fprintf(to,
            "chain dns_forward { type filter hook forward priority filter; policy accept;\n"
            "iifgroup %u accept\noifgroup %u accept\n",
            FIREWALL_LINK_GROUP, FIREWALL_LINK_GROUP);
    put_among_guests(to, firewall);
    put_queries_rejected(to);
}

/* All of the table but its counter; malloc's, or NULL. */
static char *write_table(const struct firewall *firewall)
{
    char *commands = NULL;
    size_t len;
    FILE *to = open_memstream(&commands, &len);
    if (!to)
        return NULL;
    put_endpoint_set(to, firewall, FAMILY_IPV4);
    put_endpoint_set(to, firewall, FAMILY_IPV6);
    put_marking(to, firewall);
    put_guard(to, firewall);
    for (int family = FAMILY_IPV4; family <= FAMILY_IPV6; family += 2) {
        if (firewall->has_kill_switch) {
            put_prefix_set(to, "lan", firewall->lan, firewall->lan_count, family);
            put_on_link_set(to, firewall, family);
        }
        if (firewall->has_kill_switch || firewall->has_dns_guard)
            put_prefix_set(to, "guests", firewall->guests, firewall->guest_count, family);
    }
    if (firewall->has_kill_switch)
        put_kill_switch(to, firewall);
    if (firewall->has_dns_guard)
        put_dns_guard(to, firewall);
    bool is_whole = fclose(to) == 0;
    if (!is_whole)
        free(commands);
    return is_whole ? commands : NULL;
}

static int replace(const char *table, const char *content, struct nft_table_counter counted,
                   struct text *why)
{
    char *commands;
    int len = asprintf(&commands,
                       "add table inet %s\ndelete table inet %s\ntable inet %s {\n"
                       "counter " COUNTER " { packets %" PRIu64 " bytes %" PRIu64 " }\n%s}\n",
                       table, table, table, counted.packets, counted.bytes, content);
    if (len < 0) {
        text_append(why, "no memory for the rules of nftables");
        return -ENOMEM;
    }
    int result = run(commands, "add the network's table", why);
    free(commands);
    return result;
}

/* What was read is what was laid only if nobody else had a turn in between. */
static int replace_alone(struct netlink *netlink, const char *table, const char *content,
                         struct firewall_laid *laid, struct text *why)
{
    for (unsigned i = 0; i < ALONE_TRIES; i++) {
        uint32_t before, after;
        nft_table_generation(netlink, &before);
        int result = replace(table, content, nft_table_counter(netlink, table, COUNTER), why);
        if (result < 0)
            return result;
        result = nft_table_read(netlink, table, &laid->stands);
        nft_table_generation(netlink, &after);
        if (result == 0 && after == before + 1)
            break;
    }
    return 0;
}

int firewall_lay(const struct firewall *firewall, struct firewall_laid *laid, struct text *why)
{
    char table[TABLE_NAME_BYTES];
    struct netlink netlink;
    char *content = write_table(firewall);
    if (!content) {
        text_append(why, "no memory for the rules of nftables");
        return -ENOMEM;
    }
    int result = probe(why);
    if (result == 0)
        result = netlink_open_netfilter(&netlink, why);
    if (result == 0) {
        uint64_t wanted = nft_table_hash(content), stands;
        name_table(firewall->network, table);
        if (laid->wanted != wanted || nft_table_read(&netlink, table, &stands) != 0 ||
            laid->stands != stands)
            result = replace_alone(&netlink, table, content, laid, why);
        if (result == 0)
            laid->wanted = wanted;
        netlink_close(&netlink);
    }
    free(content);
    return result;
}

int firewall_look(const char *network, const struct firewall_laid *laid, struct text *why)
{
    struct netlink netlink;
    char table[TABLE_NAME_BYTES];
    uint64_t stands;
    int result = probe(why);
    if (result == 0)
        result = netlink_open_netfilter(&netlink, why);
    if (result != 0)
        return result;
    name_table(network, table);
    result = nft_table_read(&netlink, table, &stands);
    if (result != 0 && result != -ENOENT)
        text_append(why, "cannot read the network's nftables table: %s", netlink.reason);
    netlink_close(&netlink);
    if (result != 0)
        return result == -ENOENT ? FIREWALL_GONE : result;
    return stands == laid->stands ? FIREWALL_STANDS : FIREWALL_CHANGED;
}

int firewall_remove(const char *network, struct text *why)
{
    char table[TABLE_NAME_BYTES], commands[3 * TABLE_NAME_BYTES];
    name_table(network, table);
    snprintf(commands, sizeof(commands), "add table inet %s\ndelete table inet %s\n", table, table);
    return run(commands, "remove the network's table", why);
}
