/* SPDX-License-Identifier: MIT */
/* Handshake messages that wait for their turn (RULES H2), copied out of their buffers. One pool for
 * all tunnels, in fair shares: messages are taken from the tunnels round robin, and when the pool
 * is full the tunnel that holds most makes room. So who floods one tunnel waits behind himself
 * alone. Within a tunnel those that proved their address (a valid mac2) wait apart from those that
 * did not, and the two take turns: neither a flood of strangers nor one of many true addresses
 * shuts the other out. */
#ifndef ENGINE_BACKLOG_H
#define ENGINE_BACKLOG_H

#include "base/address.h"
#include "base/list.h"
#include "base/memory.h"
#include "wireguard/message.h"

#define BACKLOG_MESSAGES 4096
#define BACKLOG_NONE UINT32_MAX

struct node;

struct backlog_message {
    uint32_t next; /* of its queue, or of the free ones; BACKLOG_NONE: the last */
    bool is_proven;
    struct node *node;
    struct node *carrier; /* as inbound_entry's */
    struct endpoint source;
    struct address destination;
    uint32_t interface;
    uint32_t len_bytes;
    uint8_t bytes[MESSAGE_HANDSHAKE_MOST_BYTES];
};

struct backlog_queue {
    uint32_t first;
    uint32_t last;
    uint32_t count;
};

/* A tunnel's own part; backlog_share_init makes it empty. */
struct backlog_share {
    struct list waiting; /* in the backlog's, while it has messages */
    struct backlog_queue queues[2]; /* unproven, proven */
    bool proven_is_next;
};

struct backlog {
    struct backlog_message *messages;
    uint32_t first_free;
    uint32_t count; /* of those that wait */
    struct list waiting; /* shares with messages: the first one's turn is next */
};

/* False: no memory. */
bool backlog_init(struct backlog *backlog, const struct memory *memory);
void backlog_wipe(struct backlog *backlog, const struct memory *memory);
void backlog_share_init(struct backlog_share *share);

/* The place of one more message of this share, to be filled (not its `next` and `is_proven`); NULL:
 * it holds most of a full pool. `evicted`: whose oldest message made room; NULL: nobody's. */
struct backlog_message *backlog_add(struct backlog *backlog, struct backlog_share *share,
                                    bool is_proven, struct node **evicted);
/* Drops what waits for the node, or came out of its plaintext. */
void backlog_forget(struct backlog *backlog, struct node *node);
/* The one whose turn it is, or NULL: nothing waits. Good until the next call. */
const struct backlog_message *backlog_take(struct backlog *backlog);

#endif
