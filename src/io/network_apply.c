/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/network_roots.h"

static bool is_set(const struct change *change, unsigned field)
{
    return change->kind == CHANGE_TUNNEL_SET && (change->fields & field);
}

/* The sockets that the changes move; first, since only the kernel knows whether a port is free. */
struct moved_port {
    uint32_t root;
    uint16_t before;
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

static void move_back(struct network *network, const struct moved_port *moved, size_t count)
{
    for (size_t i = count; i-- > 0;) {
        char unheard[256];
        struct text silent;
        text_init(&silent, unheard, sizeof(unheard));
        if (network_set_port(network, moved[i].root, moved[i].before, &silent) != 0)
            network_log(network, LOG_LEVEL_WARNING, unheard);
    }
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
        moved[count] = (struct moved_port){(uint32_t)root, network_port(network, (uint32_t)root)};
        result = network_set_port(network, (uint32_t)root, change->description->listen_port, why);
        count += result == 0;
    }
    char reason[1024] = "";
    if (result == 0 && !engine_apply(network_engine(network), changes, loop_now(), loop_wall_ns(),
                                     reason, sizeof(reason))) {
        text_append(why, "%s", reason);
        result = -EINVAL;
    }
    if (result != 0) {
        move_back(network, moved, count);
        network_roots_drop(&roots);
    } else {
        network_roots_take(&roots, network);
        set_marks(network, changes);
    }
    free(moved);
    return result;
}
