/* SPDX-License-Identifier: MIT */
/* The kernel's tables are the memory: a change reads what stands, compares it with what is wanted
 * and asks for the difference. So a second run does nothing, a run after the kernel dropped routes
 * puts them back, and going back after a failure is the same run with the old list. As long as
 * nobody else changed them, what was laid last says the same, and need not be read.
 *
 * The rules that end the search for a link's own prefix (rule_order.h) stand before its throw and
 * go after it. */
#include "host/routing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/kernel_route.h"
#include "host/route_set.h"
#include "host/routes_standing.h"
#include "host/rule_keeping.h"
#include "host/table_names.h"

/* A mark is held by a rule that names it, also by some of its lowest bits. */
static bool rule_holds(const struct kernel_rule *rule, uint32_t mark, uint32_t table)
{
    bool names_mark = (rule->mask & ~NETWORK_MARK_MASK) && (mark & rule->mask) == rule->mark;
    return rule->table == table || rule->table == table + 1 || (mark && names_mark);
}

static bool is_taken(const struct routing_choice *choice, uint32_t mark, uint32_t table)
{
    for (size_t i = 0; i < choice->taken_count; i++)
        if (choice->taken[i] == mark || choice->taken[i] == table)
            return true;
    return false;
}

/* A mark of the user's own (then `mark` is 0) may be anybody's. */
static int is_free(struct netlink *netlink, uint32_t mark, uint32_t table,
                   const struct kernel_rule *rules, size_t rule_count, bool *is_free,
                   struct text *why)
{
    *is_free = false;
    for (size_t i = 0; i < rule_count; i++)
        if (rule_holds(&rules[i], mark, table))
            return 0;
    for (unsigned i = 0; i < 2; i++) {
        struct kernel_route *routes;
        size_t count;
        int result = kernel_route_list(netlink, table + i, &routes, &count, why);
        if (result < 0)
            return result;
        free(routes);
        if (count > 0)
            return 0;
    }
    *is_free = true;
    return 0;
}

/* Marks and tables come together: the mark after the first has the pair of tables after the
 * first. */
static int choose_numbers(struct netlink *netlink, const struct routing_choice *choice,
                          const struct kernel_rule *rules, size_t rule_count,
                          struct routing *chosen, struct text *why)
{
    for (uint32_t mark = ROUTING_MARK_FIRST; mark <= ROUTING_MARK_LAST; mark++) {
        bool has_found;
        uint32_t table = ROUTING_TABLE_FIRST + 2 * (mark - ROUTING_MARK_FIRST);
        if (is_taken(choice, mark, table))
            continue;
        int result = is_free(netlink, choice->mark ? 0 : mark, table, rules, rule_count,
                             &has_found, why);
        if (result < 0)
            return result;
        if (!has_found)
            continue;
        chosen->mark = choice->mark ? choice->mark : mark;
        chosen->mask = choice->mark ? choice->mask : NETWORK_MARK_MASK;
        chosen->tables[0] = table;
        chosen->tables[1] = table + 1;
        return 0;
    }
    text_append(why,
                "no free routing table from %u to %u: see `ip rule` and `hopwire down` a "
                "network",
                ROUTING_TABLE_FIRST, ROUTING_TABLE_LAST);
    return -ENOSPC;
}

/* Both families' rules in one array, malloc's, also after a failure. */
static int list_rules(struct netlink *netlink, struct kernel_rule **rules, size_t *count,
                      struct text *why)
{
    struct kernel_rule *more = NULL, *all = NULL;
    size_t more_count = 0;
    int result = kernel_rule_list(netlink, FAMILY_IPV4, rules, count, why);
    if (result == 0)
        result = kernel_rule_list(netlink, FAMILY_IPV6, &more, &more_count, why);
    if (result == 0)
        all = realloc(*rules, (*count + more_count + 1) * sizeof(*all));
    if (all) {
        *rules = all;
        for (size_t i = 0; i < more_count; i++)
            all[(*count)++] = more[i];
    } else if (result == 0) {
        text_append(why, "no memory for the host's routing rules");
        result = -ENOMEM;
    }
    free(more);
    return result;
}

int routing_choose(struct netlink *netlink, const struct routing_choice *choice,
                   struct routing *routing, struct text *why)
{
    struct routing chosen = {
        .mode = choice->mode,
        .priority = choice->priority,
        .twin_metric = KERNEL_ROUTE_METRIC_LAST,
        .interface_index = choice->interface_index,
        .ipv6 = sysctl_ipv6(choice->interface_name),
    };
    size_t name_len = strlen(choice->interface_name);
    if (name_len >= sizeof(chosen.interface_name) || choice->interface_index <= 0 ||
        (choice->mode == ROUTING_TABLE && choice->table == 0)) {
        text_append(why,
                    "no routes for interface \"%s\" in table %u: a table's number is 1 or "
                    "larger, an interface's name at most 15 bytes",
                    choice->interface_name, choice->table);
        return -EINVAL;
    }
    memcpy(chosen.interface_name, choice->interface_name, name_len);

    struct kernel_rule *rules = NULL;
    size_t rule_count = 0;
    int result = list_rules(netlink, &rules, &rule_count, why);
    if (result == 0)
        result = choose_numbers(netlink, choice, rules, rule_count, &chosen, why);
    if (choice->mode != ROUTING_AUTO)
        memset(chosen.tables, 0, sizeof(chosen.tables));
    if (choice->mode == ROUTING_TABLE) {
        /* The table is others' too: this tells our twins from another network's. */
        chosen.tables[0] = choice->table;
        chosen.twin_metric = KERNEL_ROUTE_METRIC_LAST - (uint32_t)choice->interface_index;
    }
    free(rules);
    if (result == 0)
        *routing = chosen;
    return result;
}

/* Which families have a default route. */
static void note_defaults(struct routing *routing, const struct routing_entry *entries,
                          size_t count)
{
    unsigned halves = routing_entries_halves(entries, count);
    routing->has_default[0] = routing->has_default[1] = false;
    for (size_t i = 0; i < count; i++) {
        const struct routing_entry *entry = &entries[i];
        bool is_ipv6 = entry->prefix.address.family == FAMILY_IPV6;
        bool is_inside = entry->kind == ROUTING_TUNNEL || entry->kind == ROUTING_UNREACHABLE;
        if (is_inside && !(is_ipv6 && routing->ipv6 == SYSCTL_IPV6_ABSENT))
            routing->has_default[is_ipv6] |= routing_entries_is_default(&entry->prefix, halves);
    }
}

static int want_all(const struct routing *routing, const struct routing_entry *entries,
                    size_t count, struct route_set *set, struct text *why)
{
    unsigned halves = routing_entries_halves(entries, count);
    int result = route_set_init(set, count, why);
    for (size_t i = 0; i < count && result == 0; i++)
        route_set_want(set, routing, halves, &entries[i]);
    return result;
}

/* In a table of the user's, ours are those to our interface and those of our own last metric. */
static bool is_ours(const struct routing *routing, const struct kernel_route *route)
{
    if (route->protocol != KERNEL_ROUTE_PROTOCOL)
        return false;
    return routing->mode == ROUTING_AUTO || route->metric == routing->twin_metric ||
           (route->interface_index && route->interface_index == routing->interface_index);
}

static int read_ours(struct netlink *netlink, const struct routing *routing, struct route_set *set,
                     struct text *why)
{
    struct route_set parts[2] = {{0}, {0}};
    unsigned tables = routing->mode == ROUTING_AUTO ? 2 : 1;
    int result = 0;
    for (unsigned i = 0; i < tables && result == 0; i++)
        result =
            kernel_route_list(netlink, routing->tables[i], &parts[i].routes, &parts[i].count, why);
    struct route_set ours = {0};
    if (result == 0)
        ours.routes = calloc(parts[0].count + parts[1].count + 1, sizeof(*ours.routes));
    if (result == 0 && !ours.routes) {
        text_append(why, "no memory for the routes of a table");
        result = -ENOMEM;
    }
    for (unsigned i = 0; i < 2 && result == 0; i++)
        for (size_t j = 0; j < parts[i].count; j++)
            if (is_ours(routing, &parts[i].routes[j]))
                ours.routes[ours.count++] = parts[i].routes[j];
    free(parts[0].routes);
    free(parts[1].routes);
    if (result == 0)
        *set = ours;
    return result;
}

static int converge(struct netlink *netlink, const struct routing *routing,
                    struct route_set *wanted, struct text *why)
{
    struct route_set standing;
    int result = read_ours(netlink, routing, &standing, why);
    if (result < 0)
        return result;
    result = route_set_change(netlink, &standing, wanted, why);
    free(standing.routes);
    return result;
}

/* A table that others look into ends their search with main's own rule: nothing comes after. */
static int refuse_throw_in_main(const struct routing *routing, const struct routing_entry *entries,
                                size_t count, struct text *why)
{
    if (routing->mode != ROUTING_TABLE || routing->tables[0] != KERNEL_ROUTE_TABLE_MAIN)
        return 0;
    for (size_t i = 0; i < count; i++) {
        char text[PREFIX_TEXT_BYTES];
        if (entries[i].kind != ROUTING_THROW)
            continue;
        text_append(why,
                    "Table = main cannot except !%s, since no table follows main: use Table = "
                    "auto, or another number with a rule of your own",
                    prefix_format(&entries[i].prefix, text));
        return -EINVAL;
    }
    return 0;
}

struct lan {
    struct prefix *prefixes;
    size_t count;
};

static struct rule_order_network order_of(const struct routing *routing)
{
    return (struct rule_order_network){
        .mark = routing->mark,
        .mask = routing->mask,
        .tables = {routing->tables[0], routing->tables[1]},
        .priority = routing->priority,
        .is_closed = routing->has_kill_switch,
        .has_default = {routing->has_default[0], routing->has_default[1]},
        .has_ipv6 = routing->ipv6 != SYSCTL_IPV6_ABSENT,
    };
}

/* `keeps`: those of other prefixes stay. */
static int keep_rules(struct netlink *netlink, const struct routing *routing, const struct lan *lan,
                      bool keeps, struct text *why)
{
    struct rule_order_network order = order_of(routing);
    order.lan = lan->prefixes;
    order.lan_count = lan->count;
    order.keeps_lan = keeps;
    return routing->mode == ROUTING_AUTO ? rule_keeping_keep(netlink, &order, why) : 0;
}

/* `known`: NULL: the kernel is asked. */
struct laying {
    const struct routing *laid; /* what was laid before, and stands again where laying failed */
    const struct routes_standing *known;
    struct route_set before; /* of that where something else is wanted */
    struct route_set wanted;
    struct lan lan;
};

static int lay_known_routes(struct netlink *netlink, struct laying *laying, struct text *why)
{
    const struct routes_standing *known = laying->known;
    struct route_set all;
    int result = route_set_change(netlink, &laying->before, &laying->wanted, why);
    if (result == 0 || want_all(laying->laid, known->entries, known->count, &all, TEXT_UNHEARD))
        return result;
    converge(netlink, laying->laid, &all, TEXT_UNHEARD);
    free(all.routes);
    return result;
}

static int lay_routes(struct netlink *netlink, const struct routing *routing,
                      struct laying *laying, struct text *why)
{
    struct route_set before;
    if (laying->known)
        return lay_known_routes(netlink, laying, why);
    int result = read_ours(netlink, routing, &before, why);
    if (result < 0)
        return result;
    result = route_set_change(netlink, &before, &laying->wanted, why);
    if (result < 0)
        converge(netlink, routing, &before, TEXT_UNHEARD);
    free(before.routes);
    return result;
}

static void remove_at(struct route_set *set, size_t at)
{
    set->count--;
    memmove(&set->routes[at], &set->routes[at + 1], (set->count - at) * sizeof(set->routes[0]));
}

/* In a table of the user's somebody else's route may stand where one of ours would: it stays, and
 * ours goes out of `wanted`. 0, or -EADDRINUSE and a sentence about the first of them. */
static int leave_others(struct netlink *netlink, const struct routing *routing,
                        struct route_set *wanted, struct text *why)
{
    struct route_set table;
    int result = 0;
    if (routing->mode != ROUTING_TABLE)
        return 0;
    int listed =
        kernel_route_list(netlink, routing->tables[0], &table.routes, &table.count, why);
    if (listed < 0)
        return listed;
    qsort(wanted->routes, wanted->count, sizeof(*wanted->routes), kernel_route_compare);
    for (size_t i = 0; i < table.count; i++) {
        char text[PREFIX_TEXT_BYTES], name[TABLE_NAMES_TEXT_BYTES];
        const struct kernel_route *ours = route_set_find(wanted, &table.routes[i]);
        if (!ours || is_ours(routing, &table.routes[i]))
            continue;
        if (result == 0)
            text_append(why,
                        "table %s has a route for %s already, which is not Hopwire's: remove it, "
                        "or use Table = auto",
                        table_names_show(routing->tables[0], name),
                        prefix_format(&ours->prefix, text));
        result = -EADDRINUSE;
        remove_at(wanted, (size_t)(ours - wanted->routes));
    }
    free(table.routes);
    return result;
}

int routing_look(struct netlink *netlink, const struct routing *routing,
                 const struct routing_entry *entries, size_t count, struct text *why)
{
    struct routing tried = *routing;
    struct route_set wanted;
    int result = refuse_throw_in_main(&tried, entries, count, why);
    note_defaults(&tried, entries, count);
    if (result == 0)
        result = want_all(&tried, entries, count, &wanted, why);
    if (result < 0)
        return result;
    const struct rule_order_network order = order_of(&tried);
    result = tried.mode == ROUTING_AUTO ? rule_keeping_foresee(netlink, &order, why)
                                        : leave_others(netlink, &tried, &wanted, why);
    free(wanted.routes);
    return result;
}

/* A /0 or a link's prefix that comes or goes: its rules stand as long as its routes do. */
static int lay_with_rules(struct netlink *netlink, struct routing *routing,
                          struct laying *laying, struct text *why)
{
    const struct routing next = *routing;
    const struct lan *lan = &laying->lan;
    for (unsigned f = 0; f < 2; f++)
        routing->has_default[f] |= laying->laid->has_default[f];
    int result = keep_rules(netlink, routing, lan, true, why);
    int left = result == 0 ? leave_others(netlink, routing, &laying->wanted, why) : 0;
    if (result == 0 && (left == 0 || left == -EADDRINUSE))
        result = lay_routes(netlink, routing, laying, why);
    *routing = result == 0 ? next : *laying->laid;
    int kept = keep_rules(netlink, routing, lan, result != 0, result ? TEXT_UNHEARD : why);
    return result ? result : kept ? kept : left;
}

static int find_routes(struct laying *laying, const struct routing *routing,
                       const struct routing_entry *entries, size_t count, struct text *why)
{
    int result = laying->known ? routes_standing_compare(laying->known, routing, entries, count,
                                                         &laying->before, &laying->wanted, why)
                               : want_all(routing, entries, count, &laying->wanted, why);
    return result ? result
                  : routing_entries_lan(routing->has_kill_switch, entries, count,
                                        &laying->lan.prefixes, &laying->lan.count, why);
}

static int update(struct netlink *netlink, struct routing *routing,
                  const struct routes_standing *known, const struct routing_entry *entries,
                  size_t count, struct text *why)
{
    const struct routing laid = *routing;
    struct laying laying = {.laid = &laid, .known = known};
    if (routing->mode == ROUTING_OFF)
        return 0;
    int result = refuse_throw_in_main(routing, entries, count, why);
    if (result < 0)
        return result;
    note_defaults(routing, entries, count);
    result = find_routes(&laying, routing, entries, count, why);
    if (result == 0)
        result = lay_with_rules(netlink, routing, &laying, why);
    else
        *routing = laid; /* what was noted is not laid */
    free(laying.before.routes);
    free(laying.wanted.routes);
    free(laying.lan.prefixes);
    return result;
}

int routing_update(struct netlink *netlink, struct routing *routing,
                   const struct routing_entry *entries, size_t count, struct text *why)
{
    return update(netlink, routing, NULL, entries, count, why);
}

int routing_follow(struct netlink *netlink, struct routing *routing,
                   struct routes_standing *standing, struct routing_entry *entries, size_t count,
                   struct text *why)
{
    /* In a table of the user's others' routes may stand where ours would. */
    bool is_known = routing->mode == ROUTING_AUTO && routes_standing_are_known(standing);
    int result = update(netlink, routing, is_known ? standing : NULL, entries, count, why);
    if (result == 0) {
        routes_standing_note(standing, routing, entries, count);
        return 0;
    }
    routes_standing_forget(standing);
    free(entries);
    return result;
}

int routing_lay(struct netlink *netlink, struct routing *routing,
                const struct routing_entry *entries, size_t count, struct text *why)
{
    struct rule_order_network order = order_of(routing);
    int result = routing->mode == ROUTING_AUTO ? rule_keeping_claim(netlink, &order, why) : 0;
    if (result == -EEXIST) /* all of them are another network's */
        return result;
    if (result == 0)
        result = routing_update(netlink, routing, entries, count, why);
    if (result == 0 && routing->mode == ROUTING_AUTO)
        result = rule_keeping_look(netlink, &order, why);
    if (result < 0)
        routing_undo(netlink, routing, TEXT_UNHEARD);
    return result;
}

int routing_undo(struct netlink *netlink, const struct routing *routing, struct text *why)
{
    struct rule_order_network order = order_of(routing);
    int first = routing->mode == ROUTING_AUTO ? rule_keeping_remove(netlink, &order, why) : 0;
    if (routing->mode == ROUTING_OFF)
        return first;
    struct route_set nothing = {.routes = &(struct kernel_route){.metric = 0}};
    int result = converge(netlink, routing, &nothing, first < 0 ? TEXT_UNHEARD : why);
    return first < 0 ? first : result;
}
