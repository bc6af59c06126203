/* SPDX-License-Identifier: MIT */
#include "simulation/scarce.h"

#include "engine/lanes.h"

static void *take(void *context, size_t bytes)
{
    struct scarce *scarce = context;
    if (scarce->left == 0)
        return NULL;
    scarce->left -= scarce->left != SIZE_MAX;
    return memory_take(scarce->from, bytes);
}

static void give(void *context, void *pointer, size_t bytes)
{
    const struct scarce *scarce = context;
    memory_give(scarce->from, pointer, bytes);
}

void scarce_init(struct scarce *scarce, struct engine *engine)
{
    struct core *core = &engine->core;
    *scarce = (struct scarce){.memory = {.take = take, .give = give, .context = scarce},
                              .from = core->memory,
                              .left = SIZE_MAX};
    core->memory = core->tree.memory = core->tree.routes.trie.memory = &scarce->memory;
    core->deadlines.memory = core->tree.riding_hash.memory = &scarce->memory;
    for (struct node *node = NULL; (node = tree_next(&core->tree, node));) {
        struct tunnel *tunnel = &node->tunnel;
        tunnel->memory = tunnel->allowed_ips.memory = tunnel->indices.memory = &scarce->memory;
    }
}
