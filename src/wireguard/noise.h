/* SPDX-License-Identifier: MIT */
/* The handshake Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s (whitepaper 5.4): keys in, messages and
 * session keys out. Storage is the caller's, nothing is looked up and nobody is called back. The
 * mac fields of messages belong to cookie.h. All-zero Diffie-Hellman results are refused. A refused
 * message changes nothing. */
#ifndef WIREGUARD_NOISE_H
#define WIREGUARD_NOISE_H

#include "base/clock.h"
#include "base/random.h"
#include "base/verdict.h"
#include "wireguard/message.h"

#define NOISE_TIMESTAMP_BYTES 12
/* An authenticated initiation is refused when the last one is younger: 50 a second. */
#define NOISE_INITIATION_INTERVAL_NS (NS_PER_S / 50)
/* The newest initiation and the one it superseded. */
#define NOISE_INITIATIONS 2

/* Our static key; all zero: none, and no handshake works. */
struct noise_identity {
    uint8_t private_key[32];
    uint8_t public_key[32];
};

/* An initiation of ours that waits for its response. */
struct noise_initiation {
    bool is_pending;
    uint32_t local_index; /* the message's sender index */
    instant_ns sent;
    uint8_t timestamp[NOISE_TIMESTAMP_BYTES];
    uint8_t ephemeral_private[32];
    uint8_t hash[32];
    uint8_t chaining_key[32];
};

/* The other end. */
struct noise_remote {
    uint8_t public_key[32];
    uint8_t preshared_key[32]; /* all zero: none */
    uint8_t static_shared[32]; /* Diffie-Hellman of both static keys, once one was needed: */
    bool has_shared;           /* an idle remote costs none */
    bool is_usable;            /* then: we have a key, and static_shared is not all zero */
    uint8_t latest_timestamp[NOISE_TIMESTAMP_BYTES]; /* of its accepted initiations */
    bool has_accepted;
    instant_ns last_accepted;
    uint64_t last_wall_ns; /* of our own last timestamp, whitened; 0: none */
    struct noise_initiation initiations[NOISE_INITIATIONS];
    unsigned newest; /* of `initiations` */
};

/* An initiation half consumed: who it is, as far as the message itself tells. */
struct noise_caller {
    uint8_t static_key[32]; /* find the remote by it */
    uint32_t remote_index;
    uint8_t timestamp[NOISE_TIMESTAMP_BYTES]; /* valid once accepted */
    uint8_t ephemeral[32];
    uint8_t encrypted_timestamp[28];
    uint8_t hash[32];
    uint8_t chaining_key[32];
};

/* Transport keys, for one session. The taker wipes them. */
struct noise_keys {
    uint8_t send[32];
    uint8_t receive[32];
};

/* An all-zero private key is none (TRAPS 29). */
void noise_identity_init(struct noise_identity *identity, const uint8_t private_key[32]);
bool noise_identity_is_none(const struct noise_identity *identity);
void noise_identity_wipe(struct noise_identity *identity);

/* A remote belongs to one identity, which the functions below are given each time. */
void noise_remote_init(struct noise_remote *remote, const uint8_t public_key[32],
                       const uint8_t preshared_key[32]);
/* Our own static key has changed: initiations under way are forgotten. */
void noise_remote_forget_identity(struct noise_remote *remote);
/* There can be a handshake: we have a key, and the remote's is one. */
bool noise_remote_is_usable(struct noise_remote *remote, const struct noise_identity *identity);
void noise_forget_initiation(struct noise_remote *remote, unsigned slot);

/* The slot that the next initiation takes: the newest becomes the superseded one, and the one
 * superseded before is forgotten. */
static inline unsigned noise_next_slot(const struct noise_remote *remote)
{
    return remote->newest ^ 1;
}

/* 5.4.2. Writes all but the macs and remembers the initiation in noise_next_slot. The timestamp is
 * TAI64N of `wall_ns`, whitened to 2^24 ns and above all earlier ones even if the clock jumps back.
 * NO_SESSION: the remote's key can never work. */
enum verdict noise_create_initiation(struct noise_remote *remote,
                                     const struct noise_identity *identity,
                                     const struct random_source *random, uint32_t local_index,
                                     instant_ns now, uint64_t wall_ns,
                                     struct message_initiation *message);

/* First half: decrypts the static key. False: it was not made for our key. The caller's struct
 * holds secrets: wipe it (noise_caller_wipe) on every way out. */
bool noise_consume_initiation_begin(const struct noise_identity *identity,
                                    const struct message_initiation *message,
                                    struct noise_caller *caller);
/* Second half: `remote` is the one with caller->static_key. HANDSHAKE_REFUSED: forged.
 * HANDSHAKE_REPLAYED: the timestamp is not newer than the last. RATE_LIMITED: too soon after it. */
enum verdict noise_consume_initiation_accept(struct noise_remote *remote,
                                             const struct noise_identity *identity,
                                             struct noise_caller *caller, instant_ns now);
void noise_caller_wipe(struct noise_caller *caller);

/* 5.4.3 for an accepted caller; all but the macs. HANDSHAKE_REFUSED: an all-zero secret. */
enum verdict noise_create_response(const struct noise_remote *remote,
                                   const struct noise_caller *caller,
                                   const struct random_source *random, uint32_t local_index,
                                   struct message_response *message, struct noise_keys *keys);

/* The response to the initiation in `slot`. The superseded one is answered up to REKEY_TIMEOUT
 * after the newest was sent. OK: forget that initiation, and with the newest the superseded one too
 * (the other end dropped its session for that when it answered the newest). Else HANDSHAKE_REFUSED.
 */
enum verdict noise_consume_response(const struct noise_remote *remote,
                                    const struct noise_identity *identity, unsigned slot,
                                    const struct message_response *message, instant_ns now,
                                    struct noise_keys *keys);

#endif
