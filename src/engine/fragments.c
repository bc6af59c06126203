/* SPDX-License-Identifier: MIT */
#include "engine/fragments.h"

bool fragments_init(struct engine *engine)
{
    struct tree *tree = &engine->tree;
    engine->fragments_deadline = INSTANT_NEVER;
    engine->reassemblies =
        memory_take(engine->memory, tree->count * sizeof(*engine->reassemblies));
    if (!engine->reassemblies)
        return false;
    for (uint32_t i = 0; i < tree->count; i++) {
        if (!tree->nodes[i].first_child && !tree->nodes[i].inner_port)
            continue;
        engine->reassemblies[i] = reassembly_new(engine->memory, engine->pool);
        if (!engine->reassemblies[i])
            return false;
    }
    return true;
}

void fragments_wipe(struct engine *engine)
{
    if (!engine->reassemblies)
        return;
    for (uint32_t i = 0; i < engine->tree.count; i++)
        reassembly_free(engine->reassemblies[i]);
    memory_give(engine->memory, engine->reassemblies,
                engine->tree.count * sizeof(*engine->reassemblies));
}

void fragments_tick(struct engine *engine, instant_ns now)
{
    if (!instant_is_reached(engine->fragments_deadline, now))
        return;
    engine->fragments_deadline = INSTANT_NEVER;
    for (uint32_t i = 0; i < engine->tree.count; i++) {
        struct reassembly *reassembly = engine->reassemblies[i];
        if (!reassembly)
            continue;
        engine->tree.nodes[i].drops[VERDICT_FRAGMENT_REFUSED] +=
            reassembly_expire(reassembly, now);
        engine->fragments_deadline =
            instant_min(engine->fragments_deadline, reassembly_deadline(reassembly));
    }
}

struct reassembly_result fragments_add(struct engine *engine, struct node *node,
                                       const struct packet *packet, const struct ip_view *view,
                                       bool is_carried, instant_ns now)
{
    struct reassembly *reassembly = engine->reassemblies[node->index];
    struct reassembly_result result = reassembly_add(reassembly, packet, view, is_carried, now);
    node->drops[VERDICT_FRAGMENT_REFUSED] += result.dropped;
    engine->fragments_deadline =
        instant_min(engine->fragments_deadline, reassembly_deadline(reassembly));
    return result;
}
