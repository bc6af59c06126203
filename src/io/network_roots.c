/* SPDX-License-Identifier: MIT */
#include "io/network_roots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NONE (-1)

/* A tunnel as the changes leave it. */
struct network_root_next {
    const char *tunnel;
    const char *where; /* for refusals; NULL: nowhere */
    int number; /* the engine's, before the changes; NONE: it is added */
    bool is_removed;
    bool is_root;
    bool has_sockets; /* before the changes */
    bool has_port;    /* a change says which, 0: any */
    bool has_mark;
    uint16_t port;
    uint32_t mark;
    bool leaves; /* the sockets that it has */
    bool is_heir; /* of another one that leaves its sockets */
    struct network_root_next *heir; /* of those that it leaves; NULL: they are closed */
    struct root *opened;
    struct root *left;
};

static struct network_root_next *find(struct network_roots *roots, const char *tunnel)
{
    for (size_t i = 0; i < roots->count; i++) {
        if (!roots->next[i].is_removed && strcmp(roots->next[i].tunnel, tunnel) == 0)
            return &roots->next[i];
    }
    return NULL;
}

static struct network_root_next *add(struct network_roots *roots, const char *tunnel)
{
    struct network_root_next *next = &roots->next[roots->count++];
    *next = (struct network_root_next){.tunnel = tunnel, .number = NONE};
    return next;
}

static struct network_root_next *find_or_add(struct network_roots *roots,
                                             const struct network *network, const char *tunnel)
{
    struct network_root_next *next = find(roots, tunnel);
    int number = next ? NONE : engine_find_tunnel(network_engine(network), tunnel);
    if (next || number < 0)
        return next;
    next = add(roots, tunnel);
    next->number = number;
    next->is_root = next->has_sockets = network_udp(network, (uint32_t)number);
    next->mark = network_mark(network, (uint32_t)number);
    return next;
}

static void take_fields(struct network_root_next *next, unsigned fields,
                        const struct change *change)
{
    next->where = change->port_where ? change->port_where : change->where;
    if (fields & CHANGE_CARRIER)
        next->is_root = !change->carrier;
    if (fields & CHANGE_LISTEN_PORT) {
        next->has_port = true;
        next->port = change->description->listen_port;
    }
    if (fields & CHANGE_FWMARK) {
        next->has_mark = true;
        next->mark = change->description->fwmark;
    }
}

static void take_change(struct network_roots *roots, const struct network *network,
                        const struct change *change)
{
    const unsigned sockets = CHANGE_CARRIER | CHANGE_LISTEN_PORT | CHANGE_FWMARK;
    struct network_root_next *next;
    if (change->kind == CHANGE_TUNNEL_ADD) {
        take_fields(add(roots, change->tunnel), sockets, change);
    } else if (change->kind == CHANGE_TUNNEL_REMOVE) {
        next = find_or_add(roots, network, change->tunnel);
        if (next)
            next->is_removed = true;
    } else if (change->kind == CHANGE_TUNNEL_SET && change->fields & sockets) {
        next = find_or_add(roots, network, change->tunnel);
        /* One that becomes a root is told all of it. */
        bool is_new = next && !next->is_root && change->fields & CHANGE_CARRIER;
        if (next)
            take_fields(next, is_new && change->description ? sockets : change->fields, change);
    }
}

/* ---- who gets which ---- */

static bool keeps(const struct network *network, const struct network_root_next *next)
{
    return next->has_sockets && next->is_root && !next->is_removed &&
           (!next->has_port || next->port == network_port(network, (uint32_t)next->number));
}

/* Who leaves sockets at this port, which nobody else gets yet; or NULL. */
static struct network_root_next *find_leaver(const struct network_roots *roots,
                                             const struct network *network, uint16_t port)
{
    for (size_t i = 0; port && i < roots->count; i++) {
        struct network_root_next *at = &roots->next[i];
        if (at->leaves && !at->heir && network_port(network, (uint32_t)at->number) == port)
            return at;
    }
    return NULL;
}

static int open_sockets(struct network *network, struct network_root_next *next, struct text *why)
{
    struct text said = TEXT_ROOM(256);
    int result = network_prepare_root(network, next->port, next->mark, &next->opened, &said);
    if (result == 0)
        return 0;
    change_begin_refusal(why, next->where, next->tunnel);
    text_append(why, "%s", said.len ? said.bytes : strerror(-result));
    return result;
}

static int find_sockets(struct network_roots *roots, struct network *network, struct text *why)
{
    int result = 0;
    for (size_t i = 0; i < roots->count; i++)
        roots->next[i].leaves = roots->next[i].has_sockets && !keeps(network, &roots->next[i]);
    for (size_t i = 0; i < roots->count && result == 0; i++) {
        struct network_root_next *next = &roots->next[i];
        if (!next->is_root || next->is_removed || keeps(network, next))
            continue;
        struct network_root_next *from = find_leaver(roots, network, next->port);
        next->is_heir = from;
        if (from)
            from->heir = next;
        else
            result = open_sockets(network, next, why);
    }
    return result;
}

int network_roots_prepare(struct network_roots *roots, struct network *network,
                          const struct changes *changes, struct text *why)
{
    size_t more = 0;
    *roots = (struct network_roots){.next = calloc(changes->count + 1, sizeof(*roots->next))};
    for (size_t i = 0; i < changes->count; i++)
        more += changes->list[i].kind == CHANGE_TUNNEL_ADD;
    if (!roots->next || !network_reserve(network, more)) {
        text_append(why, "no memory; nothing was changed");
        return -ENOMEM;
    }
    for (size_t i = 0; i < changes->count; i++)
        take_change(roots, network, &changes->list[i]);
    return find_sockets(roots, network, why);
}

static void wipe(struct network_roots *roots)
{
    free(roots->next);
    *roots = (struct network_roots){0};
}

void network_roots_drop(struct network_roots *roots, struct network *network)
{
    for (size_t i = 0; i < roots->count; i++)
        network_drop_root(network, roots->next[i].opened);
    wipe(roots);
}

/* ---- the engine has the changes ---- */

static void place(const struct network_root_next *next, struct network *network)
{
    int number =
        next->is_removed ? NONE : engine_find_tunnel(network_engine(network), next->tunnel);
    if (number < 0)
        return;
    if (next->opened)
        network_add_root(network, next->opened, (uint32_t)number);
    bool is_marked = next->is_root && (next->has_mark || next->is_heir);
    int result = is_marked ? network_set_mark(network, (uint32_t)number, next->mark) : 0;
    if (result != 0)
        network_log(network, LOG_LEVEL_WARNING, strerror(-result));
}

void network_roots_take(struct network_roots *roots, struct network *network)
{
    for (size_t i = 0; i < roots->count; i++) {
        struct network_root_next *at = &roots->next[i];
        if (at->leaves)
            *(at->heir ? &at->heir->opened : &at->left) =
                network_take_root(network, (uint32_t)at->number);
    }
    for (size_t i = 0; i < roots->count; i++)
        place(&roots->next[i], network);
    for (size_t i = 0; i < roots->count; i++)
        network_drop_root(network, roots->next[i].left);
    wipe(roots);
}
