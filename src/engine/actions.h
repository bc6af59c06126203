/* SPDX-License-Identifier: MIT */
/* What the engine asks its caller to do. The caller owns the list, performs it after each door and
 * empties it; each entry gives the caller a packet, which goes back to the pool when it is done. */
#ifndef ENGINE_ACTIONS_H
#define ENGINE_ACTIONS_H

#include "base/address.h"
#include "packet/offload.h"
#include "packet/packet.h"

/* How datagrams leave a root. Paths belong to peers and live at least until the list is performed;
 * a caller that keeps a packet longer copies the path. */
struct udp_path {
    struct endpoint destination;
    struct address source; /* sticky: where the peer spoke to; FAMILY_NONE: the kernel chooses */
    uint32_t source_interface; /* its ifindex, or 0 */
    uint32_t root;             /* index of the root tunnel in the network's description */
};

struct udp_send {
    struct packet *packet; /* a whole datagram; packet->tos is the IP header's */
    const struct udp_path *path;
};

/* A door adds at most this many entries of each kind: the caller makes the room before it calls. */
#define ACTIONS_PER_DOOR 512
#define ACTIONS_MOST (2 * ACTIONS_PER_DOOR)
/* Replies to senders that are nobody's peer yet have a path of their own; a door adds as many: a
 * turn's handshake messages. */
#define ACTIONS_REPLY_PATHS_PER_DOOR 64
#define ACTIONS_REPLY_PATHS (2 * ACTIONS_REPLY_PATHS_PER_DOOR)

struct actions {
    size_t send_count;
    size_t write_count;
    size_t reply_path_count;
    struct udp_send sends[ACTIONS_MOST];    /* in order: runs of one path and size are segments */
    struct tun_frame writes[ACTIONS_MOST];  /* in order */
    struct udp_path reply_paths[ACTIONS_REPLY_PATHS];
};

static inline bool actions_have_room(const struct actions *actions)
{
    return actions->send_count + ACTIONS_PER_DOOR <= ACTIONS_MOST &&
           actions->write_count + ACTIONS_PER_DOOR <= ACTIONS_MOST &&
           actions->reply_path_count + ACTIONS_REPLY_PATHS_PER_DOOR <= ACTIONS_REPLY_PATHS;
}

#endif
