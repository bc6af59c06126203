/* SPDX-License-Identifier: MIT */
#include "host/rule_order.h"

#include "engine/description.h"
#include "host/kernel_route.h"

#define PRIORITY_MAIN 32766u
#define PRIORITY_DEFAULT 32767u

/* A version that had 0xca00 under 0xff00 keeps its own, at priorities of its own. */
bool rule_order_is_hopwires(const struct kernel_rule *rule)
{
    if (rule->protocol == KERNEL_RULE_PROTOCOL_LAN)
        return rule->table != 0;
    return kernel_rule_is_hopwires(rule->protocol) && (rule->table || rule->target) && rule->mask &&
           !(rule->mark == NETWORK_OLD_MARK && rule->mask == NETWORK_OLD_MARK_MASK);
}

enum rule_class rule_order_class(const struct kernel_rule *rule)
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

bool rule_order_is_same(const struct kernel_rule *a, const struct kernel_rule *b)
{
    return a->priority == b->priority && a->table == b->table && a->target == b->target &&
           a->mark == b->mark && a->mask == b->mask && a->is_inverted == b->is_inverted &&
           prefix_is_equal(&a->to, &b->to) && a->least_bits == b->least_bits &&
           a->is_unreachable == b->is_unreachable && a->is_of_host == b->is_of_host &&
           a->protocol == b->protocol;
}

bool rule_order_holds(const struct kernel_rule *rules, size_t count, const struct kernel_rule *rule)
{
    for (size_t i = 0; i < count; i++)
        if (rule_order_is_same(&rules[i], rule))
            return true;
    return false;
}

bool rule_order_is_foreign(const struct kernel_rule *rule)
{
    bool takes_all = !rule->mask && !rule->is_inverted && !rule->is_selective;
    bool is_kernels =
        takes_all && !rule->least_bits &&
        (rule->table == KERNEL_RULE_TABLE_LOCAL ||
         (rule->table == KERNEL_ROUTE_TABLE_MAIN && rule->priority == PRIORITY_MAIN) ||
         (rule->table == KERNEL_RULE_TABLE_DEFAULT && rule->priority == PRIORITY_DEFAULT));
    return !is_kernels && !rule_order_is_hopwires(rule);
}

bool rule_order_gives_way(const struct rule_order *order, const struct kernel_rule *rule)
{
    return rule->priority == order->priority && rule_order_is_foreign(rule) &&
           rule->table != KERNEL_RULE_TABLE_LOCAL && kernel_rule_is_movable(rule);
}

int rule_order_local(const struct kernel_rule *rules, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (rules[i].table == KERNEL_RULE_TABLE_LOCAL && !rules[i].mask && !rules[i].is_inverted &&
            !rules[i].is_selective && !rules[i].least_bits)
            return (int)i;
    return -1;
}

/* By the tables that are ours alone. */
bool rule_order_has_table(const struct rule_order_network *network, const struct kernel_rule *rule)
{
    return rule->table && (rule->table == network->tables[0] || rule->table == network->tables[1]);
}

bool rule_order_is_own(const struct rule_order_network *network, const struct kernel_rule *rule)
{
    return rule->is_inverted || rule->is_unreachable ? rule_order_has_table(network, rule)
                                                     : rule->mark == network->mark;
}

bool rule_order_has_lan(const struct rule_order_network *network, const struct prefix *prefix)
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
    return rule_order_is_foreign(rule) && rule->mask && rule->is_inverted && !rule->is_selective &&
           (mark & rule->mask) != rule->mark && rule->table != KERNEL_ROUTE_TABLE_MAIN;
}

/* It could lead the tunnels' own datagrams elsewhere than main does. */
static bool steers(const struct kernel_rule *rule, uint32_t mark)
{
    bool matches = !rule->mask || ((mark & rule->mask) == rule->mark) != rule->is_inverted;
    bool is_main = rule->table == KERNEL_ROUTE_TABLE_MAIN || rule->table == KERNEL_RULE_TABLE_LOCAL;
    return rule_order_is_foreign(rule) && matches && !is_full_tunnels(rule, mark) && !is_main;
}

/* Where the tunnels' own datagrams leave the list: in front of full tunnels, behind what steers
 * them until there. `ours`: the default, behind our other rules. */
static uint32_t own_place(const struct rule_order *order, uint32_t ours, uint32_t *target)
{
    uint32_t mark = order->network->mark, place = ours, steered = 0;
    bool has_full = false;
    *target = 0;
    for (size_t i = 0; i < order->count; i++) {
        const struct kernel_rule *rule = &order->rules[i];
        if (is_full_tunnels(rule, mark)) {
            bool is_first = !has_full;
            has_full = true;
            *target = 0;
            if (is_first && steered > order->priority && steered < rule->priority)
                place = steered;
            else if (is_first && ours > rule->priority)
                place = order->priority;
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
static uint32_t first_place(const struct rule_order *order, uint32_t *step)
{
    *step = order->network->priority > order->priority;
    return *step ? order->network->priority : order->priority;
}

size_t rule_order_own(const struct rule_order *order, struct kernel_rule rules[RULE_ORDER_OWN_MOST])
{
    const struct rule_order_network *network = order->network;
    size_t count = 0;
    uint32_t step, first = first_place(order, &step);
    bool is_closed = network->is_closed;
    struct kernel_rule rule = {.family = order->family,
                               .priority = first,
                               .table = network->tables[0],
                               .mark = network->mark & network->mask,
                               .mask = network->mask,
                               .is_inverted = true,
                               .protocol = KERNEL_RULE_PROTOCOL};
    rules[count++] = rule;
    if (network->has_default[order->family == FAMILY_IPV6]) {
        rule.priority = first + (is_closed ? step : 2 * step);
        rule.table = network->tables[1];
        rule.protocol = is_closed ? KERNEL_RULE_PROTOCOL_CLOSED : KERNEL_RULE_PROTOCOL;
        rules[count++] = rule;
        if (!is_closed)
            rules[count++] = main_for(&rule, first + step);
    }
    if (network->has_default[order->family == FAMILY_IPV6]) {
        uint32_t target;
        rule = (struct kernel_rule){.family = order->family,
                                    .mark = network->mark,
                                    .mask = UINT32_MAX,
                                    .is_of_host = true,
                                    .protocol = KERNEL_RULE_PROTOCOL};
        rule.priority = own_place(order, first + 2 * step, &target);
        rule.target = target;
        if (target)
            rules[count++] = rule;
        rule.target = 0;
        rule.table = KERNEL_ROUTE_TABLE_MAIN;
        rules[count++] = rule;
    }
    return count;
}

static void want(struct rule_order *order, const struct kernel_rule *rule)
{
    if (!rule_order_holds(order->wanted, order->wanted_count, rule))
        order->wanted[order->wanted_count++] = *rule;
}

/* Main's route to a link's own prefix, or an end of the search, which is `owner`'s. */
static void want_lan(struct rule_order *order, const struct prefix *to, uint32_t priority,
                     uint32_t owner)
{
    struct kernel_rule rule = {.family = order->family,
                               .priority = priority,
                               .to = *to,
                               .table = owner,
                               .is_unreachable = true,
                               .protocol = KERNEL_RULE_PROTOCOL_LAN};
    want(order, &rule);
    rule.table = KERNEL_ROUTE_TABLE_MAIN;
    rule.is_unreachable = false;
    rule.least_bits = to->len_bits;
    want(order, &rule);
}

/* Where another network's rule belongs: behind local, unless its user chose a priority, when its
 * two tables' rules are two apart. */
static uint32_t priority_for(const struct rule_order *order, size_t at)
{
    const struct kernel_rule *rule = &order->rules[at];
    uint32_t twin = 0, twin_table = rule->is_unreachable ? rule->table : rule->table ^ 1;
    bool has_twin = false;
    if ((int)at < order->local || rule->priority <= order->priority)
        return order->priority;
    for (size_t i = 0; i < order->count && !has_twin; i++) {
        has_twin = rule->table && rule_order_is_hopwires(&order->rules[i]) &&
                   order->rules[i].table == twin_table && !order->rules[i].is_unreachable;
        twin = order->rules[i].priority;
    }
    return has_twin && twin == rule->priority ? order->priority : rule->priority;
}

static void want_others(struct rule_order *order, size_t at)
{
    struct kernel_rule rule = order->rules[at];
    rule.priority = priority_for(order, at);
    if (rule.is_unreachable) {
        want_lan(order, &rule.to, rule.priority, rule.table);
        return;
    }
    want(order, &rule);
    if (rule_order_class(&rule) != CLASS_SECOND)
        return;
    rule = main_for(&rule, rule.priority - (rule.priority > order->priority));
    want(order, &rule);
}

/* ---- one order over all priorities ---- */

/* The least priority of a wanted look into main or open /0, and of the classes between `class` and
 * those. */
static uint32_t barrier_of(const struct rule_order *order, enum rule_class behind)
{
    uint32_t least = UINT32_MAX;
    for (size_t i = 0; i < order->wanted_count; i++) {
        const struct kernel_rule *rule = &order->wanted[i];
        enum rule_class class = rule_order_class(rule);
        if (class > behind && class <= CLASS_SECOND && rule->priority < least)
            least = rule->priority;
    }
    return least;
}

static void lift_class(struct rule_order *order, enum rule_class class, uint32_t most)
{
    for (size_t i = 0; i < order->wanted_count; i++)
        if (rule_order_class(&order->wanted[i]) == class && order->wanted[i].priority > most)
            order->wanted[i].priority = most;
}

/* Behind a /0 nothing of the family is asked any more: what has to go before it moves up to it,
 * which takes nothing from others' rules between the two. Links' own prefixes and kill switches
 * first, since longer prefixes go before them too; these a step in front, as their own network's
 * would, so that two tables' rules of one priority stay the sign of a network that follows
 * local. */
static void lift(struct rule_order *order)
{
    lift_class(order, CLASS_LAN, barrier_of(order, CLASS_LAN_END));
    lift_class(order, CLASS_LAN_END, barrier_of(order, CLASS_LAN_END));
    lift_class(order, CLASS_CLOSED, barrier_of(order, CLASS_CLOSED));
    uint32_t barrier = barrier_of(order, CLASS_FIRST);
    lift_class(order, CLASS_FIRST, barrier > order->priority ? barrier - 1 : order->priority);
}

static bool goes_before(const struct kernel_rule *a, const struct kernel_rule *b)
{
    return a->priority < b->priority ||
           (a->priority == b->priority && rule_order_class(a) < rule_order_class(b));
}

/* Equals stay as they are. */
static void sort_wanted(struct rule_order *order)
{
    for (size_t i = 1; i < order->wanted_count; i++) {
        struct kernel_rule rule = order->wanted[i];
        size_t at = i;
        for (; at > 0 && goes_before(&rule, &order->wanted[at - 1]); at--)
            order->wanted[at] = order->wanted[at - 1];
        order->wanted[at] = rule;
    }
}

/* Networks of one class stay in the order in which they came. A rule for main follows from a second
 * table's, or from one that ends the search, so that nobody's stays behind. */
void rule_order_want(struct rule_order *order)
{
    struct kernel_rule own[RULE_ORDER_OWN_MOST];
    size_t own_count = rule_order_own(order, own);
    uint32_t step, lan_place = first_place(order, &step) + step;
    for (size_t i = 0; i < order->count; i++) {
        const struct kernel_rule *rule = &order->rules[i];
        enum rule_class class = rule_order_class(rule);
        if (!rule_order_is_hopwires(rule) || class == CLASS_MAIN || class == CLASS_LAN)
            continue;
        if (class == CLASS_LAN_END && rule_order_is_own(order->network, rule)) {
            if (order->network->keeps_lan || rule_order_has_lan(order->network, &rule->to))
                want_lan(order, &rule->to, lan_place, rule->table);
            continue;
        }
        for (size_t o = 0; o < own_count; o++)
            if (own[o].table == rule->table && own[o].mark == rule->mark &&
                rule_order_class(&own[o]) == class)
                want(order, &own[o]);
        if (!rule_order_is_own(order->network, rule))
            want_others(order, i);
    }
    for (size_t o = 0; o < own_count; o++)
        want(order, &own[o]);
    for (size_t i = 0; i < order->network->lan_count; i++)
        if (order->network->lan[i].address.family == order->family)
            want_lan(order, &order->network->lan[i], lan_place, order->network->tables[0]);
    lift(order);
    sort_wanted(order);
}
