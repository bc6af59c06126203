/* SPDX-License-Identifier: MIT */
#include "io/network_roots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct network_roots_added {
    const char *tunnel;
    struct root *root;
};

static int add(struct network_roots *roots, struct network *network, const struct change *change,
               struct text *why)
{
    char reason[256];
    struct text said;
    text_init(&said, reason, sizeof(reason));
    struct network_roots_added *added = &roots->added[roots->added_count];
    int result = network_prepare_root(network, change->description->listen_port,
                                      change->description->fwmark, &added->root, &said);
    added->tunnel = change->tunnel;
    roots->added_count += result == 0;
    if (result != 0)
        text_append(why, "%s: %s", change->tunnel, said.len ? reason : strerror(-result));
    return result;
}

static bool changes_roots(const struct change *change)
{
    return change->kind == CHANGE_TUNNEL_ADD || change->kind == CHANGE_TUNNEL_REMOVE ||
           (change->kind == CHANGE_TUNNEL_SET && change->fields & CHANGE_CARRIER);
}

static int reserve(struct network_roots *roots, struct network *network,
                   const struct changes *changes)
{
    size_t count = 0, more = 0;
    for (size_t i = 0; i < changes->count; i++) {
        count += changes_roots(&changes->list[i]);
        more += changes->list[i].kind == CHANGE_TUNNEL_ADD;
    }
    *roots = (struct network_roots){0};
    if (count == 0)
        return 0;
    roots->added = calloc(count, sizeof(*roots->added));
    roots->removed = calloc(count, sizeof(*roots->removed));
    return roots->added && roots->removed && network_reserve(network, more) ? 0 : -ENOMEM;
}

int network_roots_prepare(struct network_roots *roots, struct network *network,
                          const struct changes *changes, struct text *why)
{
    int result = reserve(roots, network, changes);
    for (size_t i = 0; i < changes->count && result == 0; i++) {
        const struct change *change = &changes->list[i];
        if (!changes_roots(change))
            continue;
        int tunnel = engine_find_tunnel(network_engine(network), change->tunnel);
        bool was_root = tunnel >= 0 && network_udp(network, (uint32_t)tunnel);
        bool is_root = change->kind != CHANGE_TUNNEL_REMOVE && !change->carrier;
        if (is_root && !was_root)
            result = add(roots, network, change, why);
        if (!is_root && was_root)
            roots->removed[roots->removed_count++] = (uint32_t)tunnel;
    }
    return result;
}

static void wipe(struct network_roots *roots)
{
    free(roots->added);
    free(roots->removed);
    *roots = (struct network_roots){0};
}

void network_roots_drop(struct network_roots *roots)
{
    for (size_t i = 0; i < roots->added_count; i++)
        network_drop_root(roots->added[i].root);
    wipe(roots);
}

void network_roots_take(struct network_roots *roots, struct network *network)
{
    const struct engine *engine = network_engine(network);
    for (size_t i = 0; i < roots->added_count; i++) {
        uint32_t tunnel = (uint32_t)engine_find_tunnel(engine, roots->added[i].tunnel);
        if (network_udp(network, tunnel)) /* of one that is gone, whose number it has */
            network_remove_root(network, tunnel);
        network_add_root(network, roots->added[i].root, tunnel);
    }
    for (size_t i = 0; i < roots->removed_count; i++) {
        bool is_taken = false;
        for (size_t a = 0; a < roots->added_count; a++)
            is_taken |= engine_find_tunnel(engine, roots->added[a].tunnel) ==
                        (int)roots->removed[i];
        if (!is_taken)
            network_remove_root(network, roots->removed[i]);
    }
    wipe(roots);
}
