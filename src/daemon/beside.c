/* SPDX-License-Identifier: MIT */
#include "daemon/beside.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/coverage.h"
#include "daemon/guard.h"
#include "host/kernel_route.h"

#define RULES_SHOWN 16
#define PREFIXES_SHOWN 4
#define PRIORITY_MOST 32763u
#define LINE_BYTES 1024

static const enum family families[] = {FAMILY_IPV4, FAMILY_IPV6};

/* ---- others' rules ---- */

/* The tunnel's list has the prefix, or what is around it. */
static bool takes(const struct tunnel_description *tunnel, const struct prefix *prefix)
{
    bool is_taken = false;
    for (size_t p = 0; tunnel->routes_are_default && p < tunnel->peer_count; p++)
        for (size_t a = 0; a < tunnel->peers[p].allowed_ips_count; a++)
            is_taken |= prefix_covers(&tunnel->peers[p].allowed_ips[a], prefix);
    for (size_t r = 0; !tunnel->routes_are_default && r < tunnel->route_count; r++)
        is_taken |= prefix_covers(&tunnel->routes[r], prefix);
    for (size_t e = 0; e < tunnel->route_exception_count; e++)
        is_taken &= !prefix_covers(&tunnel->route_exceptions[e], prefix);
    return is_taken;
}

static bool has_routes(const struct config *config, enum family family)
{
    const struct network_description *network = &config->network;
    bool has_any = false;
    for (size_t i = 0; i < network->tunnel_count; i++) {
        const struct tunnel_description *tunnel = &network->tunnels[i];
        for (size_t p = 0; p < tunnel->peer_count; p++)
            for (size_t a = 0; a < tunnel->peers[p].allowed_ips_count; a++)
                has_any |= tunnel->peers[p].allowed_ips[a].address.family == family;
        for (size_t r = 0; r < tunnel->route_count; r++)
            has_any |= tunnel->routes[r].address.family == family;
    }
    return has_any;
}

/* The routes of a rule's table: those a list of exceptions can leave to it, and whether any is left
 * that it cannot. */
struct table {
    struct prefix prefixes[PREFIXES_SHOWN];
    size_t count; /* may be larger */
    bool has_default;
    bool is_taken; /* a tunnel takes one of them */
};

static void read_table(const struct config *config, const struct foreign_rule *foreign,
                       bool is_both, struct netlink *netlink, struct table *table)
{
    struct kernel_route *routes;
    size_t count;
    *table = (struct table){0};
    if (foreign->rule.table == 0 || foreign->rule.table == KERNEL_ROUTE_TABLE_MAIN ||
        kernel_route_list(netlink, foreign->rule.table, &routes, &count, TEXT_UNHEARD) != 0)
        return;
    for (size_t i = 0; i < count; i++) {
        const struct prefix *prefix = &routes[i].prefix;
        bool is_of_rule = is_both || prefix->address.family == foreign->rule.family;
        bool is_another_hop = i > 0 && prefix_is_equal(&routes[i - 1].prefix, prefix);
        if (routes[i].type != KERNEL_ROUTE_UNICAST || !is_of_rule || is_another_hop)
            continue;
        table->has_default |= prefix->len_bits == 0;
        if (prefix->len_bits == 0)
            continue;
        if (table->count < PREFIXES_SHOWN)
            table->prefixes[table->count] = *prefix;
        table->count++;
        for (size_t t = 0; t < config->network.tunnel_count; t++)
            table->is_taken |= takes(&config->network.tunnels[t], prefix);
    }
    free(routes);
}

static void append_prefixes(struct text *text, const struct table *table, const char *before)
{
    char prefix[PREFIX_TEXT_BYTES];
    for (size_t i = 0; i < table->count && i < PREFIXES_SHOWN; i++)
        text_append(text, "%s%s%s", i ? ", " : "", before,
                    prefix_format(&table->prefixes[i], prefix));
}

/* Below which sections the exception belongs: of all tunnels that would take it. */
static void append_sections(struct text *text, const struct config *config,
                            const struct table *table)
{
    size_t named = 0;
    for (size_t t = 0; t < config->network.tunnel_count; t++) {
        const struct tunnel_description *tunnel = &config->network.tunnels[t];
        bool is_taken = false;
        for (size_t i = 0; i < table->count && i < PREFIXES_SHOWN; i++)
            is_taken |= takes(tunnel, &table->prefixes[i]);
        if (is_taken)
            text_append(text, "%s[Tunnel %s]", named++ ? " and " : "", tunnel->name);
    }
}

/* The rule would go first, but that another network with a /0 stands in front of it. */
static bool is_cut_off(const struct config *config, const struct foreign_rule *foreign)
{
    return !foreign->is_in_front && foreign->rule.priority < config->priority;
}

/* Where it stands is nothing to the firewall: only prefixes open that, beside those that are
 * there. */
static void append_remedy_of_closed(struct text *text, const struct config *config,
                                    const struct table *table, bool has_exception)
{
    char prefix[PREFIX_TEXT_BYTES];
    if (!has_exception) {
        text_append(text, "; the kill switch rejects what it leads past the tunnels");
        return;
    }
    text_append(text, "; to let it decide first, write AllowLAN = %s",
                config->allows_lan ? "on, " : "");
    for (size_t i = 0; i < config->lan_count; i++)
        text_append(text, "%s, ", prefix_format(&config->lan[i], prefix));
    append_prefixes(text, table, "");
    text_append(text, " in [Network]");
}

/* The line to write, so that the rule decides first. */
static void append_remedy(struct text *text, const struct config *config, const struct table *table,
                          uint32_t priority)
{
    bool has_exception = table->is_taken && table->count <= PREFIXES_SHOWN;
    const char *closing = "";
    if (config->has_kill_switch) {
        append_remedy_of_closed(text, config, table, has_exception);
        return;
    }
    if (!has_exception && priority == 0)
        return;
    text_append(text, "; to let it decide first, write ");
    if (config->is_plain) {
        text_append(text, "a file with [Tunnel %s] and Config = this one, and there ",
                    config->network.tunnels[0].name);
    }
    if (has_exception) {
        text_append(text, "Routes = ");
        append_prefixes(text, table, "!");
        text_append(text, " in ");
        append_sections(text, config, table);
        closing = ", or ";
    }
    if (priority)
        text_append(text, "%sPriority = %u in [Network]", closing, priority);
}

static void append_rule(struct text *text, const struct config *config,
                        const struct foreign_rule *foreign, bool is_both, uint32_t priority,
                        struct netlink *netlink)
{
    struct table table;
    read_table(config, foreign, is_both, netlink, &table);
    text_append(text, "%s rule %u of others (%s) stands %s the tunnels'",
                is_both                             ? "IPv4 and IPv6"
                : foreign->rule.family == FAMILY_IPV4 ? "IPv4"
                                                      : "IPv6",
                foreign->rule.priority, foreign->rule.text,
                foreign->is_in_front ? "in front of" : "behind");
    if (table.count || table.has_default) {
        text_append(text, "; its table has %s%s", table.has_default ? "a default route" : "",
                    table.has_default && table.count ? ", " : "");
        append_prefixes(text, &table, "");
        if (table.count > PREFIXES_SHOWN)
            text_append(text, " and %zu more", table.count - PREFIXES_SHOWN);
    }
    if (foreign->is_in_front)
        text_append(text, ": what it decides never reaches them");
    else if (is_cut_off(config, foreign))
        text_append(text,
                    ": another network takes everything in front of it, in spite of this one's "
                    "Priority; to let it decide first, write Priority = %u in that one's [Network] "
                    "too",
                    config->priority);
    else
        append_remedy(text, config, &table, priority);
    text_append(text, "\n");
}

/* Behind all of them, if there is room before main's. */
static uint32_t priority_behind(const struct foreign_rule *rules, size_t count)
{
    uint32_t last = 0;
    for (size_t i = 0; i < count; i++)
        if (!rules[i].is_in_front && rules[i].rule.priority < PRIORITY_MOST &&
            rules[i].rule.priority > last)
            last = rules[i].rule.priority;
    return last + 1;
}

static bool has_alike(const struct foreign_rule *rules, size_t count,
                      const struct foreign_rule *rule)
{
    for (size_t i = 0; i < count; i++)
        if (rules[i].rule.family != rule->rule.family && foreign_rules_are_alike(&rules[i], rule))
            return true;
    return false;
}

static void append_rules(const struct config *config, const struct routing *routing,
                         struct netlink *netlink, struct text *text)
{
    struct foreign_rule *rules;
    size_t count, said = 0, unsaid = 0;
    if (foreign_rules_list(netlink, config->priority, routing ? routing->tables : NULL, &rules,
                           &count, TEXT_UNHEARD) != 0)
        return;
    uint32_t priority = priority_behind(rules, count);
    for (size_t i = 0; i < count; i++) {
        bool is_both = has_alike(rules, count, &rules[i]);
        bool is_second = is_both && rules[i].rule.family == FAMILY_IPV6;
        bool concerns = has_routes(config, rules[i].rule.family) ||
                        (is_both && has_routes(config, FAMILY_IPV6));
        if (is_second || !concerns)
            continue;
        if (said < RULES_SHOWN)
            append_rule(text, config, &rules[i], is_both,
                        rules[i].rule.priority < priority ? priority : 0, netlink);
        said < RULES_SHOWN ? said++ : unsaid++;
    }
    if (unsaid)
        text_append(text, "and %zu more rules of others: see `ip rule`\n", unsaid);
    free(rules);
}

/* ---- a family that nobody takes ---- */

static bool covers_internet(const struct tunnel_description *tunnel, enum family family)
{
    static const struct prefix global = {.address = {.family = FAMILY_IPV6, .bytes = {0x20}},
                                         .len_bits = 3};
    return coverage_is_most(tunnel, family) ||
           (family == FAMILY_IPV6 && takes(tunnel, &global));
}

/* The first tunnel that takes most of the family, or -1. */
static int taker_of(const struct config *config, enum family family)
{
    for (size_t i = 0; i < config->network.tunnel_count; i++)
        if (covers_internet(&config->network.tunnels[i], family))
            return (int)i;
    return -1;
}

/* An address of global scope on another interface, or a default route. */
static bool host_has(const struct config *config, enum family family, struct netlink *netlink,
                     uint32_t mark)
{
    struct ifaddrs *list = NULL;
    bool has_address = false;
    if (getifaddrs(&list) != 0)
        list = NULL;
    for (const struct ifaddrs *at = list; at; at = at->ifa_next) {
        const struct sockaddr *address = at->ifa_addr;
        if (!address || (at->ifa_flags & IFF_LOOPBACK) ||
            strcmp(at->ifa_name, config->interface_name) == 0)
            continue;
        if (address->sa_family == AF_INET && family == FAMILY_IPV4) {
            const uint8_t *bytes =
                (const uint8_t *)&((const struct sockaddr_in *)at->ifa_addr)->sin_addr;
            has_address |= !(bytes[0] == 169 && bytes[1] == 254);
        } else if (address->sa_family == AF_INET6 && family == FAMILY_IPV6) {
            has_address |=
                !IN6_IS_ADDR_LINKLOCAL(&((const struct sockaddr_in6 *)at->ifa_addr)->sin6_addr);
        }
    }
    if (list)
        freeifaddrs(list);
    struct kernel_route_way way;
    return has_address || kernel_route_default(netlink, family, mark, &way, TEXT_UNHEARD) == 0;
}

/* One more line joins those that are there (lists are joined). */
static void append_outside(const struct config *config, int taker, enum family family,
                           struct text *text)
{
    const struct tunnel_description *tunnel = &config->network.tunnels[taker];
    const char *whole = family == FAMILY_IPV4 ? "0.0.0.0/0" : "::/0";
    const struct config_place *place = &config->tunnels[taker].place;
    for (size_t p = 0; p < tunnel->peer_count && tunnel->routes_are_default; p++)
        if (config->tunnels[taker].peers[p].given[KEYWORD_ALLOWED_IPS].file &&
            tunnel->peers[p].allowed_ips_count)
            place = &config->tunnels[taker].peers[p].given[KEYWORD_ALLOWED_IPS];
    text_append(
        text,
        "IPv%d stays outside the tunnels: %s takes most of IPv%d, no tunnel IPv%d, and this "
        "host has both; to close it, write %s = %s as one more line below %s:%u\n",
        family, tunnel->name, family == FAMILY_IPV4 ? 6 : 4, family,
        tunnel->routes_are_default ? "AllowedIPs" : "Routes", whole, place->file ? place->file : "",
        place->line);
}

static void append_families(const struct config *config, struct netlink *netlink, uint32_t mark,
                            struct text *text)
{
    if (config->has_kill_switch) /* which rejects it */
        return;
    for (unsigned f = 0; f < 2; f++) {
        int taker = taker_of(config, families[!f]);
        if (taker >= 0 && taker_of(config, families[f]) < 0 &&
            host_has(config, families[f], netlink, mark))
            append_outside(config, taker, families[f], text);
    }
}

/* ---- a LAN that is none ---- */

static bool has_lan(const struct config *config, struct netlink *netlink, uint32_t mark)
{
    struct guard guard = {.config = config, .netlink = netlink, .mark = mark};
    bool has_any = false;
    guard_find_lan(&guard, NULL, 0);
    for (size_t i = 0; i < guard.on_link_count; i++) {
        const struct prefix *prefix = &guard.on_link[i].prefix;
        has_any |= !address_is_link_local(&prefix->address) &&
                   prefix->len_bits < family_bits(prefix->address.family);
    }
    guard_wipe(&guard);
    return has_any;
}

/* On a link of one address (PPP, or a gateway outside of all prefixes) nothing is a neighbour that
 * could be found. */
static void append_no_lan(const struct config *config, struct netlink *netlink, uint32_t mark,
                          struct text *text)
{
    struct kernel_route_way way;
    char gateway[ADDRESS_TEXT_BYTES] = "PREFIX";
    if (!config->allows_lan || config->lan_count ||
        (kernel_route_default(netlink, FAMILY_IPV4, mark, &way, TEXT_UNHEARD) != 0 &&
         kernel_route_default(netlink, FAMILY_IPV6, mark, &way, TEXT_UNHEARD) != 0) ||
        has_lan(config, netlink, mark))
        return;
    if (way.gateway.family)
        address_format(&way.gateway, gateway);
    text_append(text,
                "AllowLAN = on opens nothing: of %s this host has single addresses and no prefix; "
                "write whom you want to reach there, as AllowLAN = %s\n",
                way.interface_name, gateway);
}

void beside_append(const struct config *config, const struct routing *routing,
                   struct netlink *netlink, struct text *text)
{
    uint32_t mark = routing ? routing->mark : config->mark ? config->mark : NETWORK_MARK;
    append_no_lan(config, netlink, mark, text);
    if (config->table_is_off || config->table)
        return;
    append_rules(config, routing, netlink, text);
    append_families(config, netlink, mark, text);
}

/* ---- while it is up ---- */

static int place_in(const struct beside *beside, const struct foreign_rule *rule)
{
    for (size_t i = 0; i < beside->count; i++)
        if (beside->rules[i].rule.family == rule->rule.family &&
            foreign_rules_are_alike(&beside->rules[i], rule))
            return (int)i;
    return -1;
}

static void tell_new(const struct foreign_rule *rule, struct log_sink log)
{
    char line[LINE_BYTES];
    snprintf(line, sizeof(line),
             "IPv%d rule %u of others (%s) now stands in front of the tunnels': what it decides "
             "never reaches them; remove it, or give it a larger priority",
             rule->rule.family, rule->rule.priority, rule->rule.text);
    log_sink_say(&log, LOG_LEVEL_NOTICE, line);
}

void beside_look(struct beside *beside, const struct routing *routing, struct netlink *netlink,
                 struct log_sink log)
{
    struct beside now = {.has_looked = true};
    size_t count, kept = 0;
    if (routing->mode != ROUTING_AUTO ||
        foreign_rules_list(netlink, routing->priority, routing->tables, &now.rules, &count,
                           TEXT_UNHEARD) != 0)
        return;
    now.are_new = calloc(count + 1, sizeof(*now.are_new));
    for (size_t i = 0; i < count && now.are_new; i++) {
        if (!now.rules[i].is_in_front)
            continue;
        int place = place_in(beside, &now.rules[i]);
        now.are_new[kept] = place < 0 ? beside->has_looked : beside->are_new[place];
        if (place < 0 && beside->has_looked)
            tell_new(&now.rules[i], log);
        now.rules[kept++] = now.rules[i];
    }
    now.count = kept;
    beside_wipe(beside);
    *beside = now;
}

void beside_wipe(struct beside *beside)
{
    free(beside->rules);
    free(beside->are_new);
    *beside = (struct beside){0};
}
