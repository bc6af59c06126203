/* SPDX-License-Identifier: MIT */
#include "host/foreign_rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/rule_order.h"

struct place {
    const struct kernel_rule *rules;
    size_t count;
    uint32_t priority;
    const uint32_t *tables;
};

/* The later of both tables' first rules; -1: none stands. */
static int last_of_ours(const struct place *place)
{
    int last = -1;
    for (unsigned t = 0; t < 2 && place->tables; t++) {
        for (size_t i = 0; i < place->count; i++) {
            const struct kernel_rule *rule = &place->rules[i];
            if (rule->table != place->tables[t] || !kernel_rule_is_hopwires(rule->protocol))
                continue;
            last = (int)i > last ? (int)i : last;
            break;
        }
    }
    return last;
}

static bool is_in_front(const struct place *place, size_t at)
{
    int local = rule_order_local(place->rules, place->count), ours = last_of_ours(place);
    uint32_t behind = local < 0 ? 0 : place->rules[local].priority;
    if (ours >= 0)
        return (int)at < ours;
    if (place->priority <= behind && (int)at > local &&
        rule_order_gives_way(&(struct rule_order){.priority = behind}, &place->rules[at]))
        return false;
    if (place->priority > behind)
        behind = place->priority;
    for (size_t i = 0; i < place->count; i++) { /* it would be lifted up to another's /0 */
        const struct kernel_rule *rule = &place->rules[i];
        if (rule_order_is_hopwires(rule) && rule_order_class(rule) != CLASS_FIRST &&
            rule_order_class(rule) != CLASS_OWN && rule->priority < behind)
            behind = rule->priority;
    }
    return (int)at < local || place->rules[at].priority <= behind;
}

static int add_family(struct netlink *netlink, enum family family, struct place *place,
                      struct foreign_rule **found, size_t *count, struct text *why)
{
    struct kernel_rule *rules;
    int result = kernel_rule_list(netlink, family, &rules, &place->count, why);
    if (result != 0)
        return result;
    place->rules = rules;
    struct foreign_rule *more = realloc(*found, (*count + place->count + 1) * sizeof(*more));
    if (!more) {
        free(rules);
        text_append(why, "no memory for the host's routing rules");
        return -ENOMEM;
    }
    *found = more;
    for (size_t i = 0; i < place->count; i++)
        if (rule_order_is_foreign(&rules[i]))
            more[(*count)++] = (struct foreign_rule){rules[i], is_in_front(place, i)};
    free(rules);
    return 0;
}

int foreign_rules_list(struct netlink *netlink, uint32_t priority, const uint32_t tables[2],
                       struct foreign_rule **rules, size_t *count, struct text *why)
{
    struct place place = {.priority = priority, .tables = tables};
    struct foreign_rule *found = NULL;
    size_t found_count = 0;
    int result = add_family(netlink, FAMILY_IPV4, &place, &found, &found_count, why);
    if (result == 0)
        result = add_family(netlink, FAMILY_IPV6, &place, &found, &found_count, why);
    if (result != 0) {
        free(found);
        return result;
    }
    *rules = found;
    *count = found_count;
    return 0;
}

bool foreign_rules_are_alike(const struct foreign_rule *a, const struct foreign_rule *b)
{
    return a->is_in_front == b->is_in_front && a->rule.priority == b->rule.priority &&
           strcmp(a->rule.text, b->rule.text) == 0;
}
