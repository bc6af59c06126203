/* SPDX-License-Identifier: MIT */
#include "engine/live_steps.h"

#include <errno.h>
#include <stdarg.h>

#include "engine/tree.h"

#define STEPS_LEAST 16

/* The tunnel's last change that was taken up; or NULL. `is_placed`: of those with a place. */
static const struct change *find_change(const struct live *live, const char *tunnel,
                                        bool is_placed)
{
    const struct change *found = NULL;
    for (size_t i = 0; i < live->taken && i < live->changes->count; i++) {
        const struct change *change = &live->changes->list[i];
        if ((change->where || !is_placed) && strcmp(change->tunnel, tunnel) == 0)
            found = change;
    }
    return found;
}

static const char *where_of(const struct live *live, const char *tunnel)
{
    const struct change *change = find_change(live, tunnel, true);
    const struct node *node = NULL;
    while ((node = tree_next(live->tree, node)) && strcmp(node->name, tunnel) != 0)
        ;
    for (unsigned depth = 0; node && !change && depth < NETWORK_DEPTH_MOST; depth++) {
        change = find_change(live, node->name, true);
        node = node_wanted(node)->carrier;
    }
    return change ? change->where : NULL;
}

const struct node *live_steps_changed(const struct live *live, const struct node *a,
                                      const struct node *b)
{
    const struct change *of_a = find_change(live, a->name, false);
    const struct change *of_b = find_change(live, b->name, false);
    return !of_b || (of_a && of_a > of_b) ? a : b;
}

bool live_steps_refuse(struct live *live, const char *tunnel, const char *format, ...)
{
    va_list arguments;
    change_begin_refusal(live->why, where_of(live, tunnel), tunnel);
    va_start(arguments, format);
    text_append_list(live->why, format, arguments);
    va_end(arguments);
    live->error = -EINVAL;
    return false;
}

const char *live_steps_a_tunnel(const struct live *live)
{
    const struct changes *changes = live->changes;
    return changes->count ? changes->list[changes->count - 1].tunnel
                          : tree_next(live->tree, NULL)->name;
}

bool live_steps_no_memory(struct live *live, const char *tunnel)
{
    live_steps_refuse(live, tunnel, "no memory; nothing was changed");
    live->error = -ENOMEM;
    return false;
}

/* Room for one more. */
static bool reserve_step(struct live *live)
{
    if (live->count < live->capacity)
        return true;
    size_t capacity = live->capacity ? 2 * live->capacity : STEPS_LEAST;
    struct live_step *steps = memory_take(live->memory, capacity * sizeof(*steps));
    if (!steps)
        return false;
    if (live->count)
        memcpy(steps, live->steps, live->count * sizeof(*steps));
    memory_give(live->memory, live->steps, live->capacity * sizeof(*steps));
    live->steps = steps;
    live->capacity = capacity;
    return true;
}

static void note(struct live *live, const struct live_step *step)
{
    live->steps[live->count++] = *step;
    step->node->is_touched = true;
}

/* ---- AllowedIPs ---- */

/* While `before` has the prefix, or nobody. */
static struct live_step handover(struct peer *before, struct node *node,
                                 const struct prefix *prefix)
{
    struct live_step step = {
        .kind = LIVE_ALLOWED_IP, .prefix = *prefix, .node = node, .peer = before};
    if (before) {
        const struct list *behind = trie_listed(&node->tunnel.allowed_ips, prefix)->prev;
        if (behind != &before->allowed_ips)
            step.behind_prefix = trie_listed_prefix(behind);
    }
    return step;
}

bool live_steps_allow(struct live *live, struct peer *peer, const struct prefix *prefix)
{
    struct trie *allowed_ips = &peer->tunnel->allowed_ips;
    struct peer *before = trie_get(allowed_ips, prefix);
    if (before == peer)
        return true;
    if (!reserve_step(live) || !trie_reserve(allowed_ips, 1))
        return false;
    const struct live_step step = handover(before, node_of(peer), prefix);
    tunnel_allow(peer, prefix);
    note(live, &step);
    return true;
}

bool live_steps_disallow(struct live *live, struct peer *peer, const struct prefix *prefix)
{
    struct trie *allowed_ips = &peer->tunnel->allowed_ips;
    if (trie_get(allowed_ips, prefix) != peer)
        return true;
    if (!reserve_step(live) || !trie_reserve(allowed_ips, 0))
        return false;
    const struct live_step step = handover(peer, node_of(peer), prefix);
    trie_remove(allowed_ips, prefix);
    note(live, &step);
    return true;
}

bool live_steps_disallow_all(struct live *live, struct peer *peer)
{
    bool has_room = true;
    while (has_room && !list_is_empty(&peer->allowed_ips)) {
        struct prefix prefix = trie_listed_prefix(peer->allowed_ips.next);
        has_room = live_steps_disallow(live, peer, &prefix);
    }
    return has_room;
}

/* ---- peers ---- */

bool live_steps_remove_peer(struct live *live, struct peer *peer)
{
    if (!live_steps_disallow_all(live, peer) || !reserve_step(live))
        return false;
    struct list *behind = peer->in_tunnel.prev;
    tunnel_unlink_peer(peer);
    note(live, &(struct live_step){.kind = LIVE_PEER_REMOVED, .node = node_of(peer), .peer = peer,
                                   .behind = behind});
    return true;
}

struct peer *live_steps_add_peer(struct live *live, struct node *node, const uint8_t public_key[32])
{
    struct peer_description bare = {.persistent_keepalive_s = 0};
    memcpy(bare.public_key, public_key, sizeof(bare.public_key));
    struct peer *peer = reserve_step(live) ? node_add_peer(live->tree, node, &bare) : NULL;
    if (peer)
        note(live, &(struct live_step){.kind = LIVE_PEER_ADDED, .node = node, .peer = peer});
    return peer;
}

struct hop_pending *live_steps_pending(struct live *live, struct peer *peer)
{
    struct hop *hop = hop_of(peer);
    if (!hop->pending) {
        hop->pending = memory_take(live->memory, sizeof(*hop->pending));
        if (!hop->pending)
            return NULL;
        hop->pending->peer = peer;
        node_of(peer)->is_touched = true;
        hop->pending->next = live->pending;
        live->pending = hop->pending;
    }
    return hop->pending;
}

/* ---- tunnels ---- */

bool live_steps_add_node(struct live *live, struct node *node)
{
    if (!reserve_step(live) || !tree_reserve_nodes(live->tree, 1)) {
        node_free(live->memory, node);
        return false;
    }
    tree_add_node(live->tree, node);
    live->is_structural = true;
    note(live, &(struct live_step){.kind = LIVE_NODE_ADDED, .node = node});
    return true;
}

static bool take_out(struct live *live, struct node *node, enum live_step_kind kind)
{
    if (!reserve_step(live))
        return false;
    struct list *behind = node->in_tree.prev;
    list_remove(&node->in_tree);
    live->is_structural = true;
    note(live, &(struct live_step){.kind = kind, .node = node, .behind = behind});
    return true;
}

bool live_steps_remove_node(struct live *live, struct node *node)
{
    bool is_done = take_out(live, node, LIVE_NODE_REMOVED);
    live->tree->count -= is_done;
    return is_done;
}

bool live_steps_move_node(struct live *live, struct node *node)
{
    bool is_done = take_out(live, node, LIVE_NODE_MOVED);
    if (is_done)
        list_append(&live->tree->order, &node->in_tree);
    return is_done;
}

/* ---- the end ---- */

static void undo_allowed_ip(const struct live_step *step)
{
    struct trie *allowed_ips = &step->node->tunnel.allowed_ips;
    if (!step->peer) {
        trie_remove(allowed_ips, &step->prefix);
        return;
    }
    struct list *behind = step->behind_prefix.address.family
                              ? trie_listed(allowed_ips, &step->behind_prefix)
                              : &step->peer->allowed_ips;
    if (!trie_insert_listed(allowed_ips, &step->prefix, step->peer, behind->next))
        assert(!"what was removed left its room");
}

static void undo(struct live *live, const struct live_step *step)
{
    switch (step->kind) {
    case LIVE_ALLOWED_IP:
        undo_allowed_ip(step);
        break;
    case LIVE_PEER_ADDED:
        tunnel_unlink_peer(step->peer);
        node_free_peer(live->tree, step->node, step->peer);
        break;
    case LIVE_PEER_REMOVED:
        tunnel_relink_peer(step->peer, step->behind);
        break;
    case LIVE_NODE_ADDED:
        tree_remove_node(live->tree, step->node);
        live->tree->peer_count -= (uint32_t)step->node->tunnel.peer_count;
        node_free(live->memory, step->node);
        break;
    case LIVE_NODE_REMOVED:
    case LIVE_NODE_MOVED:
        list_remove(&step->node->in_tree);
        list_append(step->behind->next, &step->node->in_tree);
        live->tree->count += step->kind == LIVE_NODE_REMOVED;
        break;
    }
}

void live_steps_wipe_pending(struct live *live)
{
    while (live->pending) {
        struct hop_pending *pending = live->pending;
        live->pending = pending->next;
        hop_of(pending->peer)->pending = NULL;
        if (pending->endpoint_name)
            memory_give(live->memory, pending->endpoint_name, strlen(pending->endpoint_name) + 1);
        bytes_wipe(pending, sizeof(*pending));
        memory_give(live->memory, pending, sizeof(*pending));
    }
}

static void wipe_next(struct live *live)
{
    for (struct node *node = NULL; (node = tree_next(live->tree, node));) {
        configured_free(live->memory, node->next);
        configured_free(live->memory, node->previous);
        node->next = node->previous = NULL;
        if (node->next_identity) {
            noise_identity_wipe(node->next_identity);
            memory_give(live->memory, node->next_identity, sizeof(*node->next_identity));
            node->next_identity = NULL;
        }
        trie_settle(&node->tunnel.allowed_ips);
        node->is_touched = false;
    }
}

void live_steps_undo(struct live *live)
{
    live_steps_wipe_pending(live); /* while the peers that were added are there */
    while (live->count)
        undo(live, &live->steps[--live->count]);
}

void live_steps_wipe(struct live *live)
{
    live_steps_wipe_pending(live);
    wipe_next(live);
    memory_give(live->memory, live->steps, live->capacity * sizeof(*live->steps));
}
