/* SPDX-License-Identifier: MIT */
#include "engine/reassemblies.h"

bool reassemblies_init(struct reassemblies *reassemblies, struct core *core)
{
    *reassemblies = (struct reassemblies){.core = core, .deadline = INSTANT_NEVER};
    bool has_room = true;
    for (struct node *node = NULL; has_room && (node = tree_next(&core->tree, node));) {
        if (node->first_child || node->inner_port)
            has_room = reassemblies_prepare(reassemblies, node);
    }
    return has_room;
}

bool reassemblies_prepare(const struct reassemblies *reassemblies, struct node *node)
{
    return node_prepare_reassembly(node, reassemblies->core->memory, reassemblies->core->pool);
}

void reassemblies_tick(struct reassemblies *reassemblies, instant_ns now)
{
    if (!instant_is_reached(reassemblies->deadline, now))
        return;
    reassemblies->deadline = INSTANT_NEVER;
    for (struct node *node = NULL; (node = tree_next(&reassemblies->core->tree, node));) {
        struct reassembly *reassembly = node->reassembly;
        if (!reassembly)
            continue;
        node->drops[VERDICT_FRAGMENT_REFUSED] += reassembly_expire(reassembly, now);
        reassemblies->deadline =
            instant_min(reassemblies->deadline, reassembly_deadline(reassembly));
    }
}

struct reassembly_result reassemblies_add(struct reassemblies *reassemblies, struct node *node,
                                          const struct packet *packet, const struct ip_view *view,
                                          bool is_carried, instant_ns now)
{
    struct reassembly *reassembly = node->reassembly;
    struct reassembly_result result = reassembly_add(reassembly, packet, view, is_carried, now);
    node->drops[VERDICT_FRAGMENT_REFUSED] += result.dropped;
    reassemblies->deadline = instant_min(reassemblies->deadline, reassembly_deadline(reassembly));
    return result;
}
