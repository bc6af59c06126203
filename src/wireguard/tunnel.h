/* SPDX-License-Identifier: MIT */
/* One WireGuard identity with its peers: handshakes in both roles, the table of session indices,
 * the AllowedIPs. Knows no sockets, no carriers and no owner; bytes in, bytes and verdicts out. */
#ifndef WIREGUARD_TUNNEL_H
#define WIREGUARD_TUNNEL_H

#include "base/memory.h"
#include "base/random.h"
#include "base/trie.h"
#include "base/verdict.h"
#include "wireguard/peer.h"
#include "wireguard/ratelimit.h"

struct tunnel {
    const struct memory *memory;
    const struct random_source *random;
    struct noise_identity identity;
    struct cookie_checker checker;
    struct ratelimit limit;
    struct trie allowed_ips; /* value: struct peer, listed there */
    struct list peers;       /* in the order of addition */
    size_t peer_count;
    struct peer **peers_by_key; /* hash table: chains through next_in_table */
    size_t peers_by_key_size;   /* a power of two */
    uint8_t hash_key[16];
    struct indices indices; /* sessions and initiations under way */
    void *owner;            /* the engine's */
};

/* All zero: no private key yet; the tunnel is silent until it gets one. False: no memory. */
bool tunnel_init(struct tunnel *tunnel, const struct memory *memory,
                 const struct random_source *random, const uint8_t private_key[32]);
void tunnel_wipe(struct tunnel *tunnel); /* frees all peers; their staged packets were given back */

/* NULL: no memory, or the key is known; that it is not our own is the caller's to see. A peer whose
 * key yields an all-zero secret is added but never causes a packet (TRAPS 21). */
struct peer *tunnel_add_peer(struct tunnel *tunnel, const uint8_t public_key[32],
                             const uint8_t preshared_key[32]);
struct peer *tunnel_find_peer(const struct tunnel *tunnel, const uint8_t public_key[32]);
/* Forgets and frees it, with its AllowedIPs; its staged packets were given back. */
void tunnel_remove_peer(struct tunnel *tunnel, struct peer *peer);
/* The same in two steps, of which the first can be undone: the peer is nobody's then, and keeps its
 * sessions. It has no AllowedIPs any more. */
void tunnel_unlink_peer(struct peer *peer);
/* `behind`: in the order of peers (struct peer's in_tunnel, or the tunnel's list itself). */
void tunnel_relink_peer(struct peer *peer, struct list *behind);
void tunnel_free_peer(struct peer *peer);

/* Gives the peer a prefix, whoever had it. False: no memory. */
static inline bool tunnel_allow(struct peer *peer, const struct prefix *prefix)
{
    return trie_insert_listed(&peer->tunnel->allowed_ips, prefix, peer, &peer->allowed_ips);
}

/* A new identity on a live tunnel (TRAPS 26): sessions still open what comes, but are not sent with
 * any more; handshakes under way are forgotten. The same key again changes nothing. All zero: none;
 * the tunnel neither asks nor answers. False: a peer has it; nothing changed. */
bool tunnel_set_private_key(struct tunnel *tunnel, const uint8_t private_key[32]);
/* From the next handshake on; sessions stay. */
void tunnel_set_preshared_key(struct peer *peer, const uint8_t preshared_key[32]);

/* Writes an initiation of MESSAGE_INITIATION_BYTES, with the peer's cookie when it gave one, and
 * arms its timers. `wall_ns` (CLOCK_REALTIME) becomes the TAI64N timestamp: monotonic, whitened.
 * NO_SESSION: the peer's key can never work, or we have none. RATE_LIMITED: the last one is younger
 * than REKEY_TIMEOUT. */
enum verdict tunnel_create_initiation(struct peer *peer, instant_ns now, uint64_t wall_ns,
                                      uint8_t message[MESSAGE_INITIATION_BYTES]);

/* What a handshake message brought about. */
struct handshake_result {
    struct peer *peer;  /* who it was; NULL: unknown (a cookie reply of ours goes to the sender) */
    struct peer *misfit; /* whose initiation the refused response claims to answer; or NULL */
    size_t reply_bytes; /* of `reply`, to be sent to where the message came from; 0: none */
    uint8_t reply[MESSAGE_HANDSHAKE_MOST_BYTES];
    bool moves_endpoint;   /* authenticated: the peer is where this came from */
    bool session_is_ready; /* our initiation was answered: send what is staged, else a keepalive */
};

/* Consumes initiation, response or cookie reply (message_type has told which); `message` lies
 * outside `result`. `source` is the datagram's (cookies, rate limits: TRAPS 16, 22). OK, or why
 * not: BAD_MAC1, UNDER_LOAD (with the reply), RATE_LIMITED, HANDSHAKE_REFUSED, HANDSHAKE_REPLAYED,
 * COOKIE_REFUSED. An unauthenticated byte changes no state other than rate limits. Arms the timers;
 * stamps last_handshake_wall_ns, of an initiation once peer_confirm_next says that the answer
 * came. */
enum verdict tunnel_consume_handshake(struct tunnel *tunnel, const uint8_t *message, size_t len,
                                      const struct endpoint *source, bool is_under_load,
                                      instant_ns now, uint64_t wall_ns,
                                      struct handshake_result *result);

/* Whether a handshake message may wait for its turn, at the cost of a few hashes: its mac1 is
 * right, and what it answers is known (BAD_MAC1, HANDSHAKE_REFUSED, COOKIE_REFUSED). `is_proven`:
 * it need not show a cookie any more: an answer to us, which nobody forges who has not seen our
 * message, or under load an initiation with a valid mac2, which counts for its source's rate
 * (RATE_LIMITED). */
enum verdict tunnel_vet_handshake(struct tunnel *tunnel, const uint8_t *message, size_t len,
                                  const struct endpoint *source, bool is_under_load, instant_ns now,
                                  bool *is_proven);

/* The session with this local index (also one whose peer is `next` or `previous`), or NULL. */
struct session *tunnel_find_session(const struct tunnel *tunnel, uint32_t local_index);

#endif
