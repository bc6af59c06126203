/* SPDX-License-Identifier: MIT */
/* Networks on a host in a namespace of its own, for the tests of the order of their rules. */
#ifndef TESTS_RIGS_NETWORKS_H
#define TESTS_RIGS_NETWORKS_H

#include <stdio.h>
#include <stdlib.h>

#include "host/rule_keeping.h"
#include "rigs/host.h"

#define RULES_BYTES 4096

/* Networks of one host, all through its one interface: only their rules count here. */
#define NETWORKS_MOST 3

struct networks {
    struct host host;
    struct routing routing[NETWORKS_MOST];
    size_t count;
    char rules[RULES_BYTES];
    char *before;
    char dump[DUMP_BYTES], after[DUMP_BYTES];
};

static inline void networks_run(struct networks *networks, const char *command)
{
    CHECK_TEXT(own_netns_run(networks->rules, sizeof(networks->rules), command), "");
}

static inline bool networks_open(struct networks *networks)
{
    networks->count = 0;
    if (!host_open(&networks->host))
        return false;
    own_netns_run(networks->dump, sizeof(networks->dump), DUMP);
    return true;
}

static inline void networks_add(struct networks *networks, uint32_t priority, bool has_kill_switch,
                                const char *const prefixes[2])
{
    struct host *host = &networks->host;
    struct routing *routing = &networks->routing[networks->count++];
    struct routing_choice choice = {
        .interface_name = "hop0", .interface_index = host->tun_index, .priority = priority};
    struct routing_entry entries[2];
    size_t count = 0;
    for (; count < 2 && prefixes[count]; count++)
        entries[count] = host_entry(prefixes[count], ROUTING_TUNNEL);
    CHECK_EQUAL(routing_choose(&host->netlink, &choice, routing, &host->why), 0);
    routing->has_kill_switch = has_kill_switch;
    CHECK_EQUAL(routing_lay(&host->netlink, routing, entries, count, &host->why), 0);
}

static const char *const networks_split[2] = {"10.20.0.0/16", "fd20::/48"};
static const char *const networks_whole[2] = {"0.0.0.0/0", "::/0"};

/* A daemon puts its rules in order after an event, and leaves those of links' own prefixes. */
static inline void keep_one(struct networks *networks, size_t i)
{
    const struct routing *routing = &networks->routing[i];
    const struct rule_order_network order = {
        .mark = routing->mark,
        .mask = routing->mask,
        .tables = {routing->tables[0], routing->tables[1]},
        .priority = routing->priority,
        .is_closed = routing->has_kill_switch,
        .has_default = {routing->has_default[0], routing->has_default[1]},
        .has_ipv6 = routing->ipv6 != SYSCTL_IPV6_ABSENT,
        .keeps_lan = true,
    };
    CHECK_EQUAL(rule_keeping_keep(&networks->host.netlink, &order, &networks->host.why), 0);
}

/* Each in turn. */
static inline void networks_keep(struct networks *networks)
{
    for (size_t i = 0; i < networks->count; i++)
        keep_one(networks, i);
}

/* "PRIORITY:WHAT …" of one family: L local, A1 the first network's first table, b2 a second table
 * under a kill switch, l main for a link's own prefix and x its end, m main for the tunnels, o the
 * tunnels' own, g5 past all before 5, M main, D default, else the table. */
static inline const char *networks_order_of(struct networks *networks, const char *family)
{
    char command[64];
    char *to = networks->rules;
    static char output[RULES_BYTES], *rest;
    snprintf(command, sizeof(command), "ip -%s rule", family);
    own_netns_run(output, sizeof(output), command);
    *to = '\0';
    for (char *line = strtok_r(output, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        bool is_end = strstr(line, "unreachable") != NULL;
        const char *lookup = is_end ? NULL : strstr(line, "lookup ");
        const char *table = lookup ? lookup + 7 : "?";
        unsigned number = (unsigned)atoi(table), place = number - ROUTING_TABLE_FIRST;
        bool is_ours = strstr(line, "proto 20") != NULL;
        to += sprintf(to, "%s%d:", to == networks->rules ? "" : " ", atoi(line));
        if (number >= ROUTING_TABLE_FIRST && place < 2 * NETWORKS_MOST)
            to += sprintf(to, "%c%u", (strstr(line, "proto 203") ? 'a' : 'A') + (char)(place / 2),
                          1 + place % 2);
        else if (strstr(line, " goto "))
            to += sprintf(to, "%s%d", is_ours ? "g" : "goto", atoi(strstr(line, " goto ") + 6));
        else if (strncmp(table, "main", 4) == 0)
            to += sprintf(to, "%s",
                          !is_ours                   ? "M"
                          : strstr(line, "not from") ? "m"
                          : strstr(line, " to ")     ? "l"
                                                     : "o");
        else
            to += sprintf(to, "%s",
                          is_ours && is_end                 ? "x"
                          : strncmp(table, "local", 5) == 0 ? "L"
                          : strncmp(table, "default", 7) == 0
                              ? "D"
                              : strtok(lookup ? (char *)lookup + 7 : line, " "));
    }
    return networks->rules;
}

static inline void networks_expect(struct networks *networks, const char *order)
{
    char ipv6[256];
    CHECK_TEXT(networks_order_of(networks, "4"), order);
    snprintf(ipv6, sizeof(ipv6), "%s", order);
    ipv6[strlen(ipv6) - strlen(" 32767:D")] = '\0'; /* which IPv6 does not have */
    CHECK_TEXT(networks_order_of(networks, "6"), ipv6);
}

static inline void networks_close(struct networks *networks)
{
    struct host *host = &networks->host;
    for (size_t i = 0; i < networks->count; i++)
        CHECK_EQUAL(routing_undo(&host->netlink, &networks->routing[i], &host->why), 0);
    if (host->tun >= 0)
        CHECK_TEXT(own_netns_run(networks->after, sizeof(networks->after), DUMP), networks->dump);
    host_close(host);
}

#define TAIL " 32766:M 32767:D"

#endif
