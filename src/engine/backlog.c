/* SPDX-License-Identifier: MIT */
#include "engine/backlog.h"

bool backlog_init(struct backlog *backlog, const struct memory *memory)
{
    *backlog = (struct backlog){
        .messages = memory_take(memory, BACKLOG_MESSAGES * sizeof(*backlog->messages))};
    list_init(&backlog->waiting);
    for (uint32_t i = 0; backlog->messages && i < BACKLOG_MESSAGES; i++)
        backlog->messages[i].next = i + 1 < BACKLOG_MESSAGES ? i + 1 : BACKLOG_NONE;
    return backlog->messages != NULL;
}

void backlog_wipe(struct backlog *backlog, const struct memory *memory)
{
    memory_give(memory, backlog->messages, BACKLOG_MESSAGES * sizeof(*backlog->messages));
    backlog->messages = NULL;
}

void backlog_share_init(struct backlog_share *share)
{
    const struct backlog_queue empty = {.first = BACKLOG_NONE, .last = BACKLOG_NONE};
    *share = (struct backlog_share){.queues = {empty, empty}};
    list_init(&share->waiting);
}

static uint32_t share_count(const struct backlog_share *share)
{
    return share->queues[0].count + share->queues[1].count;
}

static uint32_t take_oldest(struct backlog *backlog, struct backlog_share *share,
                            struct backlog_queue *queue)
{
    uint32_t at = queue->first;
    queue->first = backlog->messages[at].next;
    if (--queue->count == 0)
        queue->last = BACKLOG_NONE;
    backlog->count--;
    if (share_count(share) == 0)
        list_remove(&share->waiting);
    return at;
}

static void free_place(struct backlog *backlog, uint32_t at)
{
    backlog->messages[at].next = backlog->first_free;
    backlog->first_free = at;
}

static struct backlog_share *find_largest(const struct backlog *backlog)
{
    struct backlog_share *largest = NULL;
    for (struct list *at = backlog->waiting.next; at != &backlog->waiting; at = at->next) {
        struct backlog_share *share = CONTAINER_OF(at, struct backlog_share, waiting);
        if (!largest || share_count(share) > share_count(largest))
            largest = share;
    }
    return largest;
}

/* What the largest share holds unproven goes first. False: that share is this one, and the message
 * is no better than those. */
static bool make_room(struct backlog *backlog, struct backlog_share *share, bool is_proven,
                      struct node **evicted)
{
    struct backlog_share *largest = find_largest(backlog);
    if (share_count(share) == share_count(largest))
        largest = share;
    bool has_unproven = largest->queues[false].count > 0;
    if (largest == share && !(is_proven && has_unproven))
        return false;
    uint32_t at = take_oldest(backlog, largest, &largest->queues[!has_unproven]);
    *evicted = backlog->messages[at].node;
    free_place(backlog, at);
    return true;
}

struct backlog_message *backlog_add(struct backlog *backlog, struct backlog_share *share,
                                    bool is_proven, struct node **evicted)
{
    *evicted = NULL;
    if (backlog->first_free == BACKLOG_NONE && !make_room(backlog, share, is_proven, evicted))
        return NULL;
    uint32_t at = backlog->first_free;
    struct backlog_message *message = &backlog->messages[at];
    struct backlog_queue *queue = &share->queues[is_proven];
    backlog->first_free = message->next;
    message->next = BACKLOG_NONE;
    message->is_proven = is_proven;
    if (queue->count++)
        backlog->messages[queue->last].next = at;
    else
        queue->first = at;
    queue->last = at;
    backlog->count++;
    if (list_is_empty(&share->waiting))
        list_append(&backlog->waiting, &share->waiting);
    return message;
}

const struct backlog_message *backlog_take(struct backlog *backlog)
{
    if (list_is_empty(&backlog->waiting))
        return NULL;
    struct backlog_share *share =
        CONTAINER_OF(backlog->waiting.next, struct backlog_share, waiting);
    list_remove(&share->waiting);
    list_append(&backlog->waiting, &share->waiting);
    bool takes_proven = share->queues[true].count &&
                        (share->proven_is_next || share->queues[false].count == 0);
    share->proven_is_next = !takes_proven;
    uint32_t at = take_oldest(backlog, share, &share->queues[takes_proven]);
    free_place(backlog, at); /* its bytes stay until somebody else gets it */
    return &backlog->messages[at];
}

/* The others keep their order. */
static void forget_in_queue(struct backlog *backlog, struct backlog_queue *queue,
                            const struct node *node)
{
    const struct backlog_queue all = *queue;
    *queue = (struct backlog_queue){.first = BACKLOG_NONE, .last = BACKLOG_NONE};
    for (uint32_t at = all.first, left = all.count; left; left--) {
        struct backlog_message *message = &backlog->messages[at];
        uint32_t next = message->next;
        if (message->node == node || message->carrier == node) {
            backlog->count--;
            free_place(backlog, at);
        } else {
            message->next = BACKLOG_NONE;
            if (queue->count++)
                backlog->messages[queue->last].next = at;
            else
                queue->first = at;
            queue->last = at;
        }
        at = next;
    }
}

void backlog_forget(struct backlog *backlog, struct node *node)
{
    struct list *next;
    for (struct list *at = backlog->waiting.next; at != &backlog->waiting; at = next) {
        struct backlog_share *share = CONTAINER_OF(at, struct backlog_share, waiting);
        next = at->next;
        for (unsigned i = 0; i < 2; i++)
            forget_in_queue(backlog, &share->queues[i], node);
        if (share_count(share) == 0)
            list_remove(&share->waiting);
    }
}
