/* SPDX-License-Identifier: MIT */
/* The kernel's routing rules (ip-rule(8)). All: 0, or -errno and a sentence. */
#ifndef HOST_KERNEL_RULE_H
#define HOST_KERNEL_RULE_H

#include "base/prefix.h"
#include "host/netlink.h"

#define KERNEL_RULE_TABLE_LOCAL 255u
#define KERNEL_RULE_TABLE_DEFAULT 253u
#define KERNEL_RULE_TEXT_BYTES 192
#define KERNEL_RULE_MESSAGE_BYTES 256
/* Marks our rules: "proto 202"; and a second table's under a kill switch, where main is not
 * asked. */
#define KERNEL_RULE_PROTOCOL 202
#define KERNEL_RULE_PROTOCOL_CLOSED 203
/* Of prefixes that are directly on a link. */
#define KERNEL_RULE_PROTOCOL_LAN 204

struct kernel_rule {
    enum family family;
    uint32_t priority;
    uint32_t table; /* 0: another action than a look-up, or a table that depends on the packet; of
                     * ours that reject: whose they are */
    uint32_t target; /* goto: the priority where the search goes on; 0: none. Without a rule there
                      * it does nothing */
    uint32_t mark; /* matches when (packet's mark & mask) == mark, or when not if is_inverted */
    uint32_t mask; /* 0: the rule looks at no mark */
    bool is_inverted;
    struct prefix to;   /* len_bits 0: everywhere */
    uint8_t least_bits; /* of the table's routes only those so long; 1: without its default route */
    bool is_unreachable; /* ours: rejects, and looks nothing up */
    bool is_of_host;         /* iif lo: only what this host itself sends */
    uint8_t protocol;        /* who made it, as a route's */
    /* Read only. */
    bool is_selective; /* it looks at more than marks: addresses, interfaces, ports, … */
    char text[KERNEL_RULE_TEXT_BYTES]; /* as `ip rule` shows it, without the priority */
    uint8_t message[KERNEL_RULE_MESSAGE_BYTES]; /* all of it, as the kernel told it */
    size_t message_bytes;                       /* 0: it is larger */
};

static inline bool kernel_rule_is_hopwires(uint8_t protocol)
{
    return protocol >= KERNEL_RULE_PROTOCOL && protocol <= KERNEL_RULE_PROTOCOL_LAN;
}

/* Behind all of its priority; one of the same content may stand already. `is_first`: then
 * -EEXIST. */
int kernel_rule_add(struct netlink *netlink, const struct kernel_rule *rule, bool is_first,
                    struct text *why);
/* The first that has this content, and perhaps more: the kernel compares neither the inversion nor
 * what is not named. One that does not stand is fine. */
int kernel_rule_remove(struct netlink *netlink, const struct kernel_rule *rule, struct text *why);
/* Neither the kernel's nor Hopwire's, and known whole. */
bool kernel_rule_is_movable(const struct kernel_rule *rule);
/* Behind all of its priority, at no moment gone. In front of it there must be none of its priority
 * that kernel_rule_remove would take for it. */
int kernel_rule_move_last(struct netlink *netlink, const struct kernel_rule *rule,
                          struct text *why);
/* In the order in which the kernel asks them. *rules is malloc's, the caller frees it. A family the
 * kernel does not have is empty. */
int kernel_rule_list(struct netlink *netlink, enum family family, struct kernel_rule **rules,
                     size_t *count, struct text *why);

#endif
