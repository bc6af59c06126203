/* SPDX-License-Identifier: MIT */
#include "host/kernel_rule.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "host/kernel_route.h"
#include "host/table_names.h"

static int change_rule(struct netlink *netlink, uint16_t type, uint16_t flags,
                       const struct kernel_rule *rule)
{
    uint8_t bytes[NETLINK_REQUEST_BYTES] __attribute__((aligned(8)));
    struct nlmsghdr *request = netlink_request(bytes, type, flags);
    struct fib_rule_hdr *body = mnl_nlmsg_put_extra_header(request, sizeof(*body));
    body->family = netlink_family(rule->family);
    body->action = rule->target           ? FR_ACT_GOTO
                   : rule->is_unreachable ? FR_ACT_UNREACHABLE
                                          : FR_ACT_TO_TBL;
    body->flags = rule->is_inverted ? FIB_RULE_INVERT : 0;
    mnl_attr_put_u32(request, FRA_PRIORITY, rule->priority);
    if (rule->target)
        mnl_attr_put_u32(request, FRA_GOTO, rule->target);
    else
        mnl_attr_put_u32(request, FRA_TABLE, rule->table);
    mnl_attr_put_u8(request, FRA_PROTOCOL, rule->protocol);
    if (rule->mask) {
        mnl_attr_put_u32(request, FRA_FWMARK, rule->mark);
        mnl_attr_put_u32(request, FRA_FWMASK, rule->mask);
    }
    if (rule->is_of_host)
        mnl_attr_put_strz(request, FRA_IIFNAME, "lo");
    if (rule->to.len_bits) {
        body->dst_len = rule->to.len_bits;
        netlink_put_address(request, FRA_DST, &rule->to.address);
    }
    if (rule->least_bits)
        mnl_attr_put_u32(request, FRA_SUPPRESS_PREFIXLEN, rule->least_bits - 1u);
    return netlink_ask(netlink, request, NULL, NULL);
}

static int refuse(const char *verb, const struct kernel_rule *rule, const struct netlink *netlink,
                  int result, struct text *why)
{
    char table[TABLE_NAMES_TEXT_BYTES];
    text_append(why, "cannot %s the IPv%d routing rule %u (", verb, rule->family, rule->priority);
    if (rule->target)
        text_append(why, "goto %u", rule->target);
    else
        text_append(why, "table %s", table_names_show(rule->table, table));
    text_append(why, "): %s", netlink->reason);
    return result;
}

int kernel_rule_add(struct netlink *netlink, const struct kernel_rule *rule, bool is_first,
                    struct text *why)
{
    uint16_t flags = NLM_F_CREATE | (is_first ? NLM_F_EXCL : 0);
    int result = change_rule(netlink, RTM_NEWRULE, flags, rule);
    return result < 0 ? refuse("add", rule, netlink, result, why) : result;
}

int kernel_rule_remove(struct netlink *netlink, const struct kernel_rule *rule, struct text *why)
{
    int result = change_rule(netlink, RTM_DELRULE, 0, rule);
    if (result == -ENOENT || result == -EAFNOSUPPORT || result == -EOPNOTSUPP)
        return 0;
    return result < 0 ? refuse("remove", rule, netlink, result, why) : result;
}

bool kernel_rule_is_movable(const struct kernel_rule *rule)
{
    return rule->message_bytes && rule->protocol != RTPROT_KERNEL &&
           !kernel_rule_is_hopwires(rule->protocol);
}

static int say_again(struct netlink *netlink, uint16_t type, uint16_t flags,
                     const struct kernel_rule *rule)
{
    uint8_t bytes[NETLINK_REQUEST_BYTES] __attribute__((aligned(8)));
    struct nlmsghdr *request = netlink_request(bytes, type, flags);
    struct fib_rule_hdr *body = mnl_nlmsg_put_extra_header(request, rule->message_bytes);
    memcpy(body, rule->message, rule->message_bytes);
    body->flags &= FIB_RULE_INVERT; /* the others are the kernel's to say */
    return netlink_ask(netlink, request, NULL, NULL);
}

int kernel_rule_move_last(struct netlink *netlink, const struct kernel_rule *rule,
                          struct text *why)
{
    int result = say_again(netlink, RTM_NEWRULE, NLM_F_CREATE, rule);
    if (result == 0)
        result = say_again(netlink, RTM_DELRULE, 0, rule);
    if (result < 0)
        text_append(why, "cannot move the IPv%d routing rule %u of others (%s): %s", rule->family,
                    rule->priority, rule->text, netlink->reason);
    return result;
}

/* ---- reading ---- */

/* What a rule's message has, where it has it: NULL else. */
struct parts {
    const struct fib_rule_hdr *header;
    const struct nlattr *attributes[FRA_MAX + 1];
    bool has_unknown;
};

static struct parts take_apart(const struct nlmsghdr *message)
{
    struct parts parts = {.header = mnl_nlmsg_get_payload(message)};
    const struct nlattr *attribute;
    mnl_attr_for_each(attribute, message, sizeof(*parts.header))
    {
        uint16_t type = mnl_attr_get_type(attribute);
        if (type <= FRA_MAX)
            parts.attributes[type] = attribute;
        else
            parts.has_unknown = true;
    }
    return parts;
}

static uint32_t number_of(const struct parts *parts, uint16_t type, uint32_t otherwise)
{
    const struct nlattr *attribute = parts->attributes[type];
    if (attribute && mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
        return mnl_attr_get_u32(attribute);
    if (attribute && mnl_attr_validate(attribute, MNL_TYPE_U8) >= 0)
        return mnl_attr_get_u8(attribute);
    return otherwise;
}

static void append_prefix(struct text *text, const char *word, const struct parts *parts,
                          uint16_t type, uint8_t len_bits)
{
    struct prefix prefix = {.len_bits = len_bits};
    char shown[PREFIX_TEXT_BYTES];
    const struct nlattr *attribute = parts->attributes[type];
    if (attribute && netlink_get_address(attribute, netlink_family_from(parts->header->family),
                                         &prefix.address))
        text_append(text, " %s %s", word, prefix_format(&prefix, shown));
}

static void append_name(struct text *text, const char *word, const struct nlattr *attribute)
{
    if (attribute && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
        text_append(text, " %s %.15s", word, mnl_attr_get_str(attribute));
}

static void append_action(struct text *text, const struct parts *parts,
                          const struct kernel_rule *rule)
{
    static const char *const actions[] = {[FR_ACT_NOP] = "nop", [FR_ACT_BLACKHOLE] = "blackhole",
                                          [FR_ACT_UNREACHABLE] = "unreachable",
                                          [FR_ACT_PROHIBIT] = "prohibit"};
    uint8_t action = parts->header->action;
    char table[TABLE_NAMES_TEXT_BYTES];
    if (action == FR_ACT_GOTO)
        text_append(text, " goto %u", number_of(parts, FRA_GOTO, 0));
    else if (action < sizeof(actions) / sizeof(*actions) && actions[action])
        text_append(text, " %s", actions[action]);
    else if (number_of(parts, FRA_L3MDEV, 0))
        text_append(text, " lookup [l3mdev-table]");
    else
        text_append(text, " lookup %s", table_names_show(rule->table, table));
}

static void write_text(struct kernel_rule *rule, const struct parts *parts)
{
    struct text text;
    uint32_t suppressed = number_of(parts, FRA_SUPPRESS_PREFIXLEN, UINT32_MAX);
    text_init(&text, rule->text, sizeof(rule->text));
    text_append(&text, "%s", rule->is_inverted ? "not from" : "from");
    if (parts->header->src_len == 0)
        text_append(&text, " all");
    append_prefix(&text, "", parts, FRA_SRC, parts->header->src_len);
    append_prefix(&text, "to", parts, FRA_DST, parts->header->dst_len);
    if (rule->mask == UINT32_MAX)
        text_append(&text, " fwmark 0x%x", rule->mark);
    else if (rule->mask)
        text_append(&text, " fwmark 0x%x/0x%x", rule->mark, rule->mask);
    append_name(&text, "iif", parts->attributes[FRA_IIFNAME]);
    append_name(&text, "oif", parts->attributes[FRA_OIFNAME]);
    if (number_of(parts, FRA_IP_PROTO, 0))
        text_append(&text, " ipproto %u", number_of(parts, FRA_IP_PROTO, 0));
    if (parts->attributes[FRA_UID_RANGE])
        text_append(&text, " uidrange …");
    if (parts->attributes[FRA_SPORT_RANGE])
        text_append(&text, " sport …");
    if (parts->attributes[FRA_DPORT_RANGE])
        text_append(&text, " dport …");
    append_action(&text, parts, rule);
    if (suppressed != UINT32_MAX)
        text_append(&text, " suppress_prefixlength %u", suppressed);
}

static struct kernel_rule get_rule(const struct nlmsghdr *message)
{
    static const uint16_t selectors[] = {FRA_SRC, FRA_DST, FRA_IIFNAME, FRA_OIFNAME, FRA_TUN_ID,
                                         FRA_UID_RANGE, FRA_SPORT_RANGE, FRA_DPORT_RANGE};
    struct parts parts = take_apart(message);
    struct kernel_rule rule = {
        .family = netlink_family_from(parts.header->family),
        .priority = number_of(&parts, FRA_PRIORITY, 0),
        .table = number_of(&parts, FRA_TABLE, parts.header->table),
        .mark = number_of(&parts, FRA_FWMARK, 0),
        .mask = number_of(&parts, FRA_FWMASK, 0),
        .is_inverted = (parts.header->flags & FIB_RULE_INVERT) != 0,
        .to.len_bits = parts.header->dst_len,
        .least_bits = (uint8_t)(number_of(&parts, FRA_SUPPRESS_PREFIXLEN, UINT32_MAX) + 1),
        .is_unreachable = parts.header->action == FR_ACT_UNREACHABLE,
        .protocol = (uint8_t)number_of(&parts, FRA_PROTOCOL, 0),
        .is_selective = parts.has_unknown || parts.header->tos ||
                        number_of(&parts, FRA_IP_PROTO, 0) || number_of(&parts, FRA_L3MDEV, 0),
    };
    const struct nlattr *input = parts.attributes[FRA_IIFNAME];
    rule.is_of_host = input && mnl_attr_validate(input, MNL_TYPE_NUL_STRING) >= 0 &&
                      strcmp(mnl_attr_get_str(input), "lo") == 0;
    for (size_t i = 0; i < sizeof(selectors) / sizeof(*selectors); i++)
        rule.is_selective |= parts.attributes[selectors[i]] != NULL;
    if (parts.header->action == FR_ACT_GOTO)
        rule.target = number_of(&parts, FRA_GOTO, 0);
    if (parts.attributes[FRA_DST])
        netlink_get_address(parts.attributes[FRA_DST], rule.family, &rule.to.address);
    bool is_our_end = rule.is_unreachable && rule.protocol == KERNEL_RULE_PROTOCOL_LAN;
    if ((parts.header->action != FR_ACT_TO_TBL && !is_our_end) ||
        number_of(&parts, FRA_L3MDEV, 0))
        rule.table = 0;
    write_text(&rule, &parts);
    size_t message_bytes = mnl_nlmsg_get_payload_len(message);
    if (message_bytes <= sizeof(rule.message)) {
        memcpy(rule.message, parts.header, message_bytes);
        rule.message_bytes = message_bytes;
    }
    return rule;
}

struct rule_list {
    enum family family;
    struct kernel_rule *rules;
    size_t count;
    size_t capacity;
};

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
    int result = netlink_list(netlink, request, keep_rule, &list, &list.count);
    if (result < 0 && result != -EAFNOSUPPORT && result != -EOPNOTSUPP) {
        text_append(why, "cannot list the IPv%d routing rules: %s", family, netlink->reason);
        free(list.rules);
        return result;
    }
    *rules = list.rules;
    *count = list.count;
    return 0;
}
