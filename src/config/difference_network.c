/* SPDX-License-Identifier: MIT */
#include "config/difference_network.h"

#include <string.h>

#include "base/text.h"

#define VALUE_BYTES 420

/* ---- what stays ---- */

static bool is_same_table(const struct config *a, const struct config *b)
{
    return a->table_is_off == b->table_is_off && a->table == b->table;
}

static bool is_same_mark(const struct config *a, const struct config *b)
{
    return a->mark == b->mark && (!a->mark || a->mark_mask == b->mark_mask);
}

static void refuse(const struct config *before, const struct config *after, enum keyword keyword,
                   const char *file, struct config_messages *messages)
{
    const struct config_place *place = &after->given[keyword];
    if (!place->file) /* the line is gone; a plain file's stands with its tunnel */
        place = &after->tunnels[0].given[keyword];
    if (!place->file)
        place = &before->given[keyword];
    config_messages_add(messages, CONFIG_ERROR, place->file ? place : NULL,
                        "%s%scannot change while the network runs; run: hopwire up --replace "
                        "%.200s",
                        place->file ? "" : keyword_name(keyword), place->file ? "" : ": ", file);
}

bool difference_network_stays(const struct config *before, const struct config *after,
                              const char *file, struct config_messages *messages)
{
    const struct {
        bool is_same;
        enum keyword keyword;
    } values[] = {
        {strcmp(before->interface_name, after->interface_name) == 0, KEYWORD_INTERFACE},
        {is_same_table(before, after), KEYWORD_TABLE},
        {before->priority == after->priority, KEYWORD_PRIORITY},
        {is_same_mark(before, after), KEYWORD_FWMARK},
    };
    bool stays = true;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        stays &= values[i].is_same;
        if (!values[i].is_same)
            refuse(before, after, values[i].keyword, file, messages);
    }
    return stays;
}

/* ---- what changes ---- */

static const char *on_or_off(bool is_on)
{
    return is_on ? "on" : "off";
}

static bool are_same_texts(char *const *a, size_t a_count, char *const *b, size_t b_count)
{
    bool is_same = a_count == b_count;
    for (size_t i = 0; is_same && i < a_count; i++)
        is_same = a[i] && b[i] ? strcmp(a[i], b[i]) == 0 : a[i] == b[i];
    return is_same;
}

static bool is_same_lan(const struct config *a, const struct config *b)
{
    bool is_same = a->allows_lan == b->allows_lan && a->lan_count == b->lan_count;
    for (size_t i = 0; is_same && i < a->lan_count; i++)
        is_same = prefix_is_equal(&a->lan[i], &b->lan[i]);
    return is_same;
}

static void append_lan(struct text *text, const struct config *config)
{
    if (config->allows_lan || config->lan_count == 0)
        text_append(text, "%s", on_or_off(config->allows_lan));
    for (size_t i = 0; i < config->lan_count; i++) {
        char prefix[PREFIX_TEXT_BYTES];
        text_append(text, "%s%s", i || config->allows_lan ? ", " : "",
                    prefix_format(&config->lan[i], prefix));
    }
}

static bool is_same_dns(const struct config *a, const struct config *b)
{
    bool is_same = a->dns_count == b->dns_count;
    for (size_t i = 0; is_same && i < a->dns_count; i++)
        is_same = address_is_equal(&a->dns[i], &b->dns[i]);
    return is_same && are_same_texts(a->dns_zones, a->dns_count, b->dns_zones, b->dns_count) &&
           are_same_texts(a->domains, a->domain_count, b->domains, b->domain_count);
}

static void append_dns(struct text *text, const struct config *config)
{
    if (config->dns_count + config->domain_count == 0)
        text_append(text, "none");
    for (size_t i = 0; i < config->dns_count; i++) {
        char address[ADDRESS_TEXT_BYTES];
        const char *zone = config->dns_zones ? config->dns_zones[i] : NULL;
        text_append(text, "%s%s%s%s", i ? ", " : "", address_format(&config->dns[i], address),
                    zone ? "%" : "", zone ? zone : "");
    }
    for (size_t i = 0; i < config->domain_count; i++)
        text_append(text, "%s%s", i || config->dns_count ? ", " : "", config->domains[i]);
}

static void append_domains(struct text *text, const struct config_tunnel *tunnel)
{
    if (tunnel->domain_count == 0)
        text_append(text, "none");
    for (size_t i = 0; i < tunnel->domain_count; i++)
        text_append(text, "%s%s", i ? ", " : "", tunnel->domains[i]);
}

static size_t place_of(const struct config *config, const char *tunnel)
{
    size_t place = 0;
    while (place < config->network.tunnel_count &&
           strcmp(config->network.tunnels[place].name, tunnel) != 0)
        place++;
    return place;
}

/* A tunnel's servers may be the system's, and then its search domains are (RULES G3). */
static void tell_domains(struct difference_list *list, const struct config *before,
                         const struct config *after)
{
    for (size_t i = 0; i < after->network.tunnel_count; i++) {
        const char *name = after->network.tunnels[i].name;
        size_t place = place_of(before, name);
        char was[VALUE_BYTES], will[VALUE_BYTES];
        struct text old, new;
        if (place == before->network.tunnel_count ||
            are_same_texts(before->tunnels[place].domains, before->tunnels[place].domain_count,
                           after->tunnels[i].domains, after->tunnels[i].domain_count))
            continue;
        text_init(&old, was, sizeof(was));
        append_domains(&old, &before->tunnels[place]);
        text_init(&new, will, sizeof(will));
        append_domains(&new, &after->tunnels[i]);
        difference_list_tell(list, "tunnel %s: search domains %s → %s", name, was, will);
    }
}

static bool has_same_hooks(const struct config *a, const struct config *b,
                           enum config_hook_kind kind)
{
    size_t i = 0, j = 0;
    for (;; i++, j++) {
        while (i < a->hook_count && a->hooks[i].kind != kind)
            i++;
        while (j < b->hook_count && b->hooks[j].kind != kind)
            j++;
        if (i >= a->hook_count || j >= b->hook_count)
            return i >= a->hook_count && j >= b->hook_count;
        if (strcmp(a->hooks[i].command, b->hooks[j].command) != 0)
            return false;
    }
}

/* A command may have a secret in it: which changes, not how. */
static void find_hooks(struct difference_list *list, const struct config *before,
                       const struct config *after)
{
    static const char *const kinds[HOOK_KINDS] = {
        [HOOK_PRE_UP] = "PreUp", [HOOK_POST_UP] = "PostUp", [HOOK_PRE_DOWN] = "PreDown",
        [HOOK_POST_DOWN] = "PostDown"};
    for (unsigned kind = 0; kind < HOOK_KINDS; kind++) {
        if (has_same_hooks(before, after, kind))
            continue;
        list->difference->has_hooks = true;
        difference_list_tell(list, "network: %s changes", kinds[kind]);
    }
}

/* The addresses that NAT puts onto the interface (RULES B1). */
static void find_nat(struct difference_list *list, const struct network_description *before,
                     const struct network_description *after)
{
    const struct address *const old[] = {&before->nat_ipv4, &before->nat_ipv6};
    const struct address *const new[] = {&after->nat_ipv4, &after->nat_ipv6};
    struct changes *changes = &list->difference->changes;
    for (size_t i = 0; i < 2; i++) {
        char was[ADDRESS_TEXT_BYTES], will[ADDRESS_TEXT_BYTES];
        if (address_is_equal(old[i], new[i]))
            continue;
        changes->has_nat = true;
        changes->nat_ipv4 = after->nat_ipv4;
        changes->nat_ipv6 = after->nat_ipv6;
        difference_list_tell(list, "network: the interface's IPv%c address %s → %s", i ? '6' : '4',
                             old[i]->family ? address_format(old[i], was) : "none",
                             new[i]->family ? address_format(new[i], will) : "none");
    }
}

static void append_mtu(struct text *text, const struct config *config)
{
    if (config->mtu_bytes)
        text_append(text, "%u", config->mtu_bytes);
    else
        text_append(text, "computed");
}

static void append_kill_switch(struct text *text, const struct config *config)
{
    text_append(text, "%s", on_or_off(config->has_kill_switch));
}

static void append_save_config(struct text *text, const struct config *config)
{
    text_append(text, "%s", config->saves_itself ? "true" : "false");
}

static void append_dns_guard(struct text *text, const struct config *config)
{
    text_append(text, "%s", on_or_off(!config->dns_guard_is_off));
}

void difference_network_find(struct difference_list *list, const struct config *before,
                             const struct config *after)
{
    const struct {
        bool is_same;
        const char *key;
        void (*append)(struct text *text, const struct config *config);
    } values[] = {
        {before->has_kill_switch == after->has_kill_switch, "KillSwitch", append_kill_switch},
        {is_same_lan(before, after), "AllowLAN", append_lan},
        {is_same_dns(before, after), "DNS", append_dns},
        {before->dns_guard_is_off == after->dns_guard_is_off, "DNSGuard", append_dns_guard},
        {before->mtu_bytes == after->mtu_bytes, "MTU", append_mtu},
        {before->saves_itself == after->saves_itself, "SaveConfig", append_save_config},
    };
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char old[VALUE_BYTES], new[VALUE_BYTES];
        struct text text;
        if (values[i].is_same)
            continue;
        text_init(&text, old, sizeof(old));
        values[i].append(&text, before);
        text_init(&text, new, sizeof(new));
        values[i].append(&text, after);
        difference_list_tell(list, "network: %s %s → %s", values[i].key, old, new);
    }
    list->difference->has_hooks |= before->saves_itself != after->saves_itself;
    tell_domains(list, before, after);
    find_nat(list, &before->network, &after->network);
    find_hooks(list, before, after);
}
