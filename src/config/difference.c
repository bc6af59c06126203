/* SPDX-License-Identifier: MIT */
/* Order: tunnels as they will stand, a carrier before what it carries, each added or moved there.
 * So where one moves to stands in its final place, and no loop is met half-way. Then the peers of
 * those that stay, and last what is gone, the carried before its carrier. */
#include "config/difference.h"

#include <string.h>

#include "base/text.h"
#include "config/difference_network.h"
#include "config/difference_peers.h"

#define NOWHERE SIZE_MAX
#define ITEMS_SHOWN 8
#define VALUE_BYTES 420

struct finding {
    struct difference_list list;
    const struct config *before, *after;
    const struct network_description *running;
};

static size_t find_tunnel(const struct network_description *network, const char *name)
{
    for (size_t i = 0; i < network->tunnel_count; i++)
        if (strcmp(network->tunnels[i].name, name) == 0)
            return i;
    return NOWHERE;
}

static const char *carrier_of(const struct network_description *network, size_t tunnel)
{
    int carrier = network->tunnels[tunnel].carrier;
    return carrier == TUNNEL_NO_CARRIER ? NULL : network->tunnels[carrier].name;
}

/* ---- values in words ---- */

static bool are_same_addresses(const struct address *a, size_t a_count, const struct address *b,
                               size_t b_count)
{
    bool is_same = a_count == b_count;
    for (size_t i = 0; is_same && i < a_count; i++)
        is_same = address_is_equal(&a[i], &b[i]);
    return is_same;
}

static bool are_same_prefixes(const struct prefix *a, size_t a_count, const struct prefix *b,
                              size_t b_count)
{
    bool is_same = a_count == b_count;
    for (size_t i = 0; is_same && i < a_count; i++)
        is_same = prefix_is_equal(&a[i], &b[i]);
    return is_same;
}

static void append_addresses(struct text *text, const struct address *addresses, size_t count)
{
    if (count == 0)
        text_append(text, "none");
    for (size_t i = 0; i < count && i < ITEMS_SHOWN; i++) {
        char address[ADDRESS_TEXT_BYTES];
        text_append(text, "%s%s", i ? ", " : "", address_format(&addresses[i], address));
    }
    if (count > ITEMS_SHOWN)
        text_append(text, " and %zu more", count - ITEMS_SHOWN);
}

static void append_routes(struct text *text, const struct tunnel_description *tunnel)
{
    char prefix[PREFIX_TEXT_BYTES];
    size_t shown = 0, count = tunnel->route_count + tunnel->route_exception_count;
    if (tunnel->routes_are_default)
        text_append(text, "the peers' AllowedIPs%s", count ? ", " : "");
    else if (count == 0)
        text_append(text, "none");
    for (; shown < tunnel->route_count && shown < ITEMS_SHOWN; shown++)
        text_append(text, "%s%s", shown ? ", " : "",
                    prefix_format(&tunnel->routes[shown], prefix));
    for (size_t i = 0; i < tunnel->route_exception_count && shown < ITEMS_SHOWN; i++, shown++)
        text_append(text, "%s!%s", shown ? ", " : "",
                    prefix_format(&tunnel->route_exceptions[i], prefix));
    if (count > shown)
        text_append(text, " and %zu more", count - shown);
}

/* A number of which 0 means something else. */
static void append_number(struct text *text, uint32_t number, bool is_hexadecimal,
                          const char *zero)
{
    if (number == 0)
        text_append(text, "%s", zero);
    else
        text_append(text, is_hexadecimal ? "0x%x" : "%u", number);
}

/* ---- a tunnel that stays ---- */

struct pair {
    struct finding *finding;
    size_t before, after; /* its places */
    const struct tunnel_description *old, *new;
};

typedef void (*append_value)(struct text *text, const struct tunnel_description *tunnel);

static void append_address_value(struct text *text, const struct tunnel_description *tunnel)
{
    append_addresses(text, tunnel->addresses, tunnel->address_count);
}

static void append_dns_value(struct text *text, const struct tunnel_description *tunnel)
{
    append_addresses(text, tunnel->dns, tunnel->dns_count);
}

static void append_mtu_value(struct text *text, const struct tunnel_description *tunnel)
{
    append_number(text, tunnel->mtu_bytes, false, "computed");
    if (tunnel->mtu_bytes && tunnel->mtu_is_upper_bound)
        text_append(text, " at most");
}

static void append_port_value(struct text *text, const struct tunnel_description *tunnel)
{
    append_number(text, tunnel->listen_port, false, "any");
}

static void append_mark_value(struct text *text, const struct tunnel_description *tunnel)
{
    append_number(text, tunnel->fwmark, true, "the network's");
}

static void append_nat_value(struct text *text, const struct tunnel_description *tunnel)
{
    text_append(text, "%s", tunnel->nat_is_off ? "off" : "auto");
}

static void tell_value(const struct pair *pair, const char *key, append_value append)
{
    char old[VALUE_BYTES], new[VALUE_BYTES];
    struct text text;
    text_init(&text, old, sizeof(old));
    append(&text, pair->old);
    text_init(&text, new, sizeof(new));
    append(&text, pair->new);
    difference_list_tell(&pair->finding->list, "tunnel %s: %s %s → %s", pair->new->name, key, old,
                         new);
}

static bool is_same_carrier(const struct pair *pair)
{
    const char *old = carrier_of(&pair->finding->before->network, pair->before);
    const char *new = carrier_of(&pair->finding->after->network, pair->after);
    return old && new ? strcmp(old, new) == 0 : old == new;
}

static void tell_carrier(const struct pair *pair)
{
    const char *old = carrier_of(&pair->finding->before->network, pair->before);
    const char *new = carrier_of(&pair->finding->after->network, pair->after);
    difference_list_tell(&pair->finding->list, "tunnel %s: Via %s → %s", pair->new->name,
                         old ? old : "none", new ? new : "none");
}

static bool has_same_routes(const struct pair *pair)
{
    const struct tunnel_description *old = pair->old, *new = pair->new;
    return old->routes_are_default == new->routes_are_default &&
           are_same_prefixes(old->routes, old->route_count, new->routes, new->route_count) &&
           are_same_prefixes(old->route_exceptions, old->route_exception_count,
                             new->route_exceptions, new->route_exception_count);
}

static unsigned tell_fields(const struct pair *pair)
{
    const struct tunnel_description *old = pair->old, *new = pair->new;
    const struct {
        bool is_same;
        unsigned field;
        const char *key;
        append_value append;
    } values[] = {
        {old->listen_port == new->listen_port, CHANGE_LISTEN_PORT, "ListenPort",
         append_port_value},
        {old->fwmark == new->fwmark, CHANGE_FWMARK, "FwMark", append_mark_value},
        {are_same_addresses(old->addresses, old->address_count, new->addresses,
                            new->address_count),
         CHANGE_ADDRESSES, "Address", append_address_value},
        {are_same_addresses(old->dns, old->dns_count, new->dns, new->dns_count), CHANGE_DNS,
         "DNS", append_dns_value},
        {old->mtu_bytes == new->mtu_bytes && old->mtu_is_upper_bound == new->mtu_is_upper_bound,
         CHANGE_MTU, "MTU", append_mtu_value},
        {old->nat_is_off == new->nat_is_off, CHANGE_NAT, "NAT", append_nat_value},
        {has_same_routes(pair), CHANGE_ROUTES, "Routes", append_routes},
    };
    unsigned fields = 0;
    if (memcmp(old->private_key, new->private_key, 32) != 0) {
        fields |= CHANGE_PRIVATE_KEY;
        difference_list_tell(&pair->finding->list, "tunnel %s: PrivateKey changes", new->name);
    }
    if (!is_same_carrier(pair)) {
        fields |= CHANGE_CARRIER;
        tell_carrier(pair);
    }
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        if (values[i].is_same)
            continue;
        fields |= values[i].field;
        if (!pair->finding->after->is_plain || values[i].field != CHANGE_DNS) /* the network's */
            tell_value(pair, values[i].key, values[i].append);
    }
    return fields;
}

/* ---- the tree ---- */

static void set_port_where(struct finding *finding, struct change *change, size_t place)
{
    change->port_where = difference_list_where(
        &finding->list, &finding->after->tunnels[place].given[KEYWORD_LISTEN_PORT]);
}

static void add_tunnel(struct finding *finding, size_t place)
{
    const struct network_description *network = &finding->after->network;
    const struct tunnel_description *tunnel = &network->tunnels[place];
    const char *carrier = carrier_of(network, place);
    difference_list_tell(&finding->list, "tunnel %s: added, %s%s, with %zu peer%s", tunnel->name,
                         carrier ? "inside " : "a root", carrier ? carrier : "",
                         tunnel->peer_count, tunnel->peer_count == 1 ? "" : "s");
    struct change *change = difference_list_add(&finding->list, CHANGE_TUNNEL_ADD, tunnel->name,
                                                &finding->after->tunnels[place].place);
    if (!change)
        return;
    change->description = tunnel;
    change->carrier = carrier;
    set_port_where(finding, change, place);
}

static struct pair pair_of(struct finding *finding, size_t before, size_t after)
{
    return (struct pair){finding, before, after, &finding->before->network.tunnels[before],
                         &finding->after->network.tunnels[after]};
}

static void set_tunnel(const struct pair *pair)
{
    unsigned fields = tell_fields(pair);
    if (fields == 0)
        return;
    struct finding *finding = pair->finding;
    struct change *change =
        difference_list_add(&finding->list, CHANGE_TUNNEL_SET, pair->new->name,
                            &finding->after->tunnels[pair->after].place);
    if (!change)
        return;
    change->fields = fields;
    change->description = pair->new;
    change->carrier = carrier_of(&finding->after->network, pair->after);
    set_port_where(finding, change, pair->after);
}

/* Level by level of the tree that will be. */
static void find_tunnels(struct finding *finding)
{
    const struct network_description *network = &finding->after->network;
    uint32_t deepest = description_depth(network);
    for (size_t depth = 1; depth <= deepest; depth++) {
        for (size_t i = 0; i < network->tunnel_count; i++) {
            if (description_depth_of(network, i) != depth)
                continue;
            size_t before = find_tunnel(&finding->before->network, network->tunnels[i].name);
            if (before == NOWHERE) {
                add_tunnel(finding, i);
            } else {
                const struct pair pair = pair_of(finding, before, i);
                set_tunnel(&pair);
            }
        }
    }
}

static void find_peers(struct finding *finding)
{
    const struct network_description *network = &finding->after->network;
    for (size_t i = 0; i < network->tunnel_count; i++) {
        size_t before = find_tunnel(&finding->before->network, network->tunnels[i].name);
        if (before == NOWHERE)
            continue;
        size_t now = find_tunnel(finding->running, network->tunnels[i].name);
        const struct difference_tunnel tunnel = {
            &finding->before->network.tunnels[before], &network->tunnels[i],
            &finding->after->tunnels[i],
            now == NOWHERE ? NULL : &finding->running->tunnels[now]};
        difference_peers_find(&finding->list, &tunnel);
    }
}

/* Level by level of the tree that was, from the inside. */
static void remove_tunnels(struct finding *finding)
{
    const struct network_description *network = &finding->before->network;
    for (size_t depth = description_depth(network); depth > 0; depth--) {
        for (size_t i = 0; i < network->tunnel_count; i++) {
            const char *name = network->tunnels[i].name;
            if (description_depth_of(network, i) != depth ||
                find_tunnel(&finding->after->network, name) != NOWHERE)
                continue;
            difference_list_tell(&finding->list, "tunnel %s: removed", name);
            difference_list_add(&finding->list, CHANGE_TUNNEL_REMOVE, name, NULL);
        }
    }
}

/* Whether the tunnel at this place of the file is the named one, where the engine has that next. */
static bool is_next(const struct network_description *network, size_t *place, const char *name)
{
    return *place < network->tunnel_count &&
           strcmp(network->tunnels[(*place)++].name, name) == 0;
}

/* What stays keeps its order, and what is added comes behind it. */
static bool comes_by_itself(const struct finding *finding)
{
    const struct network_description *after = &finding->after->network;
    const struct changes *changes = &finding->list.difference->changes;
    size_t place = 0;
    bool is_same = true;
    for (size_t i = 0; i < finding->running->tunnel_count && is_same; i++) {
        const char *name = finding->running->tunnels[i].name;
        is_same = find_tunnel(after, name) == NOWHERE || is_next(after, &place, name);
    }
    for (size_t i = 0; i < changes->count && is_same; i++)
        is_same = changes->list[i].kind != CHANGE_TUNNEL_ADD ||
                  is_next(after, &place, changes->list[i].tunnel);
    return is_same;
}

/* The file's order decides who is the first root, and whose name server's route holds (RULES A6,
 * B2, G3). */
static void find_order(struct finding *finding)
{
    const struct network_description *network = &finding->after->network;
    struct changes *changes = &finding->list.difference->changes;
    struct text text = TEXT_ROOM(VALUE_BYTES);
    if (comes_by_itself(finding))
        return;
    const char **order =
        arena_take(finding->list.arena, network->tunnel_count * sizeof(*order));
    if (!order)
        return;
    for (size_t i = 0; i < network->tunnel_count; i++) {
        order[i] = network->tunnels[i].name;
        text_append(&text, "%s%s", i ? ", " : "", order[i]);
    }
    changes->order = order;
    changes->order_count = network->tunnel_count;
    difference_list_tell(&finding->list, "network: the tunnels' order → %s", text.bytes);
}

bool difference_find(struct difference *difference, struct arena *arena,
                     const struct config *before, const struct config *after,
                     const struct network_description *running, const char *file,
                     struct config_messages *messages)
{
    *difference = (struct difference){0};
    struct finding finding = {.list = {.arena = arena, .difference = difference},
                              .before = before,
                              .after = after,
                              .running = running};
    if (!difference_network_stays(before, after, file, messages))
        return false;
    difference_network_find(&finding.list, before, after);
    find_tunnels(&finding);
    find_peers(&finding);
    remove_tunnels(&finding);
    find_order(&finding);
    if (!arena->is_exhausted)
        return true;
    config_messages_add(messages, CONFIG_ERROR, NULL, "out of memory");
    return false;
}
