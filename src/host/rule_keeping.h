/* SPDX-License-Identifier: MIT */
/* Makes the kernel's rules stand as rule_order.h has them, whatever others add, move or take.
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

#include "host/rule_order.h"

/* All: 0, or -errno and a sentence; between processes that share a host one at a time: the caller's
 * lock. */

/* Before the first rule_keeping_keep. -EEXIST: another network has these tables, and nothing
 * changed. */
int rule_keeping_claim(struct netlink *netlink, const struct rule_order_network *network,
                       struct text *why);
/* Adds what is missing and moves what does not stand where it should, of other networks too. */
int rule_keeping_keep(struct netlink *netlink, const struct rule_order_network *network,
                      struct text *why);
/* 0, or -EBUSY and a sentence: another network that takes everything is asked before this one's
 * longer prefixes, since a rule of others stands between that nothing can be put in front of. */
int rule_keeping_look(struct netlink *netlink, const struct rule_order_network *network,
                      struct text *why);
/* The same of one whose rules do not stand yet. */
int rule_keeping_foresee(struct netlink *netlink, const struct rule_order_network *network,
                         struct text *why);
/* Removes ours, and what no other network needs. */
int rule_keeping_remove(struct netlink *netlink, const struct rule_order_network *network,
                        struct text *why);

#endif
