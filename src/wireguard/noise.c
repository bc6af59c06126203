/* SPDX-License-Identifier: MIT */
/* Theory of operation. A handshake is a running hash (what was said) and a chaining key (what is
 * shared); each message mixes both. They are worked on in a copy, and only a message that proved
 * itself is written back: a forged one changes nothing. Our initiations and our answers to the
 * other end's share no state, so that both ends may start at once. */
#include "wireguard/noise.h"

#include "crypto/aead.h"
#include "crypto/blake2s.h"
#include "crypto/x25519.h"

/* As the kernel whitens: the least power of two above which two initiations are told apart. */
#define WHITEN_NS (1ull << 24)
#define TAI64_EPOCH 0x400000000000000aull /* 1970 in TAI64, ten leap seconds behind UTC */

static const char construction[] = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
static const char identifier[] = "WireGuard v1 zx2c4 Jason@zx2c4.com";

struct transcript {
    uint8_t hash[32];
    uint8_t chaining_key[32];
};

static void mix_hash(struct transcript *transcript, const uint8_t *bytes, size_t len)
{
    struct blake2s state;
    blake2s_init(&state, 32, NULL, 0);
    blake2s_update(&state, transcript->hash, 32);
    blake2s_update(&state, bytes, len);
    blake2s_final(&state, transcript->hash);
}

static void mix_key(struct transcript *transcript, const uint8_t input[32], uint8_t *key)
{
    blake2s_kdf(transcript->chaining_key, input, 32, transcript->chaining_key, key, NULL);
}

/* Mixes a Diffie-Hellman result; false: it is all zero. */
static bool mix_shared(struct transcript *transcript, const uint8_t private_key[32],
                       const uint8_t public_key[32], uint8_t *key)
{
    uint8_t shared[32];
    bool is_usable = x25519(shared, private_key, public_key);
    if (is_usable)
        mix_key(transcript, shared, key);
    bytes_wipe(shared, sizeof(shared));
    return is_usable;
}

static void mix_ephemeral(struct transcript *transcript, const uint8_t ephemeral[32])
{
    mix_hash(transcript, ephemeral, 32);
    mix_key(transcript, ephemeral, NULL);
}

static void seal_mixed(struct transcript *transcript, const uint8_t key[32],
                       const uint8_t *plaintext, size_t len, uint8_t *out)
{
    aead_seal_with_data(key, 0, plaintext, len, transcript->hash, 32, out);
    mix_hash(transcript, out, len + AEAD_TAG_BYTES);
}

static bool open_mixed(struct transcript *transcript, const uint8_t key[32],
                       const uint8_t *ciphertext, size_t len, uint8_t *out)
{
    if (!aead_open_with_data(key, 0, ciphertext, len, transcript->hash, 32, out))
        return false;
    mix_hash(transcript, ciphertext, len);
    return true;
}

static void transcript_begin(struct transcript *transcript, const uint8_t responder_key[32])
{
    blake2s_hash(construction, sizeof(construction) - 1, transcript->chaining_key);
    memcpy(transcript->hash, transcript->chaining_key, 32);
    mix_hash(transcript, (const uint8_t *)identifier, sizeof(identifier) - 1);
    mix_hash(transcript, responder_key, 32);
}

static void draw_ephemeral(const struct random_source *random, uint8_t private_key[32],
                           uint8_t public_key[32])
{
    random_fill(random, private_key, 32);
    x25519_clamp(private_key);
    x25519_public(public_key, private_key);
}

/* 5.4.3's preshared key. `key` is what seals the empty payload. */
static void mix_preshared(struct transcript *transcript, const uint8_t preshared_key[32],
                          uint8_t key[32])
{
    uint8_t tau[32];
    blake2s_kdf(transcript->chaining_key, preshared_key, 32, transcript->chaining_key, tau, key);
    mix_hash(transcript, tau, sizeof(tau));
    bytes_wipe(tau, sizeof(tau));
}

/* 5.4.5. */
static void derive_keys(const struct transcript *transcript, bool is_initiator,
                        struct noise_keys *keys)
{
    blake2s_kdf(transcript->chaining_key, NULL, 0, is_initiator ? keys->send : keys->receive,
                is_initiator ? keys->receive : keys->send, NULL);
}

/* Rounds the part below a second down, as others do: our clock's low bits are nobody's business. */
static uint64_t whiten(uint64_t wall_ns)
{
    return wall_ns - wall_ns % NS_PER_S % WHITEN_NS;
}

static void write_timestamp(struct noise_remote *remote, uint64_t wall_ns,
                            uint8_t timestamp[NOISE_TIMESTAMP_BYTES])
{
    uint64_t white_ns = whiten(wall_ns);
    if (white_ns <= remote->last_wall_ns) /* the clock stands, or was set back */
        white_ns = whiten(remote->last_wall_ns + WHITEN_NS);
    remote->last_wall_ns = white_ns;
    store_be64(timestamp, TAI64_EPOCH + white_ns / NS_PER_S);
    store_be32(timestamp + 8, (uint32_t)(white_ns % NS_PER_S));
}

void noise_identity_init(struct noise_identity *identity, const uint8_t private_key[32])
{
    *identity = (struct noise_identity){0};
    if (bytes_are_zero(private_key, 32))
        return;
    memcpy(identity->private_key, private_key, 32);
    x25519_clamp(identity->private_key);
    x25519_public(identity->public_key, identity->private_key);
}

bool noise_identity_is_none(const struct noise_identity *identity)
{
    return bytes_are_zero(identity->private_key, sizeof(identity->private_key));
}

void noise_identity_wipe(struct noise_identity *identity)
{
    bytes_wipe(identity, sizeof(*identity));
}

bool noise_remote_is_usable(struct noise_remote *remote, const struct noise_identity *identity)
{
    if (!remote->has_shared)
        remote->is_usable =
            !noise_identity_is_none(identity) &&
            x25519(remote->static_shared, identity->private_key, remote->public_key);
    remote->has_shared = true;
    return remote->is_usable;
}

void noise_remote_forget_identity(struct noise_remote *remote)
{
    bytes_wipe(remote->static_shared, 32);
    remote->has_shared = remote->is_usable = false;
    for (unsigned slot = 0; slot < NOISE_INITIATIONS; slot++)
        noise_forget_initiation(remote, slot);
}

void noise_remote_init(struct noise_remote *remote, const uint8_t public_key[32],
                       const uint8_t preshared_key[32])
{
    memset(remote, 0, sizeof(*remote));
    memcpy(remote->public_key, public_key, 32);
    memcpy(remote->preshared_key, preshared_key, 32);
}

void noise_forget_initiation(struct noise_remote *remote, unsigned slot)
{
    bytes_wipe(&remote->initiations[slot], sizeof(remote->initiations[slot]));
}

enum verdict noise_create_initiation(struct noise_remote *remote,
                                     const struct noise_identity *identity,
                                     const struct random_source *random, uint32_t local_index,
                                     instant_ns now, uint64_t wall_ns,
                                     struct message_initiation *message)
{
    if (!noise_remote_is_usable(remote, identity))
        return VERDICT_NO_SESSION;
    struct transcript transcript;
    uint8_t ephemeral[32], key[32];
    enum verdict verdict = VERDICT_NO_SESSION;
    memset(message, 0, sizeof(*message));
    store_le32(message->type, MESSAGE_INITIATION);
    store_le32(message->sender_index, local_index);
    transcript_begin(&transcript, remote->public_key);
    draw_ephemeral(random, ephemeral, message->ephemeral);
    mix_ephemeral(&transcript, message->ephemeral);                   /* e */
    if (!mix_shared(&transcript, ephemeral, remote->public_key, key)) /* es */
        goto wipe;
    seal_mixed(&transcript, key, identity->public_key, 32, message->encrypted_static); /* s */
    mix_key(&transcript, remote->static_shared, key);                                  /* ss */

    unsigned slot = noise_next_slot(remote);
    struct noise_initiation *initiation = &remote->initiations[slot];
    write_timestamp(remote, wall_ns, initiation->timestamp);
    seal_mixed(&transcript, key, initiation->timestamp, NOISE_TIMESTAMP_BYTES,
               message->encrypted_timestamp); /* {t} */
    initiation->is_pending = true;
    initiation->local_index = local_index;
    initiation->sent = now;
    memcpy(initiation->ephemeral_private, ephemeral, 32);
    memcpy(initiation->hash, transcript.hash, 32);
    memcpy(initiation->chaining_key, transcript.chaining_key, 32);
    remote->newest = slot;
    verdict = VERDICT_OK;
wipe:
    bytes_wipe(&transcript, sizeof(transcript));
    bytes_wipe(ephemeral, sizeof(ephemeral));
    bytes_wipe(key, sizeof(key));
    return verdict;
}

bool noise_consume_initiation_begin(const struct noise_identity *identity,
                                    const struct message_initiation *message,
                                    struct noise_caller *caller)
{
    struct transcript transcript;
    uint8_t key[32];
    transcript_begin(&transcript, identity->public_key);
    mix_ephemeral(&transcript, message->ephemeral); /* e */
    bool is_ours =
        mix_shared(&transcript, identity->private_key, message->ephemeral, key) && /* es */
        open_mixed(&transcript, key, message->encrypted_static, sizeof(message->encrypted_static),
                   caller->static_key); /* s */
    if (is_ours) {
        caller->remote_index = load_le32(message->sender_index);
        memcpy(caller->ephemeral, message->ephemeral, 32);
        memcpy(caller->encrypted_timestamp, message->encrypted_timestamp,
               sizeof(caller->encrypted_timestamp));
        memcpy(caller->hash, transcript.hash, 32);
        memcpy(caller->chaining_key, transcript.chaining_key, 32);
    }
    bytes_wipe(&transcript, sizeof(transcript));
    bytes_wipe(key, sizeof(key));
    return is_ours;
}

enum verdict noise_consume_initiation_accept(struct noise_remote *remote,
                                             const struct noise_identity *identity,
                                             struct noise_caller *caller, instant_ns now)
{
    if (!noise_remote_is_usable(remote, identity))
        return VERDICT_HANDSHAKE_REFUSED;
    struct transcript transcript;
    uint8_t key[32];
    enum verdict verdict = VERDICT_HANDSHAKE_REFUSED;
    memcpy(transcript.hash, caller->hash, 32);
    memcpy(transcript.chaining_key, caller->chaining_key, 32);
    mix_key(&transcript, remote->static_shared, key); /* ss */
    if (!open_mixed(&transcript, key, caller->encrypted_timestamp,
                    sizeof(caller->encrypted_timestamp), caller->timestamp)) /* {t} */
        goto wipe;
    /* 5.1: a timestamp is used once, by the whole of its order */
    verdict = VERDICT_HANDSHAKE_REPLAYED;
    if (remote->has_accepted &&
        memcmp(caller->timestamp, remote->latest_timestamp, NOISE_TIMESTAMP_BYTES) <= 0)
        goto wipe;
    verdict = VERDICT_RATE_LIMITED;
    if (remote->has_accepted &&
        instant_since(remote->last_accepted, now) < NOISE_INITIATION_INTERVAL_NS)
        goto wipe;
    memcpy(caller->hash, transcript.hash, 32);
    memcpy(caller->chaining_key, transcript.chaining_key, 32);
    memcpy(remote->latest_timestamp, caller->timestamp, NOISE_TIMESTAMP_BYTES);
    remote->has_accepted = true;
    remote->last_accepted = now;
    verdict = VERDICT_OK;
wipe:
    bytes_wipe(&transcript, sizeof(transcript));
    bytes_wipe(key, sizeof(key));
    return verdict;
}

void noise_caller_wipe(struct noise_caller *caller)
{
    bytes_wipe(caller, sizeof(*caller));
}

enum verdict noise_create_response(const struct noise_remote *remote,
                                   const struct noise_caller *caller,
                                   const struct random_source *random, uint32_t local_index,
                                   struct message_response *message, struct noise_keys *keys)
{
    struct transcript transcript;
    uint8_t ephemeral[32], key[32];
    const uint8_t nothing[1] = {0};
    enum verdict verdict = VERDICT_HANDSHAKE_REFUSED;
    memcpy(transcript.hash, caller->hash, 32);
    memcpy(transcript.chaining_key, caller->chaining_key, 32);
    memset(message, 0, sizeof(*message));
    store_le32(message->type, MESSAGE_RESPONSE);
    store_le32(message->sender_index, local_index);
    store_le32(message->receiver_index, caller->remote_index);
    draw_ephemeral(random, ephemeral, message->ephemeral);
    mix_ephemeral(&transcript, message->ephemeral);                     /* e */
    if (!mix_shared(&transcript, ephemeral, caller->ephemeral, NULL) || /* ee */
        !mix_shared(&transcript, ephemeral, caller->static_key, NULL))  /* se */
        goto wipe;
    mix_preshared(&transcript, remote->preshared_key, key);               /* psk */
    seal_mixed(&transcript, key, nothing, 0, message->encrypted_nothing); /* {} */
    derive_keys(&transcript, false, keys);
    verdict = VERDICT_OK;
wipe:
    bytes_wipe(&transcript, sizeof(transcript));
    bytes_wipe(ephemeral, sizeof(ephemeral));
    bytes_wipe(key, sizeof(key));
    return verdict;
}

/* A superseded initiation may still be answered for a while: a path slower than REKEY_TIMEOUT would
 * else never get a session. */
static bool may_be_answered(const struct noise_remote *remote, unsigned slot, instant_ns now)
{
    return remote->initiations[slot].is_pending &&
           (slot == remote->newest ||
            instant_since(remote->initiations[remote->newest].sent, now) < REKEY_TIMEOUT_NS);
}

enum verdict noise_consume_response(const struct noise_remote *remote,
                                    const struct noise_identity *identity, unsigned slot,
                                    const struct message_response *message, instant_ns now,
                                    struct noise_keys *keys)
{
    const struct noise_initiation *initiation = &remote->initiations[slot];
    if (!may_be_answered(remote, slot, now) ||
        load_le32(message->receiver_index) != initiation->local_index)
        return VERDICT_HANDSHAKE_REFUSED;
    struct transcript transcript;
    uint8_t key[32], nothing[1];
    enum verdict verdict = VERDICT_HANDSHAKE_REFUSED;
    memcpy(transcript.hash, initiation->hash, 32);
    memcpy(transcript.chaining_key, initiation->chaining_key, 32);
    mix_ephemeral(&transcript, message->ephemeral); /* e */
    if (!mix_shared(&transcript, initiation->ephemeral_private, message->ephemeral,
                    NULL) ||                                                       /* ee */
        !mix_shared(&transcript, identity->private_key, message->ephemeral, NULL)) /* se */
        goto wipe;
    mix_preshared(&transcript, remote->preshared_key, key); /* psk */
    if (!open_mixed(&transcript, key, message->encrypted_nothing,
                    sizeof(message->encrypted_nothing), nothing)) /* {} */
        goto wipe;
    derive_keys(&transcript, true, keys);
    verdict = VERDICT_OK;
wipe:
    bytes_wipe(&transcript, sizeof(transcript));
    bytes_wipe(key, sizeof(key));
    return verdict;
}
