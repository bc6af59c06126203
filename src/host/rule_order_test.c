/* SPDX-License-Identifier: MIT */
/* Which rules are wanted at which priorities, without a kernel: what they do there is
 * rule_keeping's and rule_priorities' test. */
#include "host/rule_order.h"

#include <stdio.h>

#include "base/text.h"
#include "engine/description.h"
#include "tap.h"

#define RULES_MOST 64

/* One family's rules, in the order in which the kernel asks them, and what a network wants. */
struct list {
    struct kernel_rule standing[RULES_MOST];
    size_t count;
    struct kernel_rule wanted[RULES_MOST];
    size_t wanted_count;
};

static struct rule_order_network network_of(unsigned number, uint32_t priority, bool is_closed,
                                            bool has_default)
{
    return (struct rule_order_network){.mark = NETWORK_MARK | (number + 1),
                                       .mask = NETWORK_MARK_MASK,
                                       .tables = {51820 + 2 * number, 51821 + 2 * number},
                                       .priority = priority,
                                       .is_closed = is_closed,
                                       .has_default = {has_default, has_default},
                                       .has_ipv6 = true};
}

static void stand(struct list *list, struct kernel_rule rule)
{
    rule.family = FAMILY_IPV4;
    if (CHECK(list->count < RULES_MOST))
        list->standing[list->count++] = rule;
}

static void stand_local(struct list *list, uint32_t priority)
{
    list->count = 0;
    stand(list, (struct kernel_rule){.priority = priority, .table = KERNEL_RULE_TABLE_LOCAL});
}

static void want(struct list *list, const struct rule_order_network *network)
{
    struct rule_order order = {.network = network,
                               .family = FAMILY_IPV4,
                               .rules = list->standing,
                               .count = list->count,
                               .wanted = list->wanted};
    order.local = rule_order_local(list->standing, list->count);
    order.priority = order.local < 0 ? 0 : list->standing[order.local].priority;
    CHECK(RULE_ORDER_ROOM(list->count, network->lan_count) <= RULES_MOST);
    rule_order_want(&order);
    list->wanted_count = order.wanted_count;
}

static int by_priority(const struct kernel_rule *a, const struct kernel_rule *b)
{
    return a->priority < b->priority ? -1 : a->priority > b->priority;
}

/* What is wanted stands: behind others' of its priority, but directly behind local at local's. */
static void lay(struct list *list)
{
    struct kernel_rule after[RULES_MOST];
    size_t count = 0;
    int local = rule_order_local(list->standing, list->count);
    after[count++] = list->standing[local];
    for (size_t i = 0; i < list->wanted_count; i++)
        if (list->wanted[i].priority == after[0].priority)
            after[count++] = list->wanted[i];
    for (size_t i = 0; i < list->count; i++)
        if ((int)i != local && !rule_order_is_hopwires(&list->standing[i]))
            after[count++] = list->standing[i];
    for (size_t i = 0; i < list->wanted_count; i++)
        if (list->wanted[i].priority != after[0].priority)
            after[count++] = list->wanted[i];
    for (size_t i = 1; i < count; i++)
        for (size_t at = i; at > 0 && by_priority(&after[at], &after[at - 1]) < 0; at--) {
            struct kernel_rule moved = after[at];
            after[at] = after[at - 1];
            after[at - 1] = moved;
        }
    memcpy(list->standing, after, count * sizeof(*after));
    list->count = count;
}

/* "PRIORITY:WHAT …": A1 the first network's first table, A2 its second, a2 that under a kill
 * switch, m main for it, l main for a link's prefix and x the end behind it, o the tunnels' own, gN
 * past all before N. */
static void check_wanted(const struct list *list, const char *expected)
{
    struct text text = TEXT_ROOM(1024);
    for (size_t i = 0; i < list->wanted_count; i++) {
        const struct kernel_rule *rule = &list->wanted[i];
        char letter = (char)('A' + (rule->table - 51820) / 2);
        text_append(&text, "%s%u:", i ? " " : "", rule->priority);
        switch (rule_order_class(rule)) {
        case CLASS_FIRST:
            text_append(&text, "%c1", letter);
            break;
        case CLASS_SECOND:
            text_append(&text, "%c2", letter);
            break;
        case CLASS_CLOSED:
            text_append(&text, "%c2", letter + 'a' - 'A');
            break;
        case CLASS_PAST:
            text_append(&text, "g%u", rule->target);
            break;
        default:
            text_append(&text, "%s",
                        rule_order_class(rule) == CLASS_LAN       ? "l"
                        : rule_order_class(rule) == CLASS_LAN_END ? "x"
                        : rule_order_class(rule) == CLASS_MAIN    ? "m"
                                                                  : "o");
        }
    }
    CHECK_TEXT(text.bytes, expected);
}

static void check_own(uint32_t local, uint32_t priority, bool is_closed, bool has_default,
                      const char *expected)
{
    static struct list list;
    struct rule_order_network network = network_of(0, priority, is_closed, has_default);
    stand_local(&list, local);
    want(&list, &network);
    check_wanted(&list, expected);
}

static void test_f1_directly_behind_local_wherever_that_is(void)
{
    check_own(0, 0, false, false, "0:A1");
    check_own(0, 0, false, true, "0:A1 0:m 0:A2 0:o");
    check_own(0, 0, true, true, "0:A1 0:a2 0:o");
    check_own(100, 0, false, true, "100:A1 100:m 100:A2 100:o");
}

/* One apart, so that what the user puts between stays between. */
static void test_f1_a_priority_of_the_users_choice(void)
{
    check_own(0, 500, false, false, "500:A1");
    check_own(0, 500, false, true, "500:A1 501:m 502:A2 502:o");
    check_own(0, 500, true, true, "500:A1 501:a2 502:o");
    check_own(100, 100, false, true, "100:A1 100:m 100:A2 100:o");
    check_own(100, 50, false, true, "100:A1 100:m 100:A2 100:o"); /* local would never be asked */
    check_own(100, 101, false, true, "101:A1 102:m 103:A2 103:o");
}

static const struct kernel_rule wg_quick = {
    .priority = 300, .table = 60000, .mark = 60000, .mask = UINT32_MAX, .is_inverted = true};
static const struct kernel_rule steering = {.priority = 200, .table = 52};

/* A full tunnel beside would take ours in, and ours its: for ever. */
static void test_f1_our_own_datagrams_pass_a_full_tunnel(void)
{
    static struct list list;
    struct rule_order_network network = network_of(0, 500, false, true);
    stand_local(&list, 0);
    stand(&list, wg_quick);
    want(&list, &network);
    check_wanted(&list, "0:o 500:A1 501:m 502:A2");
    network.priority = 0;
    want(&list, &network);
    check_wanted(&list, "0:A1 0:m 0:A2 0:o");
    network = network_of(0, 500, false, false); /* split: it rides the other one */
    want(&list, &network);
    check_wanted(&list, "500:A1");
}

/* Where others' rules lead them to a link of their choice, they are led there first. */
static void test_f1_what_steers_our_own_datagrams_is_asked_first(void)
{
    static struct list list;
    struct rule_order_network network = network_of(0, 500, false, true);
    stand_local(&list, 0);
    stand(&list, steering);
    stand(&list, wg_quick);
    want(&list, &network);
    check_wanted(&list, "200:o 500:A1 501:m 502:A2");
    network.priority = 0;
    list.count = 2; /* without the full tunnel */
    want(&list, &network);
    check_wanted(&list, "0:A1 0:m 0:A2 0:g200 0:o");
    list.standing[1].is_inverted = true; /* for all but our mark */
    list.standing[1].mark = network.mark;
    list.standing[1].mask = UINT32_MAX;
    want(&list, &network);
    check_wanted(&list, "0:A1 0:m 0:A2 0:o");
}

static void test_f1_networks_are_one_order(void)
{
    static struct list list;
    struct rule_order_network open = network_of(0, 0, false, true);
    struct rule_order_network closed = network_of(1, 0, true, true);
    struct rule_order_network split = network_of(2, 0, false, false);
    stand_local(&list, 0);
    want(&list, &open);
    lay(&list);
    want(&list, &closed);
    check_wanted(&list, "0:A1 0:B1 0:b2 0:m 0:A2 0:o 0:o");
    lay(&list);
    want(&list, &split);
    check_wanted(&list, "0:A1 0:B1 0:C1 0:b2 0:m 0:A2 0:o 0:o");
}

/* Behind another's /0 nothing would be asked: what has to go before it is lifted. */
static void test_f1_who_stands_behind_a_default_is_lifted(void)
{
    static struct list list;
    struct rule_order_network open = network_of(0, 0, false, true);
    struct rule_order_network late = network_of(1, 500, false, false);
    struct rule_order_network late_open = network_of(0, 300, false, true);
    stand_local(&list, 0);
    want(&list, &open);
    lay(&list);
    want(&list, &late);
    check_wanted(&list, "0:A1 0:B1 0:m 0:A2 0:o");
    late.is_closed = late.has_default[0] = true; /* a kill switch's end, too */
    want(&list, &late);
    check_wanted(&list, "0:A1 0:B1 0:b2 0:m 0:A2 0:o 502:o");
    late = network_of(1, 500, false, false);
    stand_local(&list, 0);
    want(&list, &late_open);
    lay(&list);
    want(&list, &late);
    check_wanted(&list, "300:A1 300:B1 301:m 302:A2 302:o");
}

static void test_f1_links_own_prefixes_go_before_a_kill_switchs_end(void)
{
    static struct list list;
    struct prefix lan[2];
    CHECK(prefix_parse("192.168.1.0/24", &lan[0]) && prefix_parse("fd00:1::/64", &lan[1]));
    struct rule_order_network network = network_of(0, 0, false, true);
    network.lan = lan;
    network.lan_count = 2;
    stand_local(&list, 0);
    want(&list, &network);
    check_wanted(&list, "0:A1 0:l 0:x 0:m 0:A2 0:o"); /* of IPv4 alone */
    CHECK_EQUAL(list.wanted[1].least_bits, 24);
    CHECK(prefix_is_equal(&list.wanted[1].to, &lan[0]));
    CHECK(prefix_is_equal(&list.wanted[2].to, &lan[0]));
    lay(&list);
    network.lan_count = 0; /* the link has moved on: both go, unless a `throw` may still stand */
    want(&list, &network);
    check_wanted(&list, "0:A1 0:m 0:A2 0:o");
    network.keeps_lan = true;
    want(&list, &network);
    check_wanted(&list, "0:A1 0:l 0:x 0:m 0:A2 0:o");
}

static bool is_as_laid(const struct list *list)
{
    size_t at = 0;
    for (size_t i = 0; i < list->count; i++)
        if (rule_order_is_hopwires(&list->standing[i])) {
            if (at == list->wanted_count ||
                !rule_order_is_same(&list->standing[i], &list->wanted[at]))
                return false;
            at++;
        }
    return at == list->wanted_count;
}

/* Each network's daemon keeps the rules of all: if two wanted different ones, they would undo each
 * other's for ever. After each has had its turn, no turn changes anything. */
static void test_f1_daemons_agree(void)
{
    for (unsigned round = 0; round < 2000; round++) {
        static struct list list;
        struct rule_order_network networks[3];
        static const uint32_t priorities[] = {0, 250, 500, 32000};
        unsigned count = 1 + (unsigned)tap_random_below(3);
        stand_local(&list, tap_random_below(3) ? 0 : 100);
        if (tap_random_below(2))
            stand(&list, steering);
        if (tap_random_below(2))
            stand(&list, wg_quick);
        for (unsigned i = 0; i < count; i++)
            networks[i] = network_of(i, priorities[tap_random_below(4)], tap_random_below(2),
                                     tap_random_below(2));
        for (unsigned turn = 0; turn < 2 * count; turn++) {
            want(&list, &networks[turn % count]);
            lay(&list);
        }
        for (unsigned i = 0; i < count; i++) {
            want(&list, &networks[i]);
            if (!CHECK(is_as_laid(&list)))
                return;
        }
        for (size_t i = 1; i < list.wanted_count; i++)
            CHECK(list.wanted[i - 1].priority <= list.wanted[i].priority);
    }
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_f1_directly_behind_local_wherever_that_is);
    TAP_RUN(argc, argv, test_f1_a_priority_of_the_users_choice);
    TAP_RUN(argc, argv, test_f1_our_own_datagrams_pass_a_full_tunnel);
    TAP_RUN(argc, argv, test_f1_what_steers_our_own_datagrams_is_asked_first);
    TAP_RUN(argc, argv, test_f1_networks_are_one_order);
    TAP_RUN(argc, argv, test_f1_who_stands_behind_a_default_is_lifted);
    TAP_RUN(argc, argv, test_f1_links_own_prefixes_go_before_a_kill_switchs_end);
    TAP_RUN(argc, argv, test_f1_daemons_agree);
    return tap_done();
}
