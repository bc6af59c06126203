/* SPDX-License-Identifier: MIT */
#include "io/network_roots.h"

int network_apply(struct network *network, const struct changes *changes, struct text *why)
{
    struct network_roots roots;
    int result = network_roots_prepare(&roots, network, changes, why);
    if (result == 0)
        result = engine_apply(network_engine(network), changes, loop_now(), why);
    if (result == 0)
        network_roots_take(&roots, network);
    else
        network_roots_drop(&roots, network);
    return result;
}

int network_apply_try(struct network *network, const struct changes *changes, struct text *why)
{
    struct network_roots roots;
    int result = network_roots_prepare(&roots, network, changes, why);
    if (result == 0)
        result = engine_try(network_engine(network), changes, why);
    network_roots_drop(&roots, network);
    return result;
}
