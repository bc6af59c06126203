/* SPDX-License-Identifier: MIT */
/* Which rules should stand, of all networks, in one family: rule_keeping.h's order as a list. */
#ifndef HOST_RULE_PLAN_H
#define HOST_RULE_PLAN_H

#include "host/kernel_rule.h"

#define RULE_PLAN_OWN_MOST 5

/* One network. */
struct rule_plan_network {
    uint32_t mark, mask; /* struct routing's, as are the next two */
    uint32_t tables[2];
    uint32_t priority;
    bool is_closed;      /* a kill switch: main is not asked */
    bool has_default[2]; /* of IPv4, of IPv6 */
    bool has_ipv6;       /* false: its rules are IPv4's alone */
    const struct prefix *lan; /* links' own prefixes that a table of this network covers */
    size_t lan_count;
    bool keeps_lan; /* of those before it what stands stays: a `throw` may still need it */
};

/* In the order in which they stand. */
enum rule_class {
    CLASS_FIRST,
    CLASS_CLOSED,
    CLASS_LAN,
    CLASS_LAN_END,
    CLASS_MAIN,
    CLASS_SECOND,
    CLASS_PAST,
    CLASS_OWN
};

struct rule_plan {
    const struct rule_plan_network *network;
    enum family family;
    struct kernel_rule *rules; /* as they stand */
    size_t count;
    int local;         /* place of local's rule, or -1 */
    uint32_t priority; /* behind local */
    struct kernel_rule *wanted; /* all networks', by priority and class */
    size_t wanted_count;
};

/* Fills `wanted`, which has room for RULE_PLAN_ROOM rules: a main's beside each second table's and
 * each end of a search. */
#define RULE_PLAN_ROOM(count, lan_count) (2 * ((count) + RULE_PLAN_OWN_MOST + (lan_count)))
void rule_plan_want(struct rule_plan *plan);
/* The network's own alone but for the LAN's, its first table's first; how many. */
size_t rule_plan_own(const struct rule_plan *plan, struct kernel_rule rules[RULE_PLAN_OWN_MOST]);

bool rule_plan_is_hopwires(const struct kernel_rule *rule);
/* Of one of Hopwire's. */
enum rule_class rule_plan_class(const struct kernel_rule *rule);
bool rule_plan_is_own(const struct rule_plan_network *network, const struct kernel_rule *rule);
bool rule_plan_has_table(const struct rule_plan_network *network, const struct kernel_rule *rule);
bool rule_plan_has_lan(const struct rule_plan_network *network, const struct prefix *prefix);
bool rule_plan_is_same(const struct kernel_rule *a, const struct kernel_rule *b);
bool rule_plan_holds(const struct kernel_rule *rules, size_t count, const struct kernel_rule *rule);

/* A rule that no network of this generation made, nor the kernel. */
bool rule_plan_is_foreign(const struct kernel_rule *rule);
/* At local's own priority (`plan->priority`) ours stand first, whoever came first: what others have
 * there goes behind them in the end. */
bool rule_plan_gives_way(const struct rule_plan *plan, const struct kernel_rule *rule);
/* Of one family's rules: the place of the first that looks up local for everything, or -1. */
int rule_plan_local(const struct kernel_rule *rules, size_t count);

#endif
