/* SPDX-License-Identifier: MIT */
#include "host/rule_order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/description.h"
#include "host/kernel_route.h"

#define OWN_RULES_MOST 4
#define PRIORITY_MAIN 32766u
#define PRIORITY_DEFAULT 32767u

/* In the order in which they stand. */
enum class {
    CLASS_FIRST,
    CLASS_CLOSED,
    CLASS_MAIN,
    CLASS_SECOND,
    CLASS_OWN,
    CLASS_COUNT
};

struct order {
    struct netlink *netlink;
    const struct rule_order *network;
    enum family family;
    struct kernel_rule *rules; /* as they stand */
    size_t count;
    int local;         /* place of local's rule, or -1 */
    uint32_t priority; /* behind local */
    struct kernel_rule *wanted; /* all networks', by priority and class; room for all that stand */
    size_t wanted_count;
    struct text *why;
};

/* A version that had 0xca00 under 0xff00 keeps its own, at priorities of its own. */
static bool is_hopwires(const struct kernel_rule *rule)
{
    return kernel_rule_is_hopwires(rule->protocol) &&
           rule->table && rule->mask &&
           !(rule->mark == NETWORK_OLD_MARK && rule->mask == NETWORK_OLD_MARK_MASK);
}

static enum class class_of(const struct kernel_rule *rule)
{
    if (rule->protocol == KERNEL_RULE_PROTOCOL_CLOSED)
        return CLASS_CLOSED;
    if (!rule->is_inverted)
        return CLASS_OWN;
    if (rule->table == KERNEL_ROUTE_TABLE_MAIN)
        return CLASS_MAIN;
    return rule->table % 2 == 0 ? CLASS_FIRST : CLASS_SECOND;
}

static bool is_same(const struct kernel_rule *a, const struct kernel_rule *b)
{
    return a->priority == b->priority && a->table == b->table && a->mark == b->mark &&
           a->mask == b->mask && a->is_inverted == b->is_inverted &&
           a->suppresses_default == b->suppresses_default && a->is_of_host == b->is_of_host &&
           a->protocol == b->protocol;
}

static bool holds(const struct kernel_rule *rules, size_t count, const struct kernel_rule *rule)
{
    for (size_t i = 0; i < count; i++)
        if (is_same(&rules[i], rule))
            return true;
    return false;
}

bool rule_order_is_foreign(const struct kernel_rule *rule)
{
    bool takes_all = !rule->mask && !rule->is_inverted && !rule->is_selective;
    bool is_kernels = takes_all && !rule->suppresses_default &&
                      (rule->table == KERNEL_RULE_TABLE_LOCAL ||
                       (rule->table == KERNEL_ROUTE_TABLE_MAIN &&
                        rule->priority == PRIORITY_MAIN) ||
                       (rule->table == KERNEL_RULE_TABLE_DEFAULT &&
                        rule->priority == PRIORITY_DEFAULT));
    return !is_kernels && !is_hopwires(rule);
}

int rule_order_local(const struct kernel_rule *rules, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (rules[i].table == KERNEL_RULE_TABLE_LOCAL && !rules[i].mask &&
            !rules[i].is_inverted && !rules[i].is_selective && !rules[i].suppresses_default)
            return (int)i;
    return -1;
}

/* By the tables that are ours alone. */
static bool has_our_table(const struct rule_order *network, const struct kernel_rule *rule)
{
    return rule->table && (rule->table == network->tables[0] || rule->table == network->tables[1]);
}

static bool is_own(const struct rule_order *network, const struct kernel_rule *rule)
{
    return class_of(rule) == CLASS_OWN ? rule->mark == network->mark
                                       : has_our_table(network, rule);
}

/* ---- what should stand ---- */

/* It could lead the tunnels' own datagrams elsewhere than main does: not a rule for all that another
 * program has not marked, which would lead them in a circle. */
static bool steers(const struct kernel_rule *rule, uint32_t mark)
{
    bool matches = !rule->mask || ((mark & rule->mask) == rule->mark) != rule->is_inverted;
    bool takes_all_unmarked = rule->mask && rule->is_inverted && !rule->is_selective;
    bool is_main =
        rule->table == KERNEL_ROUTE_TABLE_MAIN || rule->table == KERNEL_RULE_TABLE_LOCAL;
    return rule_order_is_foreign(rule) && matches && !takes_all_unmarked && !is_main;
}

static bool needs_own_rule(const struct order *order)
{
    bool is_needed = order->network->has_default[order->family == FAMILY_IPV6];
    for (size_t i = 0; i < order->count && is_needed; i++)
        is_needed = !steers(&order->rules[i], order->network->mark);
    return is_needed;
}

static size_t own_rules(const struct order *order, struct kernel_rule rules[OWN_RULES_MOST])
{
    const struct rule_order *network = order->network;
    size_t count = 0;
    uint32_t first = order->priority, step = 0;
    if (network->priority > first) {
        first = network->priority;
        step = 1;
    }
    bool is_closed = network->is_closed;
    struct kernel_rule rule = {.family = order->family,
                               .priority = first,
                               .table = network->tables[0],
                               .mark = network->mark & network->mask,
                               .mask = network->mask,
                               .is_inverted = true,
                               .protocol = KERNEL_RULE_PROTOCOL};
    rules[count++] = rule;
    rule.priority = first + (is_closed ? step : 2 * step);
    rule.table = network->tables[1];
    rule.protocol = is_closed ? KERNEL_RULE_PROTOCOL_CLOSED : KERNEL_RULE_PROTOCOL;
    rules[count++] = rule;
    if (!is_closed) {
        rule.priority = first + step;
        rule.table = KERNEL_ROUTE_TABLE_MAIN;
        rule.suppresses_default = true;
        rules[count++] = rule;
    }
    if (needs_own_rule(order))
        rules[count++] = (struct kernel_rule){.family = order->family,
                                              .priority = first + 2 * step,
                                              .table = KERNEL_ROUTE_TABLE_MAIN,
                                              .mark = network->mark,
                                              .mask = UINT32_MAX,
                                              .is_of_host = true,
                                              .protocol = KERNEL_RULE_PROTOCOL};
    return count;
}

static void want(struct order *order, const struct kernel_rule *rule)
{
    if (holds(order->wanted, order->wanted_count, rule))
        return;
    size_t at = order->wanted_count++;
    for (; at > 0 && (order->wanted[at - 1].priority > rule->priority ||
                      (order->wanted[at - 1].priority == rule->priority &&
                       class_of(&order->wanted[at - 1]) > class_of(rule)));
         at--)
        order->wanted[at] = order->wanted[at - 1];
    order->wanted[at] = *rule;
}

/* Where another network's rule belongs: behind local, unless its user chose a priority, when its two
 * tables' rules are two apart. */
static uint32_t priority_for(const struct order *order, size_t at)
{
    const struct kernel_rule *rule = &order->rules[at];
    uint32_t twin = 0;
    bool has_twin = false;
    if ((int)at < order->local || rule->priority <= order->priority)
        return order->priority;
    for (size_t i = 0; i < order->count && !has_twin; i++) {
        has_twin = is_hopwires(&order->rules[i]) && order->rules[i].table == (rule->table ^ 1);
        twin = order->rules[i].priority;
    }
    return has_twin && twin == rule->priority ? order->priority : rule->priority;
}

static void want_others(struct order *order, size_t at)
{
    struct kernel_rule rule = order->rules[at];
    enum class class = class_of(&rule);
    bool is_chosen;
    rule.priority = priority_for(order, at);
    is_chosen = rule.priority > order->priority;
    want(order, &rule);
    if (class != CLASS_SECOND)
        return;
    rule.priority -= is_chosen;
    rule.table = KERNEL_ROUTE_TABLE_MAIN;
    rule.suppresses_default = true;
    want(order, &rule);
}

/* Networks of one class stay in the order in which they came. A rule for main follows from a second
 * table's, so that nobody's stays behind. */
static void want_all(struct order *order)
{
    struct kernel_rule own[OWN_RULES_MOST];
    size_t own_count = own_rules(order, own);
    for (size_t i = 0; i < order->count; i++) {
        const struct kernel_rule *rule = &order->rules[i];
        if (!is_hopwires(rule) || class_of(rule) == CLASS_MAIN)
            continue;
        for (size_t o = 0; o < own_count; o++)
            if (own[o].table == rule->table && own[o].mark == rule->mark &&
                class_of(&own[o]) == class_of(rule))
                want(order, &own[o]);
        if (!is_own(order->network, rule))
            want_others(order, i);
    }
    for (size_t o = 0; o < own_count; o++)
        want(order, &own[o]);
}

/* ---- what stands ---- */

struct run {
    struct kernel_rule *rules;
    size_t count;
};

static int add_rules(struct order *order, const struct kernel_rule *rules, size_t count)
{
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++)
        result = kernel_rule_add(order->netlink, &rules[i], false, order->why);
    return result;
}

/* The last first: at no time is a second table asked before its network's first. */
static int remove_rules(struct order *order, const struct kernel_rule *rules, size_t count)
{
    int result = 0;
    for (size_t i = count; i-- > 0 && result == 0;)
        result = kernel_rule_remove(order->netlink, &rules[i], order->why);
    return result;
}

static bool are_same(const struct kernel_rule *a, const struct kernel_rule *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!is_same(&a[i], &b[i]))
            return false;
    return true;
}

/* Makes `run`, which is all that stands of ours at its priority, be `wanted`: the rest is added
 * behind, then what it replaces is taken away. */
static int replace_all(struct order *order, const struct run *run, const struct run *wanted)
{
    size_t same = 0, kept;
    while (same < run->count && same < wanted->count &&
           is_same(&run->rules[same], &wanted->rules[same]))
        same++;
    kept = same;
    /* The kernel removes the first of a content: that must not be one that is to stay. */
    for (size_t i = same; i < run->count; i++)
        if (holds(wanted->rules, same, &run->rules[i]))
            kept = 0;
    int result = add_rules(order, wanted->rules + kept, wanted->count - kept);
    return result ? result : remove_rules(order, run->rules + kept, run->count - kept);
}

/* The same where `behind` stands behind others' rules and `front` in front of them, which is to stay
 * and of whose content nothing can be removed: then what is wanted is what stands last. */
static int replace_behind(struct order *order, const struct run *front, const struct run *behind,
                          const struct run *wanted)
{
    size_t older = behind->count - (wanted->count < behind->count ? wanted->count : behind->count);
    bool is_right = behind->count >= wanted->count &&
                    are_same(behind->rules + older, wanted->rules, wanted->count);
    int result = is_right ? 0 : add_rules(order, wanted->rules, wanted->count);
    for (size_t i = is_right ? older : behind->count; i-- > 0 && result == 0;)
        if (!holds(front->rules, front->count, &behind->rules[i]))
            result = kernel_rule_remove(order->netlink, &behind->rules[i], order->why);
    return result;
}

static bool is_for_us(const struct order *order, const struct kernel_rule *rule)
{
    bool is_our_main = class_of(rule) == CLASS_MAIN && !order->network->is_closed &&
                       rule->mask == order->network->mask &&
                       rule->mark == (order->network->mark & order->network->mask);
    return is_our_main || is_own(order->network, rule);
}

static bool stands_in_order(const struct order *order, const struct run *standing, uint32_t priority)
{
    size_t at = 0;
    for (size_t w = 0; w < order->wanted_count; w++) {
        const struct kernel_rule *rule = &order->wanted[w];
        if (rule->priority != priority || !is_for_us(order, rule))
            continue;
        while (at < standing->count && !is_same(&standing->rules[at], rule))
            at++;
        if (at == standing->count)
            return false;
    }
    return true;
}

/* Ours of one priority that stand behind local; in `room`, for all and all wanted. */
static int arrange_priority(struct order *order, uint32_t priority, struct kernel_rule *room)
{
    struct run all = {.rules = room}, front = {.rules = room}, wanted = {.rules = room};
    for (size_t i = 0; i < order->count; i++) {
        const struct kernel_rule *rule = &order->rules[i];
        if (rule->priority != priority || (int)i < order->local)
            continue;
        if (is_hopwires(rule))
            all.rules[all.count++] = *rule;
        else
            front.count = all.count;
    }
    struct run behind = {all.rules + front.count, all.count - front.count};
    bool is_missing = front.count && !stands_in_order(order, &all, priority);
    wanted.rules = room + all.count;
    for (size_t w = 0; w < order->wanted_count; w++) {
        const struct kernel_rule *rule = &order->wanted[w];
        if (rule->priority == priority &&
            (front.count == 0 || (is_missing && is_for_us(order, rule)) ||
             holds(behind.rules, behind.count, rule)))
            wanted.rules[wanted.count++] = *rule;
    }
    return front.count ? replace_behind(order, &front, &behind, &wanted)
                       : replace_all(order, &all, &wanted);
}

/* Those in front of local, and at priorities where none is wanted any more. */
static int remove_misplaced(struct order *order)
{
    int result = 0;
    for (size_t i = order->count; i-- > 0 && result == 0;) {
        const struct kernel_rule *rule = &order->rules[i];
        bool is_wanted_there = false;
        for (size_t w = 0; w < order->wanted_count; w++)
            is_wanted_there |= order->wanted[w].priority == rule->priority;
        if (is_hopwires(rule) && ((int)i < order->local || !is_wanted_there))
            result = kernel_rule_remove(order->netlink, rule, order->why);
    }
    return result;
}

static int arrange(struct order *order)
{
    size_t room = 2 * (order->count + OWN_RULES_MOST);
    order->wanted = calloc(room, sizeof(*order->wanted)); /* a main's beside each second's */
    struct kernel_rule *runs = calloc(room + order->count, sizeof(*runs));
    int result = order->wanted && runs ? 0 : -ENOMEM;
    if (result == 0)
        want_all(order);
    for (size_t w = 0; w < order->wanted_count && result == 0; w++)
        if (w == 0 || order->wanted[w].priority != order->wanted[w - 1].priority)
            result = arrange_priority(order, order->wanted[w].priority, runs);
    if (result == 0)
        result = remove_misplaced(order);
    free(runs);
    free(order->wanted);
    return result;
}

/* ---- doors ---- */

static int order_read(struct order *order, struct netlink *netlink, const struct rule_order *network,
                      enum family family, struct text *why)
{
    *order = (struct order){
        .netlink = netlink, .network = network, .family = family, .why = why};
    int result = kernel_rule_list(netlink, family, &order->rules, &order->count, why);
    if (result != 0)
        return result;
    order->local = rule_order_local(order->rules, order->count);
    for (size_t i = 0; i < order->count && order->local < 0; i++)
        if (is_hopwires(&order->rules[i]) && is_own(network, &order->rules[i])) {
            order->priority = order->rules[i].priority;
            break;
        }
    if (order->local >= 0)
        order->priority = order->rules[order->local].priority;
    return 0;
}

static int keep_family(struct netlink *netlink, const struct rule_order *network, enum family family,
                       struct text *why)
{
    struct order order;
    int result = order_read(&order, netlink, network, family, why);
    if (result == 0)
        result = arrange(&order);
    free(order.rules);
    return result;
}

int rule_order_keep(struct netlink *netlink, const struct rule_order *network, struct text *why)
{
    int result = keep_family(netlink, network, FAMILY_IPV4, why);
    if (result == 0 && network->has_ipv6)
        result = keep_family(netlink, network, FAMILY_IPV6, why);
    return result;
}

int rule_order_claim(struct netlink *netlink, const struct rule_order *network, struct text *why)
{
    struct order order;
    struct kernel_rule own[OWN_RULES_MOST];
    int result = order_read(&order, netlink, network, FAMILY_IPV4, why);
    for (size_t i = 0; i < order.count && result == 0; i++)
        if (has_our_table(network, &order.rules[i]))
            result = -EEXIST;
    if (result == 0) {
        own_rules(&order, own);
        result = kernel_rule_add(netlink, &own[0], true, why);
    }
    free(order.rules);
    return result;
}

/* A rule for main is somebody's if a second table that it stands for comes behind it, and no other
 * such rule between. */
static bool is_needed(const struct order *order, size_t at)
{
    const struct kernel_rule *main = &order->rules[at];
    for (size_t i = at + 1; i < order->count; i++) {
        const struct kernel_rule *rule = &order->rules[i];
        if (rule->mark != main->mark || rule->mask != main->mask || !rule->is_inverted ||
            rule->protocol != KERNEL_RULE_PROTOCOL || has_our_table(order->network, rule))
            continue;
        if (rule->table == KERNEL_ROUTE_TABLE_MAIN)
            return false;
        if (rule->table % 2)
            return true;
    }
    return false;
}

static bool is_to_go(const struct order *order, size_t at)
{
    const struct rule_order *network = order->network;
    const struct kernel_rule *rule = &order->rules[at];
    bool is_of_mark = rule->mask == network->mask && rule->mark == (network->mark & network->mask);
    if (!kernel_rule_is_hopwires(rule->protocol) || !rule->mask)
        return false;
    if (!rule->is_inverted)
        return rule->mark == network->mark && rule->mask == UINT32_MAX;
    if (rule->table == KERNEL_ROUTE_TABLE_MAIN)
        return is_of_mark && !is_needed(order, at);
    return has_our_table(network, rule);
}

static int remove_family(struct netlink *netlink, const struct rule_order *network, enum family family,
                         struct text *why)
{
    struct order order;
    int result = order_read(&order, netlink, network, family, why);
    for (size_t i = order.count; i-- > 0 && result == 0;)
        if (is_to_go(&order, i))
            result = kernel_rule_remove(netlink, &order.rules[i], why);
    free(order.rules);
    return result;
}

int rule_order_remove(struct netlink *netlink, const struct rule_order *network, struct text *why)
{
    char unheard[256];
    struct text silent;
    text_init(&silent, unheard, sizeof(unheard));
    int first = remove_family(netlink, network, FAMILY_IPV4, why);
    int second = remove_family(netlink, network, FAMILY_IPV6, first ? &silent : why);
    return first ? first : second;
}
