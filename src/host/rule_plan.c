/* SPDX-License-Identifier: MIT */
#include "host/rule_plan.h"

#include "engine/description.h"
#include "host/kernel_route.h"

#define PRIORITY_MAIN 32766u
#define PRIORITY_DEFAULT 32767u

/* A version that had 0xca00 under 0xff00 keeps its own, at priorities of its own. */
bool rule_plan_is_hopwires(const struct kernel_rule *rule)
{
    if (rule->protocol == KERNEL_RULE_PROTOCOL_LAN)
        return rule->table != 0;
    return kernel_rule_is_hopwires(rule->protocol) &&
           (rule->table || rule->target) && rule->mask &&
           !(rule->mark == NETWORK_OLD_MARK && rule->mask == NETWORK_OLD_MARK_MASK);
}

enum rule_class rule_plan_class(const struct kernel_rule *rule)
{
    if (rule->protocol == KERNEL_RULE_PROTOCOL_LAN)
        return rule->is_unreachable ? CLASS_LAN_END : CLASS_LAN;
    if (rule->protocol == KERNEL_RULE_PROTOCOL_CLOSED)
        return CLASS_CLOSED;
    if (!rule->is_inverted)
        return rule->target ? CLASS_PAST : CLASS_OWN;
    if (rule->table == KERNEL_ROUTE_TABLE_MAIN)
        return CLASS_MAIN;
    return rule->table % 2 == 0 ? CLASS_FIRST : CLASS_SECOND;
}

bool rule_plan_is_same(const struct kernel_rule *a, const struct kernel_rule *b)
{
    return a->priority == b->priority && a->table == b->table && a->target == b->target &&
           a->mark == b->mark && a->mask == b->mask && a->is_inverted == b->is_inverted &&
           prefix_is_equal(&a->to, &b->to) && a->least_bits == b->least_bits &&
           a->is_unreachable == b->is_unreachable && a->is_of_host == b->is_of_host &&
           a->protocol == b->protocol;
}

bool rule_plan_holds(const struct kernel_rule *rules, size_t count, const struct kernel_rule *rule)
{
    for (size_t i = 0; i < count; i++)
        if (rule_plan_is_same(&rules[i], rule))
            return true;
    return false;
}

bool rule_plan_is_foreign(const struct kernel_rule *rule)
{
    bool takes_all = !rule->mask && !rule->is_inverted && !rule->is_selective;
    bool is_kernels = takes_all && !rule->least_bits &&
                      (rule->table == KERNEL_RULE_TABLE_LOCAL ||
                       (rule->table == KERNEL_ROUTE_TABLE_MAIN &&
                        rule->priority == PRIORITY_MAIN) ||
                       (rule->table == KERNEL_RULE_TABLE_DEFAULT &&
                        rule->priority == PRIORITY_DEFAULT));
    return !is_kernels && !rule_plan_is_hopwires(rule);
}

bool rule_plan_gives_way(const struct rule_plan *plan, const struct kernel_rule *rule)
{
    return rule->priority == plan->priority && rule_plan_is_foreign(rule) &&
           rule->table != KERNEL_RULE_TABLE_LOCAL && kernel_rule_is_movable(rule);
}

int rule_plan_local(const struct kernel_rule *rules, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (rules[i].table == KERNEL_RULE_TABLE_LOCAL && !rules[i].mask &&
            !rules[i].is_inverted && !rules[i].is_selective && !rules[i].least_bits)
            return (int)i;
    return -1;
}

/* By the tables that are ours alone. */
bool rule_plan_has_table(const struct rule_plan_network *network, const struct kernel_rule *rule)
{
    return rule->table && (rule->table == network->tables[0] || rule->table == network->tables[1]);
}

bool rule_plan_is_own(const struct rule_plan_network *network, const struct kernel_rule *rule)
{
    return rule->is_inverted || rule->is_unreachable ? rule_plan_has_table(network, rule)
                                                     : rule->mark == network->mark;
}

bool rule_plan_has_lan(const struct rule_plan_network *network, const struct prefix *prefix)
{
    for (size_t i = 0; i < network->lan_count; i++)
        if (prefix_is_equal(&network->lan[i], prefix))
            return true;
    return false;
}

/* ---- what should stand ---- */

/* For all that another program has not marked: a full tunnel's, which would lead our own datagrams
 * in a circle. */
static bool is_full_tunnels(const struct kernel_rule *rule, uint32_t mark)
{
    return rule_plan_is_foreign(rule) && rule->mask && rule->is_inverted && !rule->is_selective &&
           (mark & rule->mask) != rule->mark && rule->table != KERNEL_ROUTE_TABLE_MAIN;
}

/* It could lead the tunnels' own datagrams elsewhere than main does. */
static bool steers(const struct kernel_rule *rule, uint32_t mark)
{
    bool matches = !rule->mask || ((mark & rule->mask) == rule->mark) != rule->is_inverted;
    bool is_main =
        rule->table == KERNEL_ROUTE_TABLE_MAIN || rule->table == KERNEL_RULE_TABLE_LOCAL;
    return rule_plan_is_foreign(rule) && matches && !is_full_tunnels(rule, mark) && !is_main;
}

/* Where the tunnels' own datagrams leave the list: in front of full tunnels, behind what steers
 * them until there. `ours`: the default, behind our other rules. */
static uint32_t own_place(const struct rule_plan *plan, uint32_t ours, uint32_t *target)
{
    uint32_t mark = plan->network->mark, place = ours, steered = 0;
    bool has_full = false;
    *target = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const struct kernel_rule *rule = &plan->rules[i];
        if (is_full_tunnels(rule, mark)) {
            bool is_first = !has_full;
            has_full = true;
            *target = 0;
            if (is_first && steered > plan->priority && steered < rule->priority)
                place = steered;
            else if (is_first && ours > rule->priority)
                place = plan->priority;
        } else if (steers(rule, mark)) {
            steered = rule->priority;
            if (!*target && rule->priority > place)
                *target = rule->priority;
        }
    }
    return place;
}

/* The look into main that goes with a second table. */
static struct kernel_rule main_for(const struct kernel_rule *second, uint32_t priority)
{
    struct kernel_rule rule = *second;
    rule.priority = priority;
    rule.table = KERNEL_ROUTE_TABLE_MAIN;
    rule.least_bits = 1;
    return rule;
}

/* Where the network's rules begin; *step is from one kind to the next. */
static uint32_t first_place(const struct rule_plan *plan, uint32_t *step)
{
    *step = plan->network->priority > plan->priority;
    return *step ? plan->network->priority : plan->priority;
}

size_t rule_plan_own(const struct rule_plan *plan, struct kernel_rule rules[RULE_PLAN_OWN_MOST])
{
    const struct rule_plan_network *network = plan->network;
    size_t count = 0;
    uint32_t step, first = first_place(plan, &step);
    bool is_closed = network->is_closed;
    struct kernel_rule rule = {.family = plan->family,
                               .priority = first,
                               .table = network->tables[0],
                               .mark = network->mark & network->mask,
                               .mask = network->mask,
                               .is_inverted = true,
                               .protocol = KERNEL_RULE_PROTOCOL};
    rules[count++] = rule;
    if (network->has_default[plan->family == FAMILY_IPV6]) {
        rule.priority = first + (is_closed ? step : 2 * step);
        rule.table = network->tables[1];
        rule.protocol = is_closed ? KERNEL_RULE_PROTOCOL_CLOSED : KERNEL_RULE_PROTOCOL;
        rules[count++] = rule;
        if (!is_closed)
            rules[count++] = main_for(&rule, first + step);
    }
    if (network->has_default[plan->family == FAMILY_IPV6]) {
        uint32_t target;
        rule = (struct kernel_rule){.family = plan->family,
                                    .mark = network->mark,
                                    .mask = UINT32_MAX,
                                    .is_of_host = true,
                                    .protocol = KERNEL_RULE_PROTOCOL};
        rule.priority = own_place(plan, first + 2 * step, &target);
        rule.target = target;
        if (target)
            rules[count++] = rule;
        rule.target = 0;
        rule.table = KERNEL_ROUTE_TABLE_MAIN;
        rules[count++] = rule;
    }
    return count;
}

static void want(struct rule_plan *plan, const struct kernel_rule *rule)
{
    if (!rule_plan_holds(plan->wanted, plan->wanted_count, rule))
        plan->wanted[plan->wanted_count++] = *rule;
}

/* Main's route to a link's own prefix, or an end of the search, which is `owner`'s. */
static void want_lan(struct rule_plan *plan, const struct prefix *to, uint32_t priority,
                     uint32_t owner)
{
    struct kernel_rule rule = {.family = plan->family,
                               .priority = priority,
                               .to = *to,
                               .table = owner,
                               .is_unreachable = true,
                               .protocol = KERNEL_RULE_PROTOCOL_LAN};
    want(plan, &rule);
    rule.table = KERNEL_ROUTE_TABLE_MAIN;
    rule.is_unreachable = false;
    rule.least_bits = to->len_bits;
    want(plan, &rule);
}

/* Where another network's rule belongs: behind local, unless its user chose a priority, when its
 * two tables' rules are two apart. */
static uint32_t priority_for(const struct rule_plan *plan, size_t at)
{
    const struct kernel_rule *rule = &plan->rules[at];
    uint32_t twin = 0, twin_table = rule->is_unreachable ? rule->table : rule->table ^ 1;
    bool has_twin = false;
    if ((int)at < plan->local || rule->priority <= plan->priority)
        return plan->priority;
    for (size_t i = 0; i < plan->count && !has_twin; i++) {
        has_twin = rule->table && rule_plan_is_hopwires(&plan->rules[i]) &&
                   plan->rules[i].table == twin_table && !plan->rules[i].is_unreachable;
        twin = plan->rules[i].priority;
    }
    return has_twin && twin == rule->priority ? plan->priority : rule->priority;
}

static void want_others(struct rule_plan *plan, size_t at)
{
    struct kernel_rule rule = plan->rules[at];
    rule.priority = priority_for(plan, at);
    if (rule.is_unreachable) {
        want_lan(plan, &rule.to, rule.priority, rule.table);
        return;
    }
    want(plan, &rule);
    if (rule_plan_class(&rule) != CLASS_SECOND)
        return;
    rule = main_for(&rule, rule.priority - (rule.priority > plan->priority));
    want(plan, &rule);
}

/* ---- one order over all priorities ---- */

/* The least priority of a wanted look into main or open /0, and of the classes between `class` and
 * those. */
static uint32_t barrier_of(const struct rule_plan *plan, enum rule_class behind)
{
    uint32_t least = UINT32_MAX;
    for (size_t i = 0; i < plan->wanted_count; i++) {
        const struct kernel_rule *rule = &plan->wanted[i];
        enum rule_class class = rule_plan_class(rule);
        if (class > behind && class <= CLASS_SECOND && rule->priority < least)
            least = rule->priority;
    }
    return least;
}

static void lift_class(struct rule_plan *plan, enum rule_class class, uint32_t most)
{
    for (size_t i = 0; i < plan->wanted_count; i++)
        if (rule_plan_class(&plan->wanted[i]) == class && plan->wanted[i].priority > most)
            plan->wanted[i].priority = most;
}

/* Behind a /0 nothing of the family is asked any more: what has to go before it moves up to it,
 * which takes nothing from others' rules between the two. Links' own prefixes and kill switches
 * first, since longer prefixes go before them too; these a step in front, as their own network's
 * would, so that two tables' rules of one priority stay the sign of a network that follows
 * local. */
static void lift(struct rule_plan *plan)
{
    lift_class(plan, CLASS_LAN, barrier_of(plan, CLASS_LAN_END));
    lift_class(plan, CLASS_LAN_END, barrier_of(plan, CLASS_LAN_END));
    lift_class(plan, CLASS_CLOSED, barrier_of(plan, CLASS_CLOSED));
    uint32_t barrier = barrier_of(plan, CLASS_FIRST);
    lift_class(plan, CLASS_FIRST, barrier > plan->priority ? barrier - 1 : plan->priority);
}

static bool goes_before(const struct kernel_rule *a, const struct kernel_rule *b)
{
    return a->priority < b->priority ||
           (a->priority == b->priority && rule_plan_class(a) < rule_plan_class(b));
}

/* Equals stay as they are. */
static void sort_wanted(struct rule_plan *plan)
{
    for (size_t i = 1; i < plan->wanted_count; i++) {
        struct kernel_rule rule = plan->wanted[i];
        size_t at = i;
        for (; at > 0 && goes_before(&rule, &plan->wanted[at - 1]); at--)
            plan->wanted[at] = plan->wanted[at - 1];
        plan->wanted[at] = rule;
    }
}

/* Networks of one class stay in the order in which they came. A rule for main follows from a second
 * table's, or from one that ends the search, so that nobody's stays behind. */
void rule_plan_want(struct rule_plan *plan)
{
    struct kernel_rule own[RULE_PLAN_OWN_MOST];
    size_t own_count = rule_plan_own(plan, own);
    uint32_t step, lan_place = first_place(plan, &step) + step;
    for (size_t i = 0; i < plan->count; i++) {
        const struct kernel_rule *rule = &plan->rules[i];
        enum rule_class class = rule_plan_class(rule);
        if (!rule_plan_is_hopwires(rule) || class == CLASS_MAIN || class == CLASS_LAN)
            continue;
        if (class == CLASS_LAN_END && rule_plan_is_own(plan->network, rule)) {
            if (plan->network->keeps_lan || rule_plan_has_lan(plan->network, &rule->to))
                want_lan(plan, &rule->to, lan_place, rule->table);
            continue;
        }
        for (size_t o = 0; o < own_count; o++)
            if (own[o].table == rule->table && own[o].mark == rule->mark &&
                rule_plan_class(&own[o]) == class)
                want(plan, &own[o]);
        if (!rule_plan_is_own(plan->network, rule))
            want_others(plan, i);
    }
    for (size_t o = 0; o < own_count; o++)
        want(plan, &own[o]);
    for (size_t i = 0; i < plan->network->lan_count; i++)
        if (plan->network->lan[i].address.family == plan->family)
            want_lan(plan, &plan->network->lan[i], lan_place, plan->network->tables[0]);
    lift(plan);
    sort_wanted(plan);
}
