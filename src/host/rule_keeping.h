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
 * differs.
 *
 * A change adds all new rules before it takes the old ones. Others' rules stay as they are, but at
 * local's own priority, where the kernel has room for a new rule of ours only behind them. A
 * wg-quick that was started beside a network has its rules there: in front of that network's when
 * it is started anew, they would take our datagrams, and ride us. So such rules are said again
 * behind ours and taken away in front; the kernel's own are not. Where one of those came between
 * ours, or any at a priority of the user's choice, what stands in front of it stays there, and what
 * is missing is added behind. */
#ifndef HOST_RULE_KEEPING_H
#define HOST_RULE_KEEPING_H

#include "host/rule_plan.h"

/* All: 0, or -errno and a sentence; between processes that share a host one at a time: the caller's
 * lock. */

/* Before the first rule_keeping_keep. -EEXIST: another network has these tables, and nothing
 * changed. */
int rule_keeping_claim(struct netlink *netlink, const struct rule_plan_network *network,
                     struct text *why);
/* Adds what is missing and moves what does not stand where it should, of other networks too. */
int rule_keeping_keep(struct netlink *netlink, const struct rule_plan_network *network,
                    struct text *why);
/* 0, or -EBUSY and a sentence: another network that takes everything is asked before this one's
 * longer prefixes, since a rule of others stands between that nothing can be put in front of. */
int rule_keeping_look(struct netlink *netlink, const struct rule_plan_network *network,
                    struct text *why);
/* The same of one whose rules do not stand yet. */
int rule_keeping_foresee(struct netlink *netlink, const struct rule_plan_network *network,
                       struct text *why);
/* Removes ours, and what no other network needs. */
int rule_keeping_remove(struct netlink *netlink, const struct rule_plan_network *network,
                      struct text *why);

#endif
