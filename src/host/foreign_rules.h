/* SPDX-License-Identifier: MIT */
/* The rules that other programs have beside a network's (RULES F1). Reading them needs no right. */
#ifndef HOST_FOREIGN_RULES_H
#define HOST_FOREIGN_RULES_H

#include "host/kernel_rule.h"

struct foreign_rule {
    struct kernel_rule rule;
    bool is_in_front; /* asked before one of the network's; else behind */
};

/* Both families' in the order in which they are asked. `tables` are the network's; NULL: it is not
 * up, and stands where `priority` (0: behind local's rule) would put it now. *rules is malloc's,
 * the caller frees it. 0, or -errno and a sentence. */
int foreign_rules_list(struct netlink *netlink, uint32_t priority, const uint32_t tables[2],
                       struct foreign_rule **rules, size_t *count, struct text *why);
/* The same rule for the same packets, in whichever family. */
bool foreign_rules_are_alike(const struct foreign_rule *a, const struct foreign_rule *b);

#endif
