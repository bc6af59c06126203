/* SPDX-License-Identifier: MIT */
/* The kernel's routing rules (ip-rule(8)). All: 0, or -errno and a sentence. */
#ifndef HOST_KERNEL_RULE_H
#define HOST_KERNEL_RULE_H

#include "host/netlink.h"

struct kernel_rule {
    enum family family;
    uint32_t priority;
    uint32_t table;
    uint32_t mark; /* matches when (packet's mark & mask) == mark, or when not if is_inverted */
    uint32_t mask; /* 0: the rule looks at no mark */
    bool is_inverted;
    bool suppresses_default; /* suppress_prefixlength 0 */
};

/* -EEXIST: the same rule stands. */
int kernel_rule_add(struct netlink *netlink, const struct kernel_rule *rule, struct text *why);
/* One that does not stand is fine. */
int kernel_rule_remove(struct netlink *netlink, const struct kernel_rule *rule, struct text *why);
/* *rules is malloc's, the caller frees it. A family the kernel does not have is empty. */
int kernel_rule_list(struct netlink *netlink, enum family family, struct kernel_rule **rules,
                     size_t *count, struct text *why);

#endif
