/* SPDX-License-Identifier: MIT */
#include "host/kernel_rule.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

#include "host/kernel_route.h"

static int change_rule(struct netlink *netlink, uint16_t type, uint16_t flags,
                       const struct kernel_rule *rule)
{
    uint8_t bytes[NETLINK_REQUEST_BYTES] __attribute__((aligned(8)));
    struct nlmsghdr *request = netlink_request(bytes, type, flags);
    struct fib_rule_hdr *body = mnl_nlmsg_put_extra_header(request, sizeof(*body));
    body->family = netlink_family(rule->family);
    body->action = FR_ACT_TO_TBL;
    body->flags = rule->is_inverted ? FIB_RULE_INVERT : 0;
    mnl_attr_put_u32(request, FRA_PRIORITY, rule->priority);
    mnl_attr_put_u32(request, FRA_TABLE, rule->table);
    mnl_attr_put_u8(request, FRA_PROTOCOL, KERNEL_ROUTE_PROTOCOL);
    if (rule->mask) {
        mnl_attr_put_u32(request, FRA_FWMARK, rule->mark);
        mnl_attr_put_u32(request, FRA_FWMASK, rule->mask);
    }
    if (rule->suppresses_default)
        mnl_attr_put_u32(request, FRA_SUPPRESS_PREFIXLEN, 0);
    return netlink_ask(netlink, request, NULL, NULL);
}

int kernel_rule_add(struct netlink *netlink, const struct kernel_rule *rule, struct text *why)
{
    int result = change_rule(netlink, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule);
    if (result < 0)
        text_append(why, "cannot add the IPv%d routing rule %u (table %u): %s", rule->family,
                    rule->priority, rule->table, netlink->reason);
    return result;
}

int kernel_rule_remove(struct netlink *netlink, const struct kernel_rule *rule, struct text *why)
{
    int result = change_rule(netlink, RTM_DELRULE, 0, rule);
    if (result == -ENOENT || result == -EAFNOSUPPORT || result == -EOPNOTSUPP)
        return 0;
    if (result < 0)
        text_append(why, "cannot remove the IPv%d routing rule %u (table %u): %s", rule->family,
                    rule->priority, rule->table, netlink->reason);
    return result;
}

struct rule_list {
    enum family family;
    struct kernel_rule *rules;
    size_t count;
    size_t capacity;
};

static struct kernel_rule get_rule(const struct nlmsghdr *message)
{
    const struct fib_rule_hdr *body = mnl_nlmsg_get_payload(message);
    struct kernel_rule rule = {
        .family = netlink_family_from(body->family),
        .table = body->table,
        .is_inverted = (body->flags & FIB_RULE_INVERT) != 0,
    };
    const struct nlattr *attribute;
    mnl_attr_for_each(attribute, message, sizeof(*body))
    {
        if (mnl_attr_validate(attribute, MNL_TYPE_U32) < 0)
            continue;
        uint32_t number = mnl_attr_get_u32(attribute);
        switch (mnl_attr_get_type(attribute)) {
        case FRA_PRIORITY:
            rule.priority = number;
            break;
        case FRA_TABLE:
            rule.table = number;
            break;
        case FRA_FWMARK:
            rule.mark = number;
            break;
        case FRA_FWMASK:
            rule.mask = number;
            break;
        case FRA_SUPPRESS_PREFIXLEN:
            rule.suppresses_default = number == 0;
            break;
        default:
            break;
        }
    }
    return rule;
}

static int keep_rule(void *context, const struct nlmsghdr *message)
{
    struct rule_list *list = context;
    if (message->nlmsg_type != RTM_NEWRULE ||
        mnl_nlmsg_get_payload_len(message) < sizeof(struct fib_rule_hdr))
        return -EBADMSG;
    struct kernel_rule rule = get_rule(message);
    if (rule.family != list->family)
        return 0;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 16;
        struct kernel_rule *rules = realloc(list->rules, capacity * sizeof(*rules));
        if (!rules)
            return -ENOMEM;
        list->rules = rules;
        list->capacity = capacity;
    }
    list->rules[list->count++] = rule;
    return 0;
}

int kernel_rule_list(struct netlink *netlink, enum family family, struct kernel_rule **rules,
                     size_t *count, struct text *why)
{
    uint8_t bytes[NETLINK_REQUEST_BYTES] __attribute__((aligned(8)));
    struct rule_list list = {.family = family};
    struct nlmsghdr *request = netlink_request(bytes, RTM_GETRULE, NLM_F_DUMP);
    struct fib_rule_hdr *body = mnl_nlmsg_put_extra_header(request, sizeof(*body));
    body->family = netlink_family(family);
    int result = netlink_ask(netlink, request, keep_rule, &list);
    if (result < 0 && result != -EAFNOSUPPORT && result != -EOPNOTSUPP) {
        text_append(why, "cannot list the IPv%d routing rules: %s", family, netlink->reason);
        free(list.rules);
        return result;
    }
    *rules = list.rules;
    *count = list.count;
    return 0;
}
