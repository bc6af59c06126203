/* SPDX-License-Identifier: MIT */
/* libhopwire: a tree of WireGuard tunnels behind one interface, for programs that do their own
 * input and output. The library makes no system call, reads no clock, draws no randomness and keeps
 * nothing outside the engine object: bytes and times go in, datagrams and packets come out.
 *
 *     hopwire_engine_new            reads the configuration
 *     hopwire_engine_set_root_mtu   for each root, then hopwire_engine_set_up
 *     and in a loop, each followed by doing what its actions say:
 *     hopwire_engine_from_tun       for a packet that the TUN has
 *     hopwire_engine_from_udp       for a datagram that a socket has
 *     hopwire_engine_flush          at the end of a turn
 *     hopwire_engine_idle           when nothing more waits
 *     hopwire_engine_tick           when hopwire_engine_deadline is reached
 *
 * examples/embed.c is a whole program.
 *
 * Words: a tunnel is one WireGuard identity with its peers; tunnels are counted from 0 in the order
 * of the configuration. A tunnel with `Via` is carried inside another one; a root is not: its
 * datagrams leave through a UDP socket of the program. The TUN is whatever the program takes IP
 * packets from and gives them to.
 *
 * An engine belongs to one thread at a time; two engines have nothing in common. Every `now_ns` is
 * of a clock that never goes back and counts sleep too (CLOCK_BOOTTIME), and is never 0; `wall_ns`
 * is the time since 1970 (CLOCK_REALTIME), which handshakes carry: it should not fall behind that
 * of an earlier run. Pointers that a function takes are borrowed for the call unless it says
 * otherwise. */
#ifndef HOPWIRE_HOPWIRE_H
#define HOPWIRE_HOPWIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HOPWIRE_API __attribute__((visibility("default")))

/* The library's version, "0.1.0"; borrowed for ever. */
HOPWIRE_API const char *hopwire_version(void);

/* ---- plain types ---- */

enum hopwire_status {
    HOPWIRE_OK = 0,
    HOPWIRE_REFUSED,   /* the configuration: every fault was told through `message` */
    HOPWIRE_NO_MEMORY, /* an allocator gave NULL; nothing is left behind */
    /* An argument: no such tunnel or peer, not a root, not an address; a missing callback. */
    HOPWIRE_INVALID,
};

/* Network byte order; IPv4 uses the first 4 bytes. */
struct hopwire_address {
    uint8_t family; /* 4, 6, or 0: none */
    uint8_t bytes[16];
};

struct hopwire_endpoint {
    struct hopwire_address address;
    uint16_t port;     /* host byte order */
    uint32_t scope_id; /* the interface index of a link-local IPv6 address, else 0 */
};

/* ---- what the program gives ---- */

struct hopwire_memory {
    /* Zeroed memory that begins at a multiple of 64, or NULL. */
    void *(*take)(void *context, size_t bytes);
    /* What `take` gave (never NULL), with the same number of bytes. Keys were wiped before. */
    void (*give)(void *context, void *pointer, size_t bytes);
    void *context;
};

enum hopwire_message_kind {
    HOPWIRE_MESSAGE_ERROR,   /* a fault of the configuration: nothing was made */
    HOPWIRE_MESSAGE_WARNING, /* of the configuration: probably not what was meant */
    HOPWIRE_MESSAGE_NOTICE,  /* of the configuration: something is passed over on purpose */
    HOPWIRE_MESSAGE_EVENT,   /* of the running engine */
};

struct hopwire_options {
    /* Keys, sessions and the configuration while it is read: below 2 MiB for a few tunnels. A
     * careful program locks it into RAM and leaves it out of core dumps. Required, and kept in use
     * as long as the engine, as are all callbacks and contexts. */
    struct hopwire_memory secrets;
    /* Packet buffers, taken once: 20 to 30 MiB, which are touched only as far as they are used.
     * `take` NULL: from `secrets`. */
    struct hopwire_memory buffers;

    /* Fills `len_bytes` with bytes that nobody can predict. Required; it must not fail: end the
     * program instead. */
    void (*random)(void *context, uint8_t *bytes, size_t len_bytes);
    void *random_context;

    /* One line without a newline, never with a key; it is gone after the call. May be NULL. */
    void (*message)(void *context, enum hopwire_message_kind kind, const char *line);
    void *message_context;

    /* A file that the configuration names (Config, PrivateKeyFile, PresharedKeyFile): its path
     * is taken relative to the folder of the configuration's `name`. Returns the file's length
     * and, when that is at most `capacity_bytes`, writes it to `bytes`; negative: it cannot be
     * read. Called only within hopwire_engine_new, first with a capacity of 0. NULL: there are
     * no files. */
    int64_t (*read)(void *context, const char *path, char *bytes, size_t capacity_bytes);
    void *read_context;
};

/* ---- the engine ---- */

struct hopwire_engine;

/* Reads a network from text: the format of hopwire.conf(5), or a plain wg-quick file, which is a
 * network of one tunnel. `name` is a file's name, with or without folder and ".conf"; the network
 * is named after it, and messages begin with it. The text need not end with a NUL; wipe it
 * afterwards, it holds keys. HOPWIRE_OK: `*engine` is the caller's, to be freed; else it is left as
 * it is.
 *
 * What asks something of the host is read and checked, but left to the program: KillSwitch,
 * AllowLAN, DNS, DNSGuard, FwMark, Table and whatever else in hopwire.conf(5) is about rules,
 * routes, firewall, resolver or programs to run. Each such key is told as a
 * HOPWIRE_MESSAGE_WARNING. */
HOPWIRE_API enum hopwire_status hopwire_engine_new(struct hopwire_engine **engine,
                                                   const struct hopwire_options *options,
                                                   const char *name, const char *text,
                                                   size_t text_bytes);

/* Wipes every key and gives all memory back. NULL does nothing. */
HOPWIRE_API void hopwire_engine_free(struct hopwire_engine *engine);

/* ---- doors ---- */

/* A datagram to send from a root's socket. */
struct hopwire_send {
    uint32_t root; /* whose socket: the tunnel's index */
    const uint8_t *bytes;
    size_t len_bytes;
    uint8_t tos; /* of the IP header: DSCP and ECN */
    struct hopwire_endpoint destination;
    struct hopwire_address source; /* the local address that the peer spoke to; family 0: any */
    uint32_t source_interface;     /* the interface index it spoke to, or 0: any */
};

/* An IP packet for the TUN, complete with its checksums. */
struct hopwire_write {
    const uint8_t *bytes;
    size_t len_bytes;
};

/* What a door asks for, in the order in which it is to be done. The arrays and the bytes belong to
 * the engine and live until the next door of the same engine is called. What cannot be sent or
 * written is simply dropped: WireGuard and what travels in it expect losses. */
struct hopwire_actions {
    const struct hopwire_send *sends;
    size_t send_count;
    const struct hopwire_write *writes;
    size_t write_count;
};

/* Takes one IP packet from the TUN: routes it, or answers with ICMP. The bytes are the caller's and
 * are changed (addresses, ports, checksums). It leaves with the next flush: take up to 128 packets,
 * then flush. A packet that cannot travel is dropped and counted. */
HOPWIRE_API void hopwire_engine_from_tun(struct hopwire_engine *engine, uint8_t *bytes,
                                         size_t len_bytes, uint64_t now_ns, uint64_t wall_ns,
                                         struct hopwire_actions *actions);

/* What a root's socket received. */
struct hopwire_datagram {
    const uint8_t *bytes; /* copied by the engine */
    size_t len_bytes;     /* at most 65535; longer is dropped and counted */
    /* 0: one datagram. Else up to 64 datagrams of this size in a row, the last may be shorter: what
     * UDP_GRO gives. */
    size_t segment_bytes;
    struct hopwire_endpoint source;
    struct hopwire_address destination; /* where it was sent to; family 0: not known */
    uint32_t interface;                 /* the index of the interface it came in at; 0: not known */
    uint8_t tos;                        /* of the IP header */
};

/* Takes a datagram that came in at a root's socket. Its answers and what it carries leave with the
 * next flush. HOPWIRE_INVALID: `root` is none, or the source no endpoint; then there are no
 * actions. */
HOPWIRE_API enum hopwire_status hopwire_engine_from_udp(struct hopwire_engine *engine,
                                                        uint32_t root,
                                                        const struct hopwire_datagram *datagram,
                                                        uint64_t now_ns,
                                                        struct hopwire_actions *actions);

/* Ends a turn: encrypts what came from the TUN, decrypts what came from the network, and handles a
 * few handshakes. */
HOPWIRE_API void hopwire_engine_flush(struct hopwire_engine *engine, uint64_t now_ns,
                                      uint64_t wall_ns, struct hopwire_actions *actions);

/* Nothing more waits at any socket: what the engine held back leaves. After a flush. */
HOPWIRE_API void hopwire_engine_idle(struct hopwire_engine *engine,
                                     struct hopwire_actions *actions);

/* Runs the timers whose time has come; to be called when the deadline is reached, harmless
 * before. */
HOPWIRE_API void hopwire_engine_tick(struct hopwire_engine *engine, uint64_t now_ns,
                                     uint64_t wall_ns, struct hopwire_actions *actions);

/* When the next tick is wanted, on the clock of now_ns; it may have passed. UINT64_MAX: never. Ask
 * again after each door and command. */
HOPWIRE_API uint64_t hopwire_engine_deadline(const struct hopwire_engine *engine);

/* ---- commands; what they set in motion happens at the next tick, see the deadline ---- */

/* Up: persistent keepalives start, packets travel. Down: sessions, what waits for one and the count
 * of attempts are forgotten, and a packet from the TUN is refused ("no_session"), not kept. A new
 * engine is down. */
HOPWIRE_API void hopwire_engine_set_up(struct hopwire_engine *engine, bool is_up, uint64_t now_ns);

/* The largest packet that a root may take from the TUN: the MTU of the way to its peers less 60
 * bytes (over IPv4) or 80 (over IPv6). Those it carries follow. A root with `MTU` in the
 * configuration has that from the start, and none larger if it is an upper bound (a file that
 * another includes); one without carries nothing before. HOPWIRE_INVALID: not a root, or above
 * 9216. */
HOPWIRE_API enum hopwire_status hopwire_engine_set_root_mtu(struct hopwire_engine *engine,
                                                            uint32_t root, uint32_t mtu_bytes);

/* Where a peer is reached: a name was resolved, or the peer has moved. Peers are in the order of
 * the configuration. HOPWIRE_INVALID: no such tunnel or peer, no address or port 0. */
HOPWIRE_API enum hopwire_status hopwire_engine_set_endpoint(
    struct hopwire_engine *engine, uint32_t tunnel, uint32_t peer,
    const struct hopwire_endpoint *endpoint, uint64_t now_ns);

/* The network below a root is another one (from Wi-Fi to mobile, say): local addresses are
 * forgotten and its peers are greeted at once. HOPWIRE_INVALID: not a root. */
HOPWIRE_API enum hopwire_status hopwire_engine_network_changed(struct hopwire_engine *engine,
                                                               uint32_t root, uint64_t now_ns);

/* ---- questions ---- */

/* What the TUN should look like. */
struct hopwire_interface {
    const char *name;            /* as configured; borrowed as long as the engine */
    struct hopwire_address ipv4; /* family 0: it has no address of this family */
    struct hopwire_address ipv6;
    uint32_t mtu_bytes; /* configured, or the largest of any routed tunnel's; 0: not known yet */
};
HOPWIRE_API void hopwire_engine_interface(const struct hopwire_engine *engine,
                                          struct hopwire_interface *interface);

/* Every prefix that leads to the TUN, with the tunnel that takes it. Tunnel -1: an exception
 * (`Routes = !PREFIX`) that no tunnel takes: it is left to the host's own routes, and the engine
 * refuses its packets. */
HOPWIRE_API void hopwire_engine_walk_routes(
    const struct hopwire_engine *engine,
    void (*visit)(void *context, const struct hopwire_address *address, unsigned prefix_bits,
                  int tunnel),
    void *context);

HOPWIRE_API uint32_t hopwire_engine_tunnel_count(const struct hopwire_engine *engine);

struct hopwire_tunnel {
    const char *name;     /* borrowed as long as the engine */
    int carrier;          /* the index of the tunnel that it travels in, or -1: a root */
    uint32_t mtu_bytes;   /* of the packets that it takes; 0: not known yet */
    uint8_t public_key[32];
    uint16_t listen_port; /* a root's: to bind its socket to, 0 for any */
    bool nat_is_on;       /* its packets leave with its own address, not the interface's */
    uint32_t peer_count;
    uint64_t outbound_packets; /* entered it */
    uint64_t inbound_packets;  /* came out of it and were accepted */
    uint64_t dropped_packets;  /* see hopwire_engine_walk_drops */
};
/* HOPWIRE_INVALID: no such tunnel. */
HOPWIRE_API enum hopwire_status hopwire_engine_read_tunnel(const struct hopwire_engine *engine,
                                                           uint32_t tunnel,
                                                           struct hopwire_tunnel *out);

enum hopwire_peer_state {
    HOPWIRE_PEER_IDLE,        /* no session, none wanted; with attempts: given up */
    HOPWIRE_PEER_NO_ENDPOINT, /* waits for a name, or for the peer to speak first */
    HOPWIRE_PEER_UNROUTABLE,  /* its endpoint lies outside of what the carrier reaches */
    HOPWIRE_PEER_HANDSHAKE,   /* not answered: a handshake is under way; beside a session that still
                               * lives, a second one at least */
    HOPWIRE_PEER_UP,          /* a session works, and the peer answers */
};

struct hopwire_peer {
    uint8_t public_key[32];
    struct hopwire_endpoint endpoint; /* family 0: not known */
    /* To be resolved and told by hopwire_engine_set_endpoint; NULL: not by name. Borrowed as long
     * as the engine. */
    const char *endpoint_name;
    uint16_t endpoint_name_port;
    enum hopwire_peer_state state;
    uint64_t since_ns; /* UP: age of the session; HANDSHAKE: since the first attempt */
    uint32_t attempts; /* handshakes begun since the last session began */
    uint64_t sent_bytes;
    uint64_t received_bytes;
    uint64_t last_handshake_wall_ns; /* 0: never */
    uint16_t persistent_keepalive_s; /* 0: off */
    uint32_t waiting_packets;        /* for a session */
};
/* HOPWIRE_INVALID: no such tunnel or peer. */
HOPWIRE_API enum hopwire_status hopwire_engine_read_peer(const struct hopwire_engine *engine,
                                                         uint32_t tunnel, uint32_t peer,
                                                         uint64_t now_ns,
                                                         struct hopwire_peer *out);

/* Why packets were dropped: each reason that occurred, by a word ("no_route") and a sentence, both
 * borrowed for ever. `tunnel` -1: before a tunnel was known. HOPWIRE_INVALID: no such tunnel. */
HOPWIRE_API enum hopwire_status hopwire_engine_walk_drops(
    const struct hopwire_engine *engine, int tunnel,
    void (*visit)(void *context, const char *reason, const char *meaning, uint64_t packets),
    void *context);

#ifdef __cplusplus
}
#endif

#endif
