/* SPDX-License-Identifier: MIT */
/* Where the rules of Hopwire's networks stand among all others (RULES F1, F2, F3), in each family:
 *
 *   priority of local   from all lookup local
 *   the same            first tables of all networks          (prefixes longer than /0)
 *   the same            second tables of kill-switched ones   (/0: main is not asked before)
 *   the same            to a link's own prefix: main, of its routes those as long; then nothing
 *   the same            main without its default route
 *   the same            second tables of all others
 *   the same            own datagrams → on to what steers packets, if anything does
 *   the same            own datagrams → main
 *
 * But for the first and a link's own only in a family in which the network has a /0: there is
 * nothing else for which main would have to be asked.
 *
 * Why at the priority of local's own rule: rules of one priority are asked in the order of adding,
 * and `ip rule add` without a number takes one less than the second rule's, or 0 after 0. So
 * nothing that others add later comes between, and `ip rule flush` spares priority 0.
 *
 * Behind the *first* rule that looks up local for everything: what is the host's own is decided
 * there, and a second such rule changes nothing. While somebody moves it (adds one and deletes the
 * other, in either order) ours follow with the first that stands; behind a later one, others' rules
 * between the two would decide the tunnels' prefixes, for as long as both stand. Without any, ours
 * stay where they are. For that moment the engine refuses the host's own addresses.
 *
 * Why all networks are one order: with two sets one behind the other, the first one's "main" would
 * go before the second one's longer prefixes, and one without a kill switch before one with. So it
 * is where their users chose different priorities: one at 0 with a /0 and no kill switch would lead
 * what belongs to another's 10.20.0.0/16 at 200 by main's 10.20.0.0/24, in clear. The other's first
 * table, and its second under a kill switch, then stand up there, too. No rule of others between
 * the two loses by it: behind a /0 nobody was asked before either. When that /0 goes, each daemon
 * puts its own back.
 *
 * A link's own prefix goes past its network's tables (`throw`), and by main only as long as that
 * has a route so long: one on the link goes with its address, with the link, and when the link goes
 * down. From then on it is unreachable, and no default route takes what a tunnel's prefix or a kill
 * switch would keep, also where the daemon died before. These rules look at no mark: a mark that
 * must not match inverts all of a rule. The second, which rejects, bears the number of the first
 * table of the network that it belongs to; the first one follows from it.
 *
 * The last rules, for the tunnels' own datagrams: a wg-quick that takes 0.0.0.0/0 too has a rule
 * for all that is not marked by it, and would send ours into its interface, whose datagrams are
 * ours to send: for ever. So ours go by main, and wg-quick rides the tunnel. Where the host steers
 * packets by other rules than such (a mesh's, a server's), those decide about our datagrams as
 * before: they go on at the first of them that lies behind ("goto") and past the wg-quick between,
 * which `ip rule add` puts there. Where such a wg-quick stands in front of ours, these two rules
 * stand in front of it, behind what steers until there. One that is between ours and it at one
 * priority leaves no room, and is passed by as well. They name iif lo, or the kernel would take one
 * for main's when it removes one of them: with a mark under all bits nothing else that it compares
 * differs. */
#ifndef HOST_RULE_ORDER_H
#define HOST_RULE_ORDER_H

#include "host/kernel_rule.h"

#define RULE_ORDER_OWN_MOST 5

/* One network. */
struct rule_order_network {
    uint32_t mark, mask; /* struct routing's, as are the next two */
    uint32_t tables[2];
    uint32_t priority;
    bool is_closed;           /* a kill switch: main is not asked */
    bool has_default[2];      /* of IPv4, of IPv6 */
    bool has_ipv6;            /* false: its rules are IPv4's alone */
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

struct rule_order {
    const struct rule_order_network *network;
    enum family family;
    struct kernel_rule *rules; /* as they stand */
    size_t count;
    int local;                  /* place of local's rule, or -1 */
    uint32_t priority;          /* behind local */
    struct kernel_rule *wanted; /* all networks', by priority and class */
    size_t wanted_count;
};

/* Fills `wanted`, which has room for RULE_ORDER_ROOM rules: a main's beside each second table's and
 * each end of a search. */
#define RULE_ORDER_ROOM(count, lan_count) (2 * ((count) + RULE_ORDER_OWN_MOST + (lan_count)))
void rule_order_want(struct rule_order *order);
/* The network's own alone but for the LAN's, its first table's first; how many. */
size_t rule_order_own(const struct rule_order *order,
                      struct kernel_rule rules[RULE_ORDER_OWN_MOST]);

bool rule_order_is_hopwires(const struct kernel_rule *rule);
/* Of one of Hopwire's. */
enum rule_class rule_order_class(const struct kernel_rule *rule);
bool rule_order_is_own(const struct rule_order_network *network, const struct kernel_rule *rule);
bool rule_order_has_table(const struct rule_order_network *network, const struct kernel_rule *rule);
bool rule_order_has_lan(const struct rule_order_network *network, const struct prefix *prefix);
bool rule_order_is_same(const struct kernel_rule *a, const struct kernel_rule *b);
bool rule_order_holds(const struct kernel_rule *rules, size_t count,
                      const struct kernel_rule *rule);

/* A rule that no network of this generation made, nor the kernel. */
bool rule_order_is_foreign(const struct kernel_rule *rule);
/* At local's own priority (`order->priority`) ours stand first, whoever came first: what others
 * have there goes behind them in the end. */
bool rule_order_gives_way(const struct rule_order *order, const struct kernel_rule *rule);
/* Of one family's rules: the place of the first that looks up local for everything, or -1. */
int rule_order_local(const struct kernel_rule *rules, size_t count);

#endif
