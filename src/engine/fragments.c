/* SPDX-License-Identifier: MIT */
#include "engine/fragments.h"

bool fragments_init(struct fragments *fragments, struct core *core)
{
    *fragments = (struct fragments){.core = core, .deadline = INSTANT_NEVER};
    bool has_room = true;
    for (struct node *node = NULL; has_room && (node = tree_next(&core->tree, node));) {
        if (node->first_child || node->inner_port)
            has_room = fragments_prepare(fragments, node);
    }
    return has_room;
}

bool fragments_prepare(const struct fragments *fragments, struct node *node)
{
    return node_prepare_reassembly(node, fragments->core->memory, fragments->core->pool);
}

void fragments_tick(struct fragments *fragments, instant_ns now)
{
    if (!instant_is_reached(fragments->deadline, now))
        return;
    fragments->deadline = INSTANT_NEVER;
    for (struct node *node = NULL; (node = tree_next(&fragments->core->tree, node));) {
        struct reassembly *reassembly = node->reassembly;
        if (!reassembly)
            continue;
        node->drops[VERDICT_FRAGMENT_REFUSED] += reassembly_expire(reassembly, now);
        fragments->deadline = instant_min(fragments->deadline, reassembly_deadline(reassembly));
    }
}

struct reassembly_result fragments_add(struct fragments *fragments, struct node *node,
                                       const struct packet *packet, const struct ip_view *view,
                                       bool is_carried, instant_ns now)
{
    struct reassembly *reassembly = node->reassembly;
    struct reassembly_result result = reassembly_add(reassembly, packet, view, is_carried, now);
    node->drops[VERDICT_FRAGMENT_REFUSED] += result.dropped;
    fragments->deadline = instant_min(fragments->deadline, reassembly_deadline(reassembly));
    return result;
}
