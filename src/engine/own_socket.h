/* SPDX-License-Identifier: MIT */
/* The door for datagrams of the program's own from inside a tunnel (RULES G1): UDP sockets on a
 * tunnel's first address of each family, as a carried tunnel has one (C1), for the queries of
 * names. What the tunnel accepts for such a socket goes to `receive` and never to the TUN (C4);
 * fragments are joined as a carried tunnel's are (C5). What is larger than the tunnel's MTU is not
 * sent. */
#ifndef ENGINE_OWN_SOCKET_H
#define ENGINE_OWN_SOCKET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/address.h"
#include "base/verdict.h"
#include "engine/handle.h"

#define OWN_SOCKETS 32

struct core;
struct reassemblies;
struct node;
struct outbound;

/* An answer, from anybody inside the tunnel: whoever asked compares `source`. The bytes are
 * borrowed for the call, which must not enter the engine: it keeps a copy and returns. */
typedef void (*own_socket_receive)(void *context, const struct endpoint *source,
                                     const uint8_t *bytes, size_t len);

/* A virtual socket of the program's own. */
struct own_socket {
    struct node *node; /* NULL: never used, or it was removed */
    int number;        /* never given twice; its remainder by OWN_SOCKETS is the place */
    uint16_t port;
    own_socket_receive receive; /* NULL: closed; the port stays taken */
    void *context;
};

/* An engine's (engine_own_sockets). */
struct own_sockets {
    struct core *core;
    struct outbound *outbound;   /* where what they send goes */
    struct reassemblies *reassemblies; /* what is to be joined for them */
    struct own_socket items[OWN_SOCKETS];
    unsigned next;
};

/* A socket at a random port outside the host's ephemeral range; its number, or -1: all are open,
 * the tunnel is gone, or no memory. */
int own_socket_open(struct own_sockets *sockets, struct tunnel_handle tunnel,
                    own_socket_receive receive, void *context);
/* The port stays taken until its place is needed, so a late answer reaches nobody else. One whose
 * tunnel was removed is closed already. */
void own_socket_close(struct own_sockets *sockets, int number);
/* Goes out with the next engine_tick or engine_flush, staged while there is no session like any
 * other packet. Not OK: refused and not sent (moved: its tunnel was removed; no_address, no_peer,
 * too_big, pool_empty, or as mtu_judge). */
enum verdict own_socket_send(struct own_sockets *sockets, int number, const struct endpoint *to,
                             const uint8_t *bytes, size_t len);

/* The number of the socket at that port of the tunnel, closed ones too, or -1. */
int own_socket_at(const struct own_sockets *sockets, const struct node *node, uint16_t port);
/* Some socket has it (struct tree's has_port). */
bool own_socket_has_port(const void *sockets, const struct node *node, uint16_t port);
/* Hands a datagram (its UDP header and all behind it) to that socket; `number` may be -1: closed
 * since. Its checksum must be right: unlike a carried tunnel's, these bytes have nothing else. */
enum verdict own_socket_deliver(struct own_sockets *sockets, int number,
                                const struct address *source, const uint8_t *udp, size_t len);

/* A tunnel left this port of the node's: what still comes there reaches nobody, until its place is
 * needed. */
void own_socket_shut(struct own_sockets *sockets, struct node *node, uint16_t port);
/* The node is removed: its sockets are closed, and nothing is sent there any more. */
void own_socket_forget(struct own_sockets *sockets, const struct node *node);

#endif
