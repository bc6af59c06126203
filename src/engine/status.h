/* SPDX-License-Identifier: MIT */
/* What `hopwire status` shows, as plain data. */
#ifndef ENGINE_STATUS_H
#define ENGINE_STATUS_H

#include "base/address.h"
#include "base/clock.h"
#include "base/verdict.h"

struct engine;

struct status_tunnel {
    const char *name; /* borrowed from the engine */
    int carrier;      /* index, or -1 */
    uint32_t depth;   /* 1: a root */
    uint32_t mtu_bytes;
    uint8_t public_key[32];
    uint16_t listen_port; /* of a carried tunnel's virtual socket */
    uint16_t inner_port;  /* of the virtual socket on its own addresses (RULES A8); 0: none */
    bool nat_is_on;
    uint32_t peer_count;
    uint64_t outbound_packets; /* entered this tunnel */
    uint64_t inbound_packets;  /* opened and accepted */
    uint64_t keepalives;      /* received */
    uint64_t drops[VERDICT_COUNT];
};

enum status_peer_state {
    STATUS_PEER_IDLE,        /* no session, none wanted; with attempts: given up */
    STATUS_PEER_NO_ENDPOINT, /* waits for a name, or for the peer to speak first */
    STATUS_PEER_UNROUTABLE,  /* its endpoint lies outside the carrier, or it would ride itself, or
                              * (MTU 0) the path there is too narrow */
    STATUS_PEER_HANDSHAKE,   /* an initiation is under way; beside a session, not the first */
    STATUS_PEER_UP,          /* a session works, and the peer answers */
};

struct status_peer {
    uint8_t public_key[32];
    struct endpoint endpoint;
    struct address source;     /* what its datagrams leave from; FAMILY_NONE: the kernel's choice */
    uint32_t source_interface; /* where it was spoken to there */
    enum status_peer_state state;
    /* The tunnel whose plaintext its datagrams are (RULES A8: perhaps its own), -1: the root's
     * socket; and the peer of it that they go to, -1: it reaches the endpoint through none. */
    int carrier;
    int carrier_peer;
    uint32_t mtu_bytes;   /* of the path to it */
    uint32_t path_mtu_bytes; /* carried: what its datagrams' way takes (C6); 0: the carrier's MTU */
    const char *error;         /* carried: the newest ICMP error about its datagrams; NULL: none */
    struct address error_source; /* who said so, and how long ago */
    duration_ns error_ns;
    duration_ns since_ns; /* UP: age of the session; else as unanswered_ns */
    duration_ns unanswered_ns; /* since the first of the attempts; 0: none */
    uint32_t attempts;    /* handshakes begun since the last session began */
    uint64_t sent_bytes;
    uint64_t received_bytes;
    uint64_t last_handshake_wall_ns;
    duration_ns handshake_rtt_ns; /* of the last one that began here; 0: none */
    instant_ns last_received;     /* authenticated; INSTANT_NEVER: never */
    instant_ns last_data;         /* the same, and sent through the tunnel; 0: never */
    bool has_session;             /* one that may send */
    uint32_t misfits; /* answers since the last session that do not fit the keys */
    uint16_t persistent_keepalive_s;
    bool has_preshared_key;
    instant_ns preshared_key_since; /* 0: since the engine is */
    bool is_preshared_key_used;     /* by the newest session */
    uint32_t staged_packets;
};

/* Packets refused before a tunnel was known. */
void status_read_network_drops(const struct engine *engine, uint64_t drops[VERDICT_COUNT]);
size_t status_tunnel_count(const struct engine *engine);
void status_read_tunnel(const struct engine *engine, uint32_t tunnel, struct status_tunnel *out);
void status_read_peer(const struct engine *engine, uint32_t tunnel, uint32_t peer, instant_ns now,
                      struct status_peer *out);
/* Its state in words; "gave up": idle, and nothing answered when it was not. */
const char *status_peer_word(const struct status_peer *peer);
/* What keeps an unroutable peer's datagrams from its endpoint, in words. */
const char *status_peer_obstacle(uint32_t tunnel, const struct status_peer *peer);

#endif
