/* SPDX-License-Identifier: MIT */
/* A change under way (RULES I7). Theory of operation. Peers, AllowedIPs and tunnels are added and
 * taken out at once, in the order of the changes, so that what follows meets them as they will be;
 * each such step is noted and can be undone without memory, last first. Nothing that packets meet
 * follows from them before the change stands: ways, MTUs and routes are found then. All else that
 * is set (keys, endpoints, what is configured of a tunnel) waits in hop->pending, node->next and
 * node->next_identity. No packet moves meanwhile: the engine is one thread's. */
#ifndef ENGINE_LIVE_STEPS_H
#define ENGINE_LIVE_STEPS_H

#include "base/text.h"
#include "engine/lanes.h"

enum live_step_kind {
    LIVE_ALLOWED_IP,   /* a prefix changed hands */
    LIVE_PEER_ADDED,
    LIVE_PEER_REMOVED, /* out of its tunnel, with its slot and sessions */
    LIVE_NODE_ADDED,
    LIVE_NODE_REMOVED, /* out of the order, with its slot */
    LIVE_NODE_MOVED,   /* to the end of the order */
};

struct live_step {
    enum live_step_kind kind;
    struct prefix prefix;
    struct node *node;
    struct peer *peer;   /* of LIVE_ALLOWED_IP: who had it before; NULL: nobody */
    /* Where what was removed stood. A prefix: behind which other one of its peer's; of family
     * FAMILY_NONE: first. */
    struct list *behind;
    struct prefix behind_prefix;
};

/* See live_regions.h. */
struct live_region {
    struct prefix prefix;
    bool is_route; /* which tunnel is routed there may be another, too */
};

struct live {
    struct engine *engine;
    struct tree *tree;
    const struct memory *memory;
    const struct changes *changes;
    size_t taken; /* of the changes */
    struct text *why;
    int error; /* of the refusal */
    struct live_step *steps;
    size_t count;
    size_t capacity;
    struct hop_pending *pending;
    struct live_region *regions; /* none where it is structural */
    size_t region_count;
    size_t region_capacity;
    bool is_structural; /* more than peers: all that follows is found anew */
};

/* Both return false: refused. The place is that of the tunnel's last change that has one, or of
 * one's that it rides on. */
bool live_steps_refuse(struct live *live, const char *tunnel, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* One that is spoken of, where it is about all of them. */
const char *live_steps_a_tunnel(const struct live *live);
/* Of two that do not fit together the one that was changed last. */
const struct node *live_steps_changed(const struct live *live, const struct node *a,
                                      const struct node *b);
bool live_steps_no_memory(struct live *live, const char *tunnel);

/* Each notes its step. False: no memory, and nothing was done. */
bool live_steps_allow(struct live *live, struct peer *peer, const struct prefix *prefix);
bool live_steps_disallow(struct live *live, struct peer *peer, const struct prefix *prefix);
bool live_steps_disallow_all(struct live *live, struct peer *peer);
bool live_steps_remove_peer(struct live *live, struct peer *peer);
/* A peer that is not known. */
struct peer *live_steps_add_peer(struct live *live, struct node *node,
                                 const uint8_t public_key[32]);
/* Takes the node, whether it succeeds or not. */
bool live_steps_add_node(struct live *live, struct node *node);
bool live_steps_remove_node(struct live *live, struct node *node);
bool live_steps_move_node(struct live *live, struct node *node);
/* The peer's pending fields; NULL: no memory. */
struct hop_pending *live_steps_pending(struct live *live, struct peer *peer);

/* While all its peers are there. */
void live_steps_wipe_pending(struct live *live);

/* All is as before. */
void live_steps_undo(struct live *live);
/* Of both ends: what the change needed for itself. */
void live_steps_wipe(struct live *live);

#endif
