/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/network_roots.h"

static bool is_set(const struct change *change, unsigned field)
{
    return change->kind == CHANGE_TUNNEL_SET && (change->fields & field);
}

/* A root's sockets at the port that it shall have. */
struct moved_port {
    uint32_t root;
    struct udp *opened;
};

/* The root that the change gives this field; -1: none. */
static int root_of_change(const struct network *network, const struct change *change,
                          unsigned field)
{
    int tunnel = is_set(change, field)
                     ? engine_find_tunnel(network_engine(network), change->tunnel)
                     : -1;
    return tunnel >= 0 && network_udp(network, (uint32_t)tunnel) ? tunnel : -1;
}

/* The engine has the changes, or has refused them. */
static void end_moves(struct network *network, struct moved_port *moved, size_t count,
                      bool is_taken)
{
    for (size_t i = 0; i < count; i++) {
        int result = is_taken ? network_take_port(network, moved[i].root, moved[i].opened) : 0;
        if (!is_taken && moved[i].opened)
            udp_close(moved[i].opened);
        if (result != 0)
            network_log(network, LOG_LEVEL_WARNING, strerror(-result));
    }
    free(moved);
}

static void set_marks(struct network *network, const struct changes *changes)
{
    for (size_t i = 0; i < changes->count; i++) {
        const struct change *change = &changes->list[i];
        int root = root_of_change(network, change, CHANGE_FWMARK);
        int result =
            root < 0 ? 0 : network_set_mark(network, (uint32_t)root, change->description->fwmark);
        if (result != 0)
            network_log(network, LOG_LEVEL_WARNING, strerror(-result));
    }
}

int network_apply(struct network *network, const struct changes *changes, struct text *why)
{
    struct moved_port *moved = calloc(changes->count + 1, sizeof(*moved));
    struct network_roots roots;
    size_t count = 0;
    int result = network_roots_prepare(&roots, network, changes, why);
    if (!moved)
        result = -ENOMEM;
    for (size_t i = 0; i < changes->count && result == 0; i++) {
        const struct change *change = &changes->list[i];
        int root = root_of_change(network, change, CHANGE_LISTEN_PORT);
        if (root < 0)
            continue;
        moved[count].root = (uint32_t)root;
        result = network_open_port(network, (uint32_t)root, change->description->listen_port,
                                   &moved[count].opened, why);
        count += result == 0;
    }
    char reason[1024] = "";
    if (result == 0 && !engine_apply(network_engine(network), changes, loop_now(), reason,
                                     sizeof(reason))) {
        text_append(why, "%s", reason);
        result = -EINVAL;
    }
    end_moves(network, moved, count, result == 0);
    if (result != 0) {
        network_roots_drop(&roots);
    } else {
        network_roots_take(&roots, network);
        set_marks(network, changes);
    }
    return result;
}
