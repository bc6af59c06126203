/* SPDX-License-Identifier: MIT */
/* The tunnel tree of one network, sans I/O: bytes and times in, actions and one next deadline out.
 * An engine belongs to one thread at a time. `now` is CLOCK_BOOTTIME, `wall_ns` CLOCK_REALTIME. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "base/log_sink.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/text.h"
#include "crypto/aead.h"
#include "engine/actions.h"
#include "engine/change.h"
#include "engine/handle.h"
#include "engine/status.h"
#include "engine/train.h"
#include "packet/pool.h"

struct echoes;
struct engine;
struct own_sockets;
struct routes_loss;

struct engine_options {
    const struct memory *secrets; /* keys and sessions live here */
    struct pool *pool;            /* shaped by engine_pool_shape */
    struct aead *aead;            /* borrowed, as long as the engine */
    const struct random_source *random;
    bool tun_takes_tcp4, tun_takes_tcp6, tun_takes_udp; /* as super-packets (TSO4, TSO6, USO) */
    struct log_sink log;
};

/* The buffers that this network needs: headroom for its deepest path. */
void engine_pool_shape(const struct network_description *network, struct pool_shape *shape);

/* NULL: refused; `why` says what. The description may go afterwards. */
struct engine *engine_new(const struct engine_options *options,
                          const struct network_description *network, struct text *why);
/* A network as it would be, to be asked: as engine_new, but no packet, no change and no time comes
 * to it. The numbers of its tunnels and peers are their places in the description. */
struct engine *engine_foresee(const struct memory *secrets, const struct random_source *random,
                              const struct network_description *network, struct text *why);
void engine_free(struct engine *engine); /* wipes every key; NULL does nothing */

/* ---- doors; each may add up to ACTIONS_PER_DOOR actions ---- */

/* One packet or super-packet from the TUN. The bytes are the caller's and are changed (NAT, MSS).
 * It is cut into the engine's batch. False: the batch is full before the packet is finished; call
 * engine_flush, then engine_from_tun again with the same bytes (the engine remembers how far it
 * got). */
bool engine_from_tun(struct engine *engine, const struct vnet_header *vnet, uint8_t *bytes,
                     size_t len, instant_ns now, struct actions *actions);

/* Datagrams from a root's socket. `train->block`: the caller's reference passes to the engine. */
void engine_from_udp(struct engine *engine, uint32_t root, const struct udp_train *train,
                     instant_ns now, struct actions *actions);

/* Ends a turn: seals what came from the TUN, opens what came from the network, handles a few
 * handshakes. */
void engine_flush(struct engine *engine, instant_ns now, uint64_t wall_ns, struct actions *actions);
/* Nothing waits at any socket: held runs go to the TUN (RULES H4). After engine_flush. */
void engine_idle(struct engine *engine, struct actions *actions);
/* Timers whose deadline has come. May leave work for another call: see engine_deadline. */
void engine_tick(struct engine *engine, instant_ns now, uint64_t wall_ns, struct actions *actions);
/* When engine_tick is wanted next, or INSTANT_NEVER. */
instant_ns engine_deadline(const struct engine *engine);

/* A datagram that the caller could not send (the socket's queue is full, the kernel refused).
 * Counts. */
void engine_count(struct engine *engine, uint32_t tunnel, enum verdict verdict, uint64_t packets);

/* ---- commands ---- */

/* The link is up: peers with persistent keepalive start; down: sessions are forgotten. */
void engine_set_up(struct engine *engine, bool is_up, instant_ns now);
/* A name was resolved: the sticky source is dropped, and what waits for a session asks for one
 * there at once. False: that peer is gone, and nothing was done to whoever has its number now. */
bool engine_set_endpoint(struct engine *engine, struct peer_handle peer,
                         const struct endpoint *endpoint, instant_ns now);
/* A root's MTU (E1), computed by the caller from the route to its endpoints; carried tunnels
 * follow, and buffers grow where it is larger than any before. Between two turns. */
void engine_set_root_mtu(struct engine *engine, uint32_t root, uint32_t mtu_bytes);
/* What the host keeps for itself, besides loopback and the interface's own addresses, which need
 * not be told (F1). False: no memory, and what was told before holds. */
bool engine_set_host(struct engine *engine, const struct prefix *prefixes, size_t count);
/* Where the peer was spoken to is no way to it any more: the kernel chooses what its datagrams
 * leave from, until it speaks again. */
void engine_forget_source(struct engine *engine, uint32_t tunnel, uint32_t peer);
/* The network under a root changed (F8): sticky sources dropped, one handshake at once. */
void engine_network_changed(struct engine *engine, uint32_t root, instant_ns now);

/* A handshake with the peer, as soon as one may begin. Does nothing where there is none any more.
 */
void engine_initiate(struct engine *engine, struct peer_handle peer, instant_ns now);
/* Questions of the program's own to its peers: see echo.h. */
struct echoes *engine_echoes(struct engine *engine);
/* The sockets of the program's own inside its tunnels: see own_socket.h. */
struct own_sockets *engine_own_sockets(struct engine *engine);

/* ---- changes ---- */

/* Applies the changes as one, between two turns, when all actions are performed. 0; or refused:
 * `why` says where and what, and nothing has changed: -EADDRINUSE, two virtual sockets would have
 * one port; -ENOMEM; -EINVAL, all else. What the changes do not touch keeps sessions, counters,
 * learnt endpoints and paths, and what waits. Then, as after engine_new, roots' MTUs are the
 * caller's to set; engine_deadline may be now. */
int engine_apply(struct engine *engine, const struct changes *changes, instant_ns now,
                 struct text *why);
/* What engine_apply would refuse now; changes nothing. */
int engine_try(struct engine *engine, const struct changes *changes, struct text *why);
/* What is configured now, in the caller's memory: engine_new would make the same network of it.
 * False: no memory, and nothing to give back. */
bool engine_describe(const struct engine *engine, const struct memory *memory,
                     struct network_description *description);

/* Whoever has the number now. The other doors take numbers, as they are asked and used within one
 * turn; who keeps one over time keeps a handle. */
struct tunnel_handle engine_tunnel_handle(const struct engine *engine, uint32_t tunnel);
struct peer_handle engine_peer_handle(const struct engine *engine, uint32_t tunnel, uint32_t peer);
/* False: it is gone, whoever has its number. */
bool engine_has_peer(const struct engine *engine, struct peer_handle peer);
/* All tunnels in file order, all peers of one in the order of addition: the number behind `after`,
 * or the first behind -1; -1: that was the last. */
int engine_next_tunnel(const struct engine *engine, int after);
int engine_next_peer(const struct engine *engine, uint32_t tunnel, int after);
/* The first root (description_first_root); -1: there is no tunnel. */
int engine_first_root(const struct engine *engine);
/* The tunnel of that name, or -1. */
int engine_find_tunnel(const struct engine *engine, const char *name);

/* ---- questions ---- */

/* Which tunnel and peer a destination takes, and what it would look like (`hopwire route`). */
struct engine_route {
    enum verdict verdict; /* OK, or why it is refused */
    int tunnel;           /* -1: none */
    int peer;             /* -1: none */
    uint32_t mtu_bytes;   /* of the path */
    struct address source; /* after NAT */
};
void engine_route(const struct engine *engine, const struct address *destination,
                  struct engine_route *route);
/* How a peer's datagrams would leave to an address. */
enum engine_way {
    ENGINE_WAY_NONE,    /* the carrier does not reach it */
    ENGINE_WAY_SOCKET,  /* straight, through the root's socket */
    ENGINE_WAY_CARRIER, /* inside the tunnel's carrier */
    ENGINE_WAY_FELLOW,  /* inside another peer of the tunnel (RULES A8) */
    ENGINE_WAY_HIDDEN, /* the same, but there is no way: of that family, or because it is the peer's
                          own */
};
enum engine_way engine_way(const struct engine *engine, uint32_t tunnel, uint32_t peer,
                           const struct address *address);
/* MTU of a tunnel's plaintext (the path's), 0 when it has none yet. */
uint32_t engine_mtu(const struct engine *engine, uint32_t tunnel);
/* Counts up whenever some tunnel's MTU became another: routes and interface follow (E2). */
uint32_t engine_mtu_changes(const struct engine *engine);
/* The largest of those that some route leads to: what the interface needs (E2). 0: none yet. */
uint32_t engine_widest_mtu(const struct engine *engine);
/* Prefixes for the kernel's tables: winner per prefix, or -2 for a throw (A1). */
void engine_walk_routes(const struct engine *engine,
                        void (*visit)(void *context, const struct prefix *prefix, int tunnel),
                        void *context);
/* What each carrier loses to those that it carries (A3): see routes_walk_losses. False: no
 * memory. */
bool engine_walk_losses(const struct engine *engine,
                        void (*visit)(void *context, const struct routes_loss *loss),
                        void *context);

#endif
