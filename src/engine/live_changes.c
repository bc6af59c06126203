/* SPDX-License-Identifier: MIT */
#include "engine/live_changes.h"

static struct node *find_node(const struct tree *tree, const char *name)
{
    struct node *node = tree_next(tree, NULL);
    while (node && strcmp(node->name, name) != 0)
        node = tree_next(tree, node);
    return node;
}

/* ---- peers ---- */

static bool set_endpoint(struct live *live, struct hop_pending *pending,
                         const struct peer_description *peer)
{
    const char *name = peer->has_endpoint ? NULL : peer->endpoint_name;
    char *copy = NULL;
    if (name) {
        copy = memory_take(live->memory, strlen(name) + 1);
        if (!copy)
            return false;
        memcpy(copy, name, strlen(name) + 1);
    }
    if (pending->endpoint_name)
        memory_give(live->memory, pending->endpoint_name, strlen(pending->endpoint_name) + 1);
    pending->endpoint_name = copy;
    pending->endpoint = (struct endpoint){.port = name ? peer->endpoint.port : 0};
    if (peer->has_endpoint)
        pending->endpoint = peer->endpoint;
    return true;
}

static bool set_fields(struct live *live, struct peer *peer, unsigned fields,
                       const struct peer_description *from)
{
    fields &= CHANGE_PRESHARED_KEY | CHANGE_ENDPOINT | CHANGE_KEEPALIVE;
    if (fields == 0)
        return true;
    struct hop_pending *pending = live_steps_pending(live, peer);
    if (!pending || (fields & CHANGE_ENDPOINT && !set_endpoint(live, pending, from)))
        return false;
    pending->fields |= fields;
    if (fields & CHANGE_PRESHARED_KEY)
        memcpy(pending->preshared_key, from->preshared_key, sizeof(pending->preshared_key));
    if (fields & CHANGE_KEEPALIVE)
        pending->persistent_keepalive_s = from->persistent_keepalive_s;
    return true;
}

static bool set_allowed_ips(struct live *live, struct peer *peer, const struct change *change)
{
    bool has_room = true;
    if (change->fields & CHANGE_REPLACE_ALLOWED_IPS)
        has_room = live_steps_disallow_all(live, peer);
    for (size_t i = 0; has_room && i < change->allowed_ips_count; i++) {
        struct prefix prefix = change->allowed_ips[i].prefix;
        prefix_mask(&prefix);
        has_room = change->allowed_ips[i].is_removed ? live_steps_disallow(live, peer, &prefix)
                                                     : live_steps_allow(live, peer, &prefix);
    }
    return has_room;
}

static bool take_peer_set(struct live *live, struct node *node, const struct change *change)
{
    const uint8_t *key = change->peer->public_key;
    if (memcmp(key, node_wanted_public_key(node), 32) == 0)
        return true; /* passed over, as the kernel does: one list of peers for all its members */
    struct peer *peer = tunnel_find_peer(&node->tunnel, key);
    if (!peer && change->fields & CHANGE_ONLY_UPDATE)
        return true;
    if (!peer)
        peer = live_steps_add_peer(live, node, key);
    return (peer && set_fields(live, peer, change->fields, change->peer) &&
            set_allowed_ips(live, peer, change)) ||
           live_steps_no_memory(live, node->name);
}

static bool take_peers_remove(struct live *live, struct node *node)
{
    struct peer *peer;
    while ((peer = node_next_peer(node, NULL))) {
        if (!live_steps_remove_peer(live, peer))
            return live_steps_no_memory(live, node->name);
    }
    return true;
}

static bool take_peer_remove(struct live *live, struct node *node, const struct change *change)
{
    struct peer *peer = tunnel_find_peer(&node->tunnel, change->peer->public_key);
    return !peer || live_steps_remove_peer(live, peer) || live_steps_no_memory(live, node->name);
}

/* ---- tunnels ---- */

/* False: refused. */
static bool find_carrier(struct live *live, const struct change *change, struct node **carrier)
{
    *carrier = change->carrier ? find_node(live->tree, change->carrier) : NULL;
    if (change->carrier && !*carrier)
        return live_steps_refuse(live, change->tunnel,
                                 "there is no tunnel \"%s\" that could carry it; name one that "
                                 "there is",
                                 change->carrier);
    return true;
}

static bool add_described_peers(struct live *live, struct node *node,
                                const struct tunnel_description *from)
{
    if (!node_reserve_peers(live->memory, node, from->peer_count))
        return live_steps_no_memory(live, node->name);
    for (size_t i = 0; i < from->peer_count; i++) {
        const uint8_t *key = from->peers[i].public_key;
        if (memcmp(key, node_wanted_public_key(node), 32) == 0)
            continue;
        if (tunnel_find_peer(&node->tunnel, key))
            return live_steps_refuse(live, node->name,
                                     "a peer's public key is given twice; write the two as one "
                                     "peer");
        if (!node_add_peer(live->tree, node, &from->peers[i]))
            return live_steps_no_memory(live, node->name);
    }
    node_fit_limits(node);
    return true;
}

static bool set_private_key(struct live *live, struct node *node, const uint8_t private_key[32])
{
    node->next_identity = memory_take(live->memory, sizeof(*node->next_identity));
    if (!node->next_identity)
        return live_steps_no_memory(live, node->name);
    noise_identity_init(node->next_identity, private_key);
    /* As the kernel does: nobody is a peer of itself. */
    struct peer *itself = tunnel_find_peer(&node->tunnel, node->next_identity->public_key);
    return !itself || live_steps_remove_peer(live, itself) ||
           live_steps_no_memory(live, node->name);
}

/* Before all else from the change `first` on: who is a peer of itself follows from the key that the
 * tunnel has in the end. */
static bool take_private_key(struct live *live, struct node *node, size_t first)
{
    const struct change *last = NULL;
    for (size_t i = first; i < live->changes->count; i++) {
        const struct change *change = &live->changes->list[i];
        if (change->kind == CHANGE_TUNNEL_SET && change->fields & CHANGE_PRIVATE_KEY &&
            strcmp(change->tunnel, node->name) == 0)
            last = change;
    }
    return !last || set_private_key(live, node, last->description->private_key);
}

bool live_changes_take_private_keys(struct live *live)
{
    struct node *node = NULL;
    while ((node = tree_next(live->tree, node))) {
        if (!take_private_key(live, node, 0))
            return false;
    }
    return true;
}

static bool take_tunnel_add(struct live *live, const struct change *change)
{
    struct node *carrier;
    if (find_node(live->tree, change->tunnel))
        return live_steps_refuse(live, change->tunnel,
                                 "there is one of that name already; choose another");
    if (!find_carrier(live, change, &carrier))
        return false;
    struct node *node =
        node_new(live->memory, live->tree->random, change->description, carrier);
    if (!node || !live_steps_add_node(live, node))
        return live_steps_no_memory(live, change->tunnel);
    return take_private_key(live, node, live->taken) &&
           add_described_peers(live, node, change->description);
}

static bool take_tunnel_set(struct live *live, struct node *node, const struct change *change)
{
    unsigned fields = change->fields & ~(unsigned)CHANGE_PRIVATE_KEY;
    struct node *carrier = NULL;
    if (fields & CHANGE_CARRIER && !find_carrier(live, change, &carrier))
        return false;
    if (configured_is_so(node_wanted(node), fields, change->description, carrier))
        return true;
    struct configured *next =
        configured_with(live->memory, node_wanted(node), fields, change->description, carrier);
    if (!next)
        return live_steps_no_memory(live, node->name);
    configured_free(live->memory, node->next);
    node->next = next;
    live->is_structural = true;
    return true;
}

bool live_changes_take(struct live *live, const struct change *change)
{
    live->taken++;
    if (change->kind == CHANGE_TUNNEL_ADD)
        return take_tunnel_add(live, change);
    struct node *node = find_node(live->tree, change->tunnel);
    if (!node)
        return live_steps_refuse(live, change->tunnel, "there is none of that name; add it first");
    switch (change->kind) {
    case CHANGE_TUNNEL_REMOVE:
        return live_steps_remove_node(live, node) || live_steps_no_memory(live, node->name);
    case CHANGE_TUNNEL_SET:
        return take_tunnel_set(live, node, change);
    case CHANGE_PEER_SET:
        return take_peer_set(live, node, change);
    case CHANGE_PEER_REMOVE:
        return take_peer_remove(live, node, change);
    case CHANGE_PEERS_REMOVE:
        return take_peers_remove(live, node);
    case CHANGE_TUNNEL_ADD:
        break;
    }
    return false;
}

bool live_changes_take_order(struct live *live)
{
    const struct changes *changes = live->changes;
    struct node *node = tree_next(live->tree, NULL);
    size_t same = 0;
    for (; node && same < changes->order_count && strcmp(node->name, changes->order[same]) == 0;
         node = tree_next(live->tree, node))
        same++;
    if (same == changes->order_count && (!node || same == 0))
        return true; /* they stand so, or it does not matter */
    for (size_t i = 0; i < changes->order_count; i++) {
        node = find_node(live->tree, changes->order[i]);
        if (node && !live_steps_move_node(live, node))
            return live_steps_no_memory(live, node->name);
    }
    return true;
}
