/* SPDX-License-Identifier: MIT */
#include "config/settings.h"

#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "config/endpoint_value.h"
#include "config/keytext.h"
#include "config/name_servers.h"
#include "config/prefix_value.h"
#include "config/syntax.h"

#define ADDRESSES_MOST 64
#define LOCAL_TABLE 255
#define PRIORITY_MOST 32763 /* of the first of three rules; main's is 32766 */

void settings_read_key(struct loader *loader, const struct config_place *place,
                       enum keyword keyword, char *value, uint8_t key[32])
{
    bool is_file = keyword == KEYWORD_PRIVATE_KEY_FILE || keyword == KEYWORD_PRESHARED_KEY_FILE;
    if (!is_file)
        syntax_squeeze(value);
    if (is_file) {
        if (!source_key(loader, place, value, key))
            return;
    } else if (!keytext_parse(value, strlen(value), key)) {
        /* The text is not quoted: it may be most of a secret. */
        config_messages_add(loader->messages, CONFIG_ERROR, place,
                            "not a key: it must be 44 characters of base64 that end with =, as "
                            "`wg genkey` and `wg pubkey` write them");
        return;
    }
    bool may_be_zero = keyword == KEYWORD_PRESHARED_KEY || keyword == KEYWORD_PRESHARED_KEY_FILE;
    if (!may_be_zero && bytes_are_zero(key, 32))
        config_messages_add(loader->messages, CONFIG_ERROR, place,
                            "all zero, which is no key; make one with `wg genkey`");
}

static void read_mtu(struct loader *loader, const struct config_place *place, const char *value,
                     uint32_t *mtu_bytes)
{
    if (value_number(value, 0, 0, mtu_bytes)) /* as generators write "automatic" */
        config_messages_add(loader->messages, CONFIG_NOTICE, place, "0: it is computed");
    else if (!value_number(value, CONFIG_MTU_LEAST_BYTES, NETWORK_MTU_MOST_BYTES, mtu_bytes))
        config_messages_add(loader->messages, CONFIG_ERROR, place,
                            "not an MTU: \"%.20s\"; write a number from %u to %u, or remove the "
                            "line: it is computed",
                            value, CONFIG_MTU_LEAST_BYTES, NETWORK_MTU_MOST_BYTES);
}

/* What `ip route` takes: a name, or a number as C writes it. */
static bool find_table(struct loader *loader, const char *value, uint32_t *table)
{
    static const struct {
        const char *name;
        uint32_t table;
    } kernels[] = {{"main", 254}, {"default", 253}, {"local", LOCAL_TABLE}};
    const struct config_reader *reader = loader->reader;
    if (value_mark(value, table) && strcasecmp(value, "off") != 0)
        return *table > 0;
    if (reader->find_table && reader->find_table(reader->context, value, table) && *table > 0)
        return true;
    for (size_t i = 0; i < sizeof(kernels) / sizeof(*kernels); i++) {
        if (strcmp(kernels[i].name, value) == 0) {
            *table = kernels[i].table;
            return true;
        }
    }
    return false;
}

static void read_table(struct loader *loader, const struct config_place *place, const char *value)
{
    struct config *config = loader->config;
    config->table_is_off = false; /* the last of several counts */
    config->table = 0;
    if (strcasecmp(value, "off") == 0)
        config->table_is_off = true;
    else if (strcasecmp(value, "auto") != 0 && !find_table(loader, value, &config->table))
        config_messages_add(loader->messages, CONFIG_ERROR, place,
                            "not a routing table: \"%.20s\"; write off, auto, a number, or a name "
                            "that /etc/iproute2/rt_tables has",
                            value);
    if (config->table == LOCAL_TABLE)
        config_messages_add(loader->messages, CONFIG_ERROR, place,
                            "local is the kernel's table of the host's own addresses, which comes "
                            "before every rule: the tunnels' own datagrams would never leave; "
                            "write auto or another table");
}

/* Also ADDRESS/NETMASK, as `ip address` reads it. */
static bool parse_interface_address(const char *text, struct prefix *prefix)
{
    char copy[PREFIX_TEXT_BYTES];
    struct address mask;
    const char *slash = strchr(text, '/');
    if (!slash || strlen(text) >= sizeof(copy) || !address_parse(slash + 1, &mask) ||
        mask.family != FAMILY_IPV4)
        return prefix_parse(text, prefix);
    uint32_t host_bits = ~load_be32(mask.bytes);
    memcpy(copy, text, (size_t)(slash - text));
    copy[slash - text] = '\0';
    return (host_bits & (host_bits + 1)) == 0 && prefix_parse(copy, prefix) &&
           prefix->address.family == FAMILY_IPV4;
}

/* The network's, from [Network] or a plain file (RULES F3). */
static void read_network_mark(struct loader *loader, const struct config_place *place,
                              const char *value)
{
    struct config *config = loader->config;
    if (!value_mark_and_mask(value, &config->mark, &config->mark_mask))
        config_messages_add(loader->messages, CONFIG_ERROR, place,
                            "not a mark: \"%.30s\"; write off, a 32-bit number, or VALUE/MASK, of "
                            "which the mask leaves some bits",
                            value);
}

static void read_priority(struct loader *loader, const struct config_place *place,
                          const char *value)
{
    if (!value_number(value, 1, PRIORITY_MOST, &loader->config->priority))
        config_messages_add(loader->messages, CONFIG_ERROR, place,
                            "not a priority: \"%.20s\"; write a number from 1 to %d, so that three "
                            "rules stand before the one of the main table, or remove the line",
                            value, PRIORITY_MOST);
}

static bool read_address(struct loader *loader, const struct config_place *place, const char *text,
                         struct address *address)
{
    struct prefix prefix;
    if (!parse_interface_address(text, &prefix) || !value_is_host_address(&prefix.address) ||
        address_is_loopback(&prefix.address)) {
        config_messages_add(loader->messages, CONFIG_ERROR, place,
                            "not a host's address: \"%.60s\"; write one as 10.64.0.2/32 or "
                            "fc00::2/128",
                            text);
        return false;
    }
    *address = prefix.address; /* /32 or /128 on the interface whatever the length says (B1) */
    return true;
}

static void read_nat_addresses(struct loader *loader, const struct config_place *place, char *rest)
{
    struct network_description *network = &loader->config->network;
    for (char *item; (item = syntax_item(&rest));) {
        struct address address;
        if (!read_address(loader, place, item, &address))
            continue;
        struct address *nat =
            address.family == FAMILY_IPV4 ? &network->nat_ipv4 : &network->nat_ipv6;
        if (nat->family)
            config_messages_add(loader->messages, CONFIG_ERROR, place,
                                "a second address of a family: %.60s; the interface has one of "
                                "each",
                                item);
        *nat = address;
    }
}

static void read_addresses(struct loader *loader, const struct config_place *place, char *rest,
                           struct tunnel_description *tunnel)
{
    for (char *item; (item = syntax_item(&rest));) {
        struct address address;
        bool is_known = false;
        if (!read_address(loader, place, item, &address))
            continue;
        for (size_t i = 0; i < tunnel->address_count; i++)
            is_known |= address_is_equal(&tunnel->addresses[i], &address);
        if (is_known)
            continue;
        if (tunnel->address_count == ADDRESSES_MOST) {
            config_messages_add(loader->messages, CONFIG_ERROR, place,
                                "more than %d addresses; remove some", ADDRESSES_MOST);
            return;
        }
        struct address *more = arena_extend(&loader->config->arena, tunnel->addresses,
                                            tunnel->address_count, sizeof(*more));
        if (!more)
            return;
        more[tunnel->address_count++] = address;
        tunnel->addresses = more;
    }
}

static void read_switch(struct loader *loader, const struct config_place *place, const char *value,
                        bool *is_on)
{
    if (!value_switch(value, is_on))
        config_messages_add(loader->messages, CONFIG_ERROR, place,
                            "neither on nor off: \"%.20s\"; write one of them", value);
}

static void read_hook(struct loader *loader, const struct config_place *place,
                      enum keyword keyword, char *command)
{
    struct config *config = loader->config;
    struct config_hook *more =
        arena_extend(&config->arena, config->hooks, config->hook_count, sizeof(*more));
    if (!more)
        return;
    enum config_hook_kind kind = (enum config_hook_kind)(keyword - KEYWORD_PRE_UP);
    more[config->hook_count++] =
        (struct config_hook){.kind = kind, .place = *place, .command = command};
    config->hooks = more;
}

/* Of a file that is only a part of the network they are passed over (I1). */
static bool is_of_single(enum keyword keyword)
{
    return keyword == KEYWORD_FWMARK || keyword == KEYWORD_TABLE ||
           (keyword >= KEYWORD_PRE_UP && keyword <= KEYWORD_POST_DOWN);
}

static void tell_passed_over(struct loader *loader, const struct config_place *place)
{
    config_messages_add(loader->messages, CONFIG_NOTICE, place,
                        "ignored: only a single wg-quick file's %s is honoured", place->key);
}

/* A network's file is its writer's; a plain one is written back as wg-quick does. */
static void read_save_config(struct loader *loader, const struct config_place *place,
                             const char *value, enum source_role role)
{
    bool is_on = false;
    if (!value_switch(value, &is_on))
        config_messages_add(loader->messages, CONFIG_ERROR, place,
                            "neither true nor false: \"%.20s\"; write one of them", value);
    else if (is_on && role == ROLE_PART)
        tell_passed_over(loader, place);
    else if (is_on && role == ROLE_NETWORK)
        config_messages_add(loader->messages, CONFIG_ERROR, place,
                            "only a plain wg-quick file is ever written back; remove the line");
    else
        loader->config->saves_itself = is_on;
}

void settings_network(struct loader *loader, const struct config_place *place, enum keyword keyword,
                      char *value)
{
    struct config *config = loader->config;
    bool is_guarded = true;
    switch (keyword) {
    case KEYWORD_INTERFACE:
        if (value_is_interface_name(value))
            strcpy(config->interface_name, value);
        else
            config_messages_add(loader->messages, CONFIG_ERROR, place,
                                "not an interface's name: \"%.40s\"; write 1 to %d letters, "
                                "digits or _=+.-",
                                value, INTERFACE_NAME_BYTES - 1);
        break;
    case KEYWORD_DNS:
        name_servers_network(loader, place, value);
        break;
    case KEYWORD_ADDRESS:
        read_nat_addresses(loader, place, value);
        break;
    case KEYWORD_MTU:
        read_mtu(loader, place, value, &config->mtu_bytes);
        break;
    case KEYWORD_TABLE:
        read_table(loader, place, value);
        break;
    case KEYWORD_FWMARK:
        read_network_mark(loader, place, value);
        break;
    case KEYWORD_PRIORITY:
        read_priority(loader, place, value);
        break;
    case KEYWORD_KILL_SWITCH:
        read_switch(loader, place, value, &config->has_kill_switch);
        break;
    case KEYWORD_DNS_GUARD:
        read_switch(loader, place, value, &is_guarded);
        config->dns_guard_is_off = !is_guarded;
        break;
    case KEYWORD_ALLOW_LAN:
        settings_lan(loader, place, value);
        break;
    case KEYWORD_PRE_UP:
    case KEYWORD_POST_UP:
    case KEYWORD_PRE_DOWN:
    case KEYWORD_POST_DOWN:
        read_hook(loader, place, keyword, value);
        break;
    default:
        break; /* of other sections */
    }
}

void settings_forget(struct loader *loader, enum keyword keyword, struct draft *draft)
{
    if (keyword == KEYWORD_MTU) {
        draft->tunnel.mtu_bytes = 0;
        draft->tunnel.mtu_is_upper_bound = false;
    } else if (keyword == KEYWORD_TABLE) {
        loader->config->table_is_off = false;
        loader->config->table = 0;
    }
}

static void read_routes(struct loader *loader, const struct config_place *place, char *rest,
                        struct draft *draft)
{
    struct tunnel_description *tunnel = &draft->tunnel;
    bool is_first = tunnel->route_exception_count == 0 && tunnel->routes_are_default;
    bool was_none = !tunnel->routes_are_default && tunnel->route_count == 0;
    for (char *item; (item = syntax_item(&rest));) {
        struct prefix prefix;
        bool is_none = strcasecmp(item, "none") == 0;
        if (was_none || (is_none && !is_first)) {
            config_messages_add(loader->messages, CONFIG_ERROR, place,
                                "none stands alone; remove it or the other routes");
            return;
        }
        is_first = false;
        if (is_none) {
            tunnel->routes_are_default = false;
            was_none = true;
            continue;
        }
        bool is_exception = item[0] == '!';
        if (is_exception && !item[1])
            item = syntax_item(&rest); /* "! PREFIX", or nothing behind it */
        else if (is_exception)
            item++;
        if (!prefix_value_read(loader, place, item ? item : "!", &prefix))
            continue;
        if (is_exception) {
            prefix_value_append(loader, &prefix, place->line, &tunnel->route_exceptions,
                                &draft->notes.exception_lines, &tunnel->route_exception_count);
        } else {
            tunnel->routes_are_default = false;
            prefix_value_append(loader, &prefix, place->line, &tunnel->routes,
                                &draft->notes.route_lines, &tunnel->route_count);
        }
    }
}

static void read_listen_port(struct loader *loader, const struct config_place *place, char *value,
                             struct tunnel_description *tunnel)
{
    if (!endpoint_value_port(loader, syntax_squeeze(value), &tunnel->listen_port))
        config_messages_add(loader->messages, CONFIG_ERROR, place,
                            "not a port: \"%.20s\"; write a number from 0 to 65535", value);
}

static void read_nat(struct loader *loader, const struct config_place *place, const char *value,
                     struct tunnel_description *tunnel)
{
    tunnel->nat_is_off = strcasecmp(value, "off") == 0;
    if (!tunnel->nat_is_off && strcasecmp(value, "auto") != 0)
        config_messages_add(loader->messages, CONFIG_ERROR, place,
                            "neither auto nor off: \"%.20s\"; write one of them", value);
}

void settings_tunnel(struct loader *loader, const struct config_place *place, enum keyword keyword,
                     char *value, enum source_role role, struct draft *draft)
{
    struct tunnel_description *tunnel = &draft->tunnel;
    bool is_passed_over = role == ROLE_PART && is_of_single(keyword);
    switch (is_passed_over ? KEYWORD_COUNT : keyword) {
    case KEYWORD_PRIVATE_KEY:
    case KEYWORD_PRIVATE_KEY_FILE:
        settings_read_key(loader, place, keyword, value, tunnel->private_key);
        break;
    case KEYWORD_LISTEN_PORT:
        read_listen_port(loader, place, value, tunnel);
        break;
    case KEYWORD_FWMARK:
        if (role == ROLE_SINGLE)
            read_network_mark(loader, place, syntax_squeeze(value));
        else if (!value_mark(syntax_squeeze(value), &tunnel->fwmark))
            config_messages_add(loader->messages, CONFIG_ERROR, place,
                                "not a mark: \"%.20s\"; write off or a 32-bit number", value);
        break;
    case KEYWORD_DNS:
        name_servers_tunnel(loader, place, value, role, draft);
        break;
    case KEYWORD_ADDRESS:
        read_addresses(loader, place, value, tunnel);
        break;
    case KEYWORD_MTU:
        read_mtu(loader, place, value, &tunnel->mtu_bytes);
        tunnel->mtu_is_upper_bound = role == ROLE_PART;
        break;
    case KEYWORD_TABLE:
        read_table(loader, place, value);
        break;
    case KEYWORD_VIA:
        draft->notes.via = value;
        break;
    case KEYWORD_CONFIG:
        draft->notes.included = source_path(loader, place->file, value);
        break;
    case KEYWORD_ROUTES:
        read_routes(loader, place, value, draft);
        break;
    case KEYWORD_NAT:
        read_nat(loader, place, value, tunnel);
        break;
    case KEYWORD_PRE_UP:
    case KEYWORD_POST_UP:
    case KEYWORD_PRE_DOWN:
    case KEYWORD_POST_DOWN:
        read_hook(loader, place, keyword, value);
        break;
    case KEYWORD_SAVE_CONFIG:
        read_save_config(loader, place, value, role);
        break;
    default:
        tell_passed_over(loader, place);
    }
}
