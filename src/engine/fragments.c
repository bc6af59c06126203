/* SPDX-License-Identifier: MIT */
#include "engine/fragments.h"

bool fragments_init(struct fragments *fragments, struct core *core)
{
    const struct tree *tree = &core->tree;
    *fragments = (struct fragments){.core = core, .deadline = INSTANT_NEVER};
    fragments->reassemblies =
        memory_take(core->memory, tree->count * sizeof(*fragments->reassemblies));
    if (!fragments->reassemblies)
        return false;
    for (uint32_t i = 0; i < tree->count; i++) {
        const struct node *node = &tree->nodes[i];
        if ((node->first_child || node->inner_port) && !fragments_prepare(fragments, node))
            return false;
    }
    return true;
}

void fragments_wipe(struct fragments *fragments)
{
    if (!fragments->reassemblies)
        return;
    uint32_t count = fragments->core->tree.count;
    for (uint32_t i = 0; i < count; i++)
        reassembly_free(fragments->reassemblies[i]);
    memory_give(fragments->core->memory, fragments->reassemblies,
                count * sizeof(*fragments->reassemblies));
}

bool fragments_prepare(struct fragments *fragments, const struct node *node)
{
    struct reassembly **reassembly = &fragments->reassemblies[node->index];
    if (!*reassembly)
        *reassembly = reassembly_new(fragments->core->memory, fragments->core->pool);
    return *reassembly;
}

void fragments_tick(struct fragments *fragments, instant_ns now)
{
    if (!instant_is_reached(fragments->deadline, now))
        return;
    fragments->deadline = INSTANT_NEVER;
    struct tree *tree = &fragments->core->tree;
    for (uint32_t i = 0; i < tree->count; i++) {
        struct reassembly *reassembly = fragments->reassemblies[i];
        if (!reassembly)
            continue;
        tree->nodes[i].drops[VERDICT_FRAGMENT_REFUSED] += reassembly_expire(reassembly, now);
        fragments->deadline = instant_min(fragments->deadline, reassembly_deadline(reassembly));
    }
}

struct reassembly_result fragments_add(struct fragments *fragments, struct node *node,
                                       const struct packet *packet, const struct ip_view *view,
                                       bool is_carried, instant_ns now)
{
    struct reassembly *reassembly = fragments->reassemblies[node->index];
    struct reassembly_result result = reassembly_add(reassembly, packet, view, is_carried, now);
    node->drops[VERDICT_FRAGMENT_REFUSED] += result.dropped;
    fragments->deadline = instant_min(fragments->deadline, reassembly_deadline(reassembly));
    return result;
}
