/* SPDX-License-Identifier: MIT */
#include "host/rule_keeping.h"

#include <errno.h>
#include <stdlib.h>

#include "host/kernel_route.h"

struct keeping {
    struct netlink *netlink;
    struct rule_order order;
    bool *goes; /* for each that stands */
    struct text *why;
};

/* ---- what stands ---- */

/* Some of the rules that stand, and where in the list each is. */
struct run {
    struct kernel_rule *rules;
    size_t *at;
    size_t count;
    bool has_others_behind; /* such as give way */
    bool is_split;          /* the same, and more of ours behind those */
};

static int add_rules(struct keeping *keeping, const struct kernel_rule *rules, size_t count)
{
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++)
        result = kernel_rule_add(keeping->netlink, &rules[i], false, keeping->why);
    return result;
}

static bool are_same(const struct kernel_rule *a, const struct kernel_rule *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!rule_order_is_same(&a[i], &b[i]))
            return false;
    return true;
}

/* Makes `run`, which is all that stands of ours at its priority, be `wanted`: the rest is added
 * behind, and what it replaces goes. */
static int replace_all(struct keeping *keeping, const struct run *run,
                       const struct kernel_rule *wanted, size_t wanted_count)
{
    size_t same = 0, kept;
    while (same < run->count && same < wanted_count &&
           rule_order_is_same(&run->rules[same], &wanted[same]))
        same++;
    bool is_right = same == run->count && same == wanted_count;
    if (run->is_split || (run->has_others_behind && !is_right))
        same = 0; /* all anew, so that in front of others nothing is like them */
    kept = same;
    /* The kernel removes the first of a content: that must not be one that is to stay. */
    for (size_t i = same; i < run->count; i++)
        if (rule_order_holds(wanted, same, &run->rules[i]))
            kept = 0;
    for (size_t i = kept; i < run->count; i++)
        keeping->goes[run->at[i]] = true;
    return add_rules(keeping, wanted + kept, wanted_count - kept);
}

/* The same where `behind` stands behind others' rules and `front` in front of them, which is to
 * stay and of whose content nothing can be removed: then what is wanted is what stands last. */
static int replace_behind(struct keeping *keeping, const struct run *front,
                          const struct run *behind, const struct kernel_rule *wanted,
                          size_t wanted_count)
{
    size_t older = behind->count - (wanted_count < behind->count ? wanted_count : behind->count);
    bool is_right =
        behind->count >= wanted_count && are_same(behind->rules + older, wanted, wanted_count);
    for (size_t i = 0; i < (is_right ? older : behind->count); i++)
        if (!rule_order_holds(front->rules, front->count, &behind->rules[i]))
            keeping->goes[behind->at[i]] = true;
    return is_right ? 0 : add_rules(keeping, wanted, wanted_count);
}

static bool is_for_us(const struct keeping *keeping, const struct kernel_rule *rule)
{
    bool is_our_main = rule_order_class(rule) == CLASS_MAIN && !keeping->order.network->is_closed &&
                       keeping->order.network->has_default[keeping->order.family == FAMILY_IPV6] &&
                       rule->mask == keeping->order.network->mask &&
                       rule->mark == (keeping->order.network->mark & keeping->order.network->mask);
    bool is_our_lan = rule_order_class(rule) == CLASS_LAN &&
                      rule_order_has_lan(keeping->order.network, &rule->to);
    return is_our_main || is_our_lan || rule_order_is_own(keeping->order.network, rule);
}

static bool stands_in_order(const struct keeping *keeping, const struct run *standing,
                            uint32_t priority)
{
    size_t at = 0;
    for (size_t w = 0; w < keeping->order.wanted_count; w++) {
        const struct kernel_rule *rule = &keeping->order.wanted[w];
        if (rule->priority != priority || !is_for_us(keeping, rule) ||
            rule_order_class(rule) == CLASS_PAST) /* behind others' it would come too late */
            continue;
        while (at < standing->count && !rule_order_is_same(&standing->rules[at], rule))
            at++;
        if (at == standing->count)
            return false;
    }
    return true;
}

/* What arrange needs to think, for all that stand and all wanted. */
struct room {
    struct kernel_rule *standing, *wanted;
    size_t *at;
};

/* Ours of one priority that stand behind local. */
static int arrange_priority(struct keeping *keeping, uint32_t priority, struct room *room)
{
    struct run all = {.rules = room->standing, .at = room->at}, front = all;
    size_t wanted_count = 0;
    for (size_t i = 0; i < keeping->order.count; i++) {
        const struct kernel_rule *rule = &keeping->order.rules[i];
        if (rule->priority != priority || (int)i < keeping->order.local)
            continue;
        if (!rule_order_is_hopwires(rule)) {
            if (rule_order_gives_way(&keeping->order, rule))
                all.has_others_behind |= all.count > 0;
            else
                front.count = all.count;
            continue;
        }
        all.is_split |= all.has_others_behind;
        all.at[all.count] = i;
        all.rules[all.count++] = *rule;
    }
    struct run behind = {.rules = all.rules + front.count,
                         .at = all.at + front.count,
                         .count = all.count - front.count};
    bool is_missing = front.count && !stands_in_order(keeping, &all, priority);
    for (size_t w = 0; w < keeping->order.wanted_count; w++) {
        const struct kernel_rule *rule = &keeping->order.wanted[w];
        if (rule->priority == priority &&
            (front.count == 0 || (is_missing && is_for_us(keeping, rule)) ||
             rule_order_holds(behind.rules, behind.count, rule)))
            room->wanted[wanted_count++] = *rule;
    }
    return front.count ? replace_behind(keeping, &front, &behind, room->wanted, wanted_count)
                       : replace_all(keeping, &all, room->wanted, wanted_count);
}

/* Those in front of local, and at priorities where none is wanted any more. */
static void note_misplaced(struct keeping *keeping)
{
    for (size_t i = 0; i < keeping->order.count; i++) {
        const struct kernel_rule *rule = &keeping->order.rules[i];
        bool is_wanted_there = false;
        for (size_t w = 0; w < keeping->order.wanted_count; w++)
            is_wanted_there |= keeping->order.wanted[w].priority == rule->priority;
        if (rule_order_is_hopwires(rule) && ((int)i < keeping->order.local || !is_wanted_there))
            keeping->goes[i] = true;
    }
}

/* The last first: at no time is a second table asked before its network's first. */
static int remove_what_goes(struct keeping *keeping)
{
    int result = 0;
    for (size_t i = keeping->order.count; i-- > 0 && result == 0;)
        if (keeping->goes[i])
            result = kernel_rule_remove(keeping->netlink, &keeping->order.rules[i], keeping->why);
    return result;
}

static int arrange(struct keeping *keeping)
{
    struct rule_order *order = &keeping->order;
    size_t most = RULE_ORDER_ROOM(order->count, order->network->lan_count);
    order->wanted = calloc(most, sizeof(*order->wanted));
    keeping->goes = calloc(order->count + 1, sizeof(*keeping->goes));
    struct room room = {calloc(order->count + 1, sizeof(*room.standing)),
                        calloc(most, sizeof(*room.wanted)),
                        calloc(order->count + 1, sizeof(*room.at))};
    bool has_room = order->wanted && keeping->goes && room.standing && room.wanted && room.at;
    int result = has_room ? 0 : -ENOMEM;
    if (has_room)
        rule_order_want(order);
    for (size_t w = 0; w < order->wanted_count && result == 0; w++)
        if (w == 0 || order->wanted[w].priority != order->wanted[w - 1].priority)
            result = arrange_priority(keeping, order->wanted[w].priority, &room);
    if (result == 0) {
        note_misplaced(keeping);
        result = remove_what_goes(keeping);
    }
    free(room.standing);
    free(room.wanted);
    free(room.at);
    free(keeping->goes);
    free(order->wanted);
    return result;
}

/* Something in front of it is like it, as far as the kernel looks when it removes a rule. */
static bool has_double(const struct keeping *keeping, size_t at)
{
    const struct kernel_rule *rules = keeping->order.rules;
    for (size_t i = 0; i < at; i++)
        if (rules[i].priority == rules[at].priority && rules[i].table == rules[at].table &&
            !rule_order_gives_way(&keeping->order, &rules[i]))
            return true;
    return false;
}

/* The first first, so that none like it is left in front of the next. */
static int pass_others(struct keeping *keeping)
{
    int result = 0;
    size_t last = 0;
    for (size_t i = 0; i < keeping->order.count; i++)
        if (rule_order_is_hopwires(&keeping->order.rules[i]) &&
            keeping->order.rules[i].priority == keeping->order.priority)
            last = i;
    for (size_t i = 0; i < last && result == 0; i++) {
        const struct kernel_rule *rule = &keeping->order.rules[i];
        if ((int)i > keeping->order.local && rule_order_gives_way(&keeping->order, rule) &&
            !has_double(keeping, i))
            result = kernel_rule_move_last(keeping->netlink, rule, keeping->why);
    }
    return result;
}

/* ---- doors ---- */

static int read_rules(struct keeping *keeping, struct netlink *netlink,
                      const struct rule_order_network *network, enum family family,
                      struct text *why)
{
    *keeping = (struct keeping){
        .netlink = netlink, .order = {.network = network, .family = family}, .why = why};
    int result =
        kernel_rule_list(netlink, family, &keeping->order.rules, &keeping->order.count, why);
    if (result != 0)
        return result;
    keeping->order.local = rule_order_local(keeping->order.rules, keeping->order.count);
    for (size_t i = 0; i < keeping->order.count && keeping->order.local < 0; i++) {
        const struct kernel_rule *rule = &keeping->order.rules[i];
        if (rule_order_is_hopwires(rule) && rule_order_is_own(network, rule)) {
            keeping->order.priority = rule->priority;
            break;
        }
    }
    if (keeping->order.local >= 0)
        keeping->order.priority = keeping->order.rules[keeping->order.local].priority;
    return 0;
}

static int keep_family(struct netlink *netlink, const struct rule_order_network *network,
                       enum family family, struct text *why)
{
    struct keeping keeping;
    int result = read_rules(&keeping, netlink, network, family, why);
    if (result == 0)
        result = arrange(&keeping);
    free(keeping.order.rules);
    keeping.order.rules = NULL;
    if (result == 0)
        result = read_rules(&keeping, netlink, network, family, why);
    if (result == 0)
        result = pass_others(&keeping);
    free(keeping.order.rules);
    return result;
}

int rule_keeping_keep(struct netlink *netlink, const struct rule_order_network *network,
                      struct text *why)
{
    int result = keep_family(netlink, network, FAMILY_IPV4, why);
    if (result == 0 && network->has_ipv6)
        result = keep_family(netlink, network, FAMILY_IPV6, why);
    return result;
}

int rule_keeping_claim(struct netlink *netlink, const struct rule_order_network *network,
                       struct text *why)
{
    struct keeping keeping;
    struct kernel_rule own[RULE_ORDER_OWN_MOST];
    int result = read_rules(&keeping, netlink, network, FAMILY_IPV4, why);
    for (size_t i = 0; i < keeping.order.count && result == 0; i++)
        if (rule_order_has_table(network, &keeping.order.rules[i]))
            result = -EEXIST;
    if (result == 0) {
        rule_order_own(&keeping.order, own);
        result = kernel_rule_add(netlink, &own[0], true, why);
    }
    free(keeping.order.rules);
    return result;
}

static bool takes_all(const struct rule_order_network *network, const struct kernel_rule *rule)
{
    return rule_order_is_hopwires(rule) && !rule_order_is_own(network, rule) &&
           rule_order_class(rule) >= CLASS_CLOSED && rule_order_class(rule) <= CLASS_SECOND;
}

static int refuse_behind(const struct kernel_rule *between, struct text *why)
{
    text_append(why,
                "IPv%d rule %u of others (%s) leaves no room for this network's rules in front of "
                "another's that takes everything, which would take its traffic: start this one "
                "first, then the program of that rule",
                between->family, between->priority, between->text);
    return -EBUSY;
}

/* Of what stands: another network's look into main, or its /0, in front of this one's longer
 * prefixes. */
static int look_at_family(struct netlink *netlink, const struct rule_order_network *network,
                          enum family family, struct text *why)
{
    struct keeping keeping;
    const struct kernel_rule *between = NULL;
    bool is_cut_off = false, is_found = false;
    int result = read_rules(&keeping, netlink, network, family, why);
    for (size_t i = 0; i < keeping.order.count && result == 0 && !is_found; i++) {
        const struct kernel_rule *rule = &keeping.order.rules[i];
        is_found = rule->table == network->tables[0] && kernel_rule_is_hopwires(rule->protocol);
        if (rule_order_is_foreign(rule))
            between = rule;
        is_cut_off |= takes_all(network, rule);
    }
    if (result == 0 && is_cut_off && between)
        result = refuse_behind(between, why);
    free(keeping.order.rules);
    return result;
}

static uint32_t wanted_place(struct keeping *keeping)
{
    struct rule_order *order = &keeping->order;
    uint32_t place = order->priority;
    size_t most = RULE_ORDER_ROOM(order->count, order->network->lan_count);
    order->wanted = calloc(most, sizeof(*order->wanted));
    if (order->wanted)
        rule_order_want(order);
    for (size_t w = 0; w < order->wanted_count; w++)
        if (order->wanted[w].table == order->network->tables[0] &&
            rule_order_class(&order->wanted[w]) == CLASS_FIRST)
            place = order->wanted[w].priority;
    free(order->wanted);
    return place;
}

/* Of one that does not stand: behind others' of its priority it would be, where one of ours has its
 * place in front of these already. */
static int foresee_family(struct netlink *netlink, const struct rule_order_network *network,
                          enum family family, struct text *why)
{
    struct keeping keeping;
    const struct kernel_rule *between = NULL;
    bool is_cut_off = false;
    int result = read_rules(&keeping, netlink, network, family, why);
    uint32_t place = result == 0 ? wanted_place(&keeping) : 0;
    for (size_t i = 0; i < keeping.order.count && result == 0; i++) {
        const struct kernel_rule *rule = &keeping.order.rules[i];
        if ((int)i < keeping.order.local)
            continue;
        is_cut_off |= takes_all(network, rule);
        if (is_cut_off && rule->priority == place && rule_order_is_foreign(rule) &&
            !rule_order_gives_way(&keeping.order, rule))
            between = rule;
    }
    if (between)
        result = refuse_behind(between, why);
    free(keeping.order.rules);
    return result;
}

int rule_keeping_foresee(struct netlink *netlink, const struct rule_order_network *network,
                         struct text *why)
{
    int result = foresee_family(netlink, network, FAMILY_IPV4, why);
    return result || !network->has_ipv6 ? result
                                        : foresee_family(netlink, network, FAMILY_IPV6, why);
}

int rule_keeping_look(struct netlink *netlink, const struct rule_order_network *network,
                      struct text *why)
{
    int result = look_at_family(netlink, network, FAMILY_IPV4, why);
    return result || !network->has_ipv6 ? result
                                        : look_at_family(netlink, network, FAMILY_IPV6, why);
}

/* A rule for main is somebody's if a second table that it stands for comes behind it, and no other
 * such rule between. */
static bool is_needed(const struct keeping *keeping, size_t at)
{
    const struct kernel_rule *main = &keeping->order.rules[at];
    for (size_t i = at + 1; i < keeping->order.count; i++) {
        const struct kernel_rule *rule = &keeping->order.rules[i];
        if (rule->mark != main->mark || rule->mask != main->mask || !rule->is_inverted ||
            rule->protocol != KERNEL_RULE_PROTOCOL ||
            rule_order_has_table(keeping->order.network, rule))
            continue;
        if (rule->table == KERNEL_ROUTE_TABLE_MAIN)
            return false;
        if (rule->table % 2)
            return true;
    }
    return false;
}

/* The same of a link's prefix: while another network's rule ends the search. */
static bool is_lan_needed(const struct keeping *keeping, size_t at)
{
    const struct kernel_rule *main = &keeping->order.rules[at];
    for (size_t i = 0; i < keeping->order.count; i++) {
        const struct kernel_rule *rule = &keeping->order.rules[i];
        if (rule_order_is_hopwires(rule) && rule_order_class(rule) == CLASS_LAN_END &&
            prefix_is_equal(&rule->to, &main->to) && rule->priority == main->priority &&
            !rule_order_has_table(keeping->order.network, rule))
            return true;
    }
    return false;
}

static bool is_to_go(const struct keeping *keeping, size_t at)
{
    const struct rule_order_network *network = keeping->order.network;
    const struct kernel_rule *rule = &keeping->order.rules[at];
    bool is_of_mark = rule->mask == network->mask && rule->mark == (network->mark & network->mask);
    if (rule->protocol == KERNEL_RULE_PROTOCOL_LAN)
        return rule->is_unreachable ? rule_order_has_table(network, rule)
                                    : !is_lan_needed(keeping, at);
    if (!kernel_rule_is_hopwires(rule->protocol) || !rule->mask)
        return false;
    if (!rule->is_inverted)
        return rule->mark == network->mark && rule->mask == UINT32_MAX;
    if (rule->table == KERNEL_ROUTE_TABLE_MAIN)
        return is_of_mark && !is_needed(keeping, at);
    return rule_order_has_table(network, rule);
}

static int remove_family(struct netlink *netlink, const struct rule_order_network *network,
                         enum family family, struct text *why)
{
    struct keeping keeping;
    int result = read_rules(&keeping, netlink, network, family, why);
    for (size_t i = keeping.order.count; i-- > 0 && result == 0;)
        if (is_to_go(&keeping, i))
            result = kernel_rule_remove(netlink, &keeping.order.rules[i], why);
    free(keeping.order.rules);
    return result;
}

int rule_keeping_remove(struct netlink *netlink, const struct rule_order_network *network,
                        struct text *why)
{
    int first = remove_family(netlink, network, FAMILY_IPV4, why);
    int second = remove_family(netlink, network, FAMILY_IPV6, first ? TEXT_UNHEARD : why);
    return first ? first : second;
}
