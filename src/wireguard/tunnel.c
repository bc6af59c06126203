/* SPDX-License-Identifier: MIT */
#include "wireguard/tunnel.h"

#include <assert.h>

#include "crypto/blake2s.h"

#define KEY_BUCKETS_LEAST 8

/* Whoever may register keys with us must not be able to choose colliding ones: the hash is keyed.
 */
static size_t key_place(const struct tunnel *tunnel, const uint8_t public_key[32])
{
    uint8_t hash[BLAKE2S_MAC_BYTES];
    blake2s_mac(tunnel->hash_key, sizeof(tunnel->hash_key), public_key, 32, hash);
    return load_le32(hash) & (tunnel->peers_by_key_size - 1);
}

static void table_add(struct tunnel *tunnel, struct peer *peer)
{
    struct peer **bucket = &tunnel->peers_by_key[key_place(tunnel, peer->noise.public_key)];
    peer->next_in_table = *bucket;
    *bucket = peer;
}

static bool table_grow(struct tunnel *tunnel, size_t size)
{
    struct peer **table = memory_take(tunnel->memory, size * sizeof(*table));
    if (!table)
        return false;
    memory_give(tunnel->memory, tunnel->peers_by_key,
                tunnel->peers_by_key_size * sizeof(*tunnel->peers_by_key));
    tunnel->peers_by_key = table;
    tunnel->peers_by_key_size = size;
    for (struct list *node = tunnel->peers.next; node != &tunnel->peers; node = node->next)
        table_add(tunnel, CONTAINER_OF(node, struct peer, in_tunnel));
    return true;
}

bool tunnel_init(struct tunnel *tunnel, const struct memory *memory,
                 const struct random_source *random, const uint8_t private_key[32])
{
    *tunnel = (struct tunnel){.memory = memory, .random = random};
    noise_identity_init(&tunnel->identity, private_key);
    list_init(&tunnel->peers);
    trie_init(&tunnel->allowed_ips, memory);
    ratelimit_init(&tunnel->limit, memory, random);
    cookie_checker_init(&tunnel->checker, tunnel->identity.public_key);
    random_fill(random, tunnel->hash_key, sizeof(tunnel->hash_key));
    if (indices_init(&tunnel->indices, memory)) {
        if (table_grow(tunnel, KEY_BUCKETS_LEAST))
            return true;
        indices_wipe(&tunnel->indices);
    }
    bytes_wipe(tunnel, sizeof(*tunnel));
    return false;
}

void tunnel_wipe(struct tunnel *tunnel)
{
    while (!list_is_empty(&tunnel->peers))
        tunnel_remove_peer(tunnel, CONTAINER_OF(tunnel->peers.next, struct peer, in_tunnel));
    trie_wipe(&tunnel->allowed_ips);
    ratelimit_wipe(&tunnel->limit);
    indices_wipe(&tunnel->indices);
    memory_give(tunnel->memory, tunnel->peers_by_key,
                tunnel->peers_by_key_size * sizeof(*tunnel->peers_by_key));
    bytes_wipe(tunnel, sizeof(*tunnel));
}

struct peer *tunnel_find_peer(const struct tunnel *tunnel, const uint8_t public_key[32])
{
    struct peer *peer = tunnel->peers_by_key[key_place(tunnel, public_key)];
    while (peer && memcmp(peer->noise.public_key, public_key, 32) != 0)
        peer = peer->next_in_table;
    return peer;
}

struct peer *tunnel_add_peer(struct tunnel *tunnel, const uint8_t public_key[32],
                             const uint8_t preshared_key[32])
{
    if (tunnel_find_peer(tunnel, public_key) ||
        !indices_reserve(&tunnel->indices, tunnel->peer_count + 1) ||
        (tunnel->peer_count == tunnel->peers_by_key_size &&
         !table_grow(tunnel, 2 * tunnel->peers_by_key_size)))
        return NULL;
    struct peer *peer = memory_take(tunnel->memory, sizeof(*peer));
    if (!peer)
        return NULL;
    peer->tunnel = tunnel;
    peer->identity = &tunnel->identity;
    peer->random = tunnel->random;
    peer->indices = &tunnel->indices;
    for (uint8_t slot = 0; slot < NOISE_INITIATIONS; slot++)
        peer->initiations[slot] = (struct index_entry){.slot = slot, .peer = peer};
    peer->deadline.deadline = INSTANT_NEVER;
    peer->last_received = INSTANT_NEVER;
    timers_init(&peer->timers);
    noise_remote_init(&peer->noise, public_key, preshared_key);
    cookie_jar_init(&peer->cookie);
    list_init(&peer->allowed_ips);
    list_init(&peer->in_tunnel);
    tunnel_relink_peer(peer, tunnel->peers.prev);
    return peer;
}

void tunnel_unlink_peer(struct peer *peer)
{
    struct tunnel *tunnel = peer->tunnel;
    trie_remove_listed(&tunnel->allowed_ips, &peer->allowed_ips);
    struct peer **link = &tunnel->peers_by_key[key_place(tunnel, peer->noise.public_key)];
    while (*link != peer)
        link = &(*link)->next_in_table;
    *link = peer->next_in_table;
    list_remove(&peer->in_tunnel);
    tunnel->peer_count--;
}

void tunnel_relink_peer(struct peer *peer, struct list *behind)
{
    list_append(behind->next, &peer->in_tunnel);
    table_add(peer->tunnel, peer);
    peer->tunnel->peer_count++;
}

void tunnel_free_peer(struct peer *peer)
{
    const struct memory *memory = peer->tunnel->memory;
    assert(peer->stage.count == 0);
    peer_forget_sessions(peer);
    bytes_wipe(peer, sizeof(*peer));
    memory_give(memory, peer, sizeof(*peer));
}

void tunnel_remove_peer(struct tunnel *tunnel, struct peer *peer)
{
    assert(peer->tunnel == tunnel);
    tunnel_unlink_peer(peer);
    tunnel_free_peer(peer);
}

static void leave_identity(struct peer *peer)
{
    for (unsigned slot = 0; slot < NOISE_INITIATIONS; slot++)
        peer_forget_initiation(peer, slot);
    noise_remote_forget_identity(&peer->noise);
    struct session *const sessions[] = {peer->current, peer->next};
    for (unsigned i = 0; i < 2; i++) {
        if (sessions[i])
            sessions[i]->send_counter = REJECT_AFTER_MESSAGES;
    }
    peer->timers.last_initiation = INSTANT_NEVER;
}

bool tunnel_set_private_key(struct tunnel *tunnel, const uint8_t private_key[32])
{
    struct noise_identity identity;
    noise_identity_init(&identity, private_key);
    bool is_free = !tunnel_find_peer(tunnel, identity.public_key);
    if (is_free && !bytes_equal_secret(identity.private_key, tunnel->identity.private_key, 32)) {
        tunnel->identity = identity;
        cookie_checker_init(&tunnel->checker, identity.public_key);
        for (struct list *node = tunnel->peers.next; node != &tunnel->peers; node = node->next)
            leave_identity(CONTAINER_OF(node, struct peer, in_tunnel));
    }
    noise_identity_wipe(&identity);
    return is_free;
}

void tunnel_set_preshared_key(struct peer *peer, const uint8_t preshared_key[32])
{
    memcpy(peer->noise.preshared_key, preshared_key, 32);
}

struct session *tunnel_find_session(const struct tunnel *tunnel, uint32_t local_index)
{
    return indices_find_session(&tunnel->indices, local_index);
}

static void message_leaves(struct peer *peer, instant_ns now)
{
    timers_any_authenticated_packet_traversal(&peer->timers, now);
    timers_any_authenticated_packet_sent(&peer->timers);
}

static void message_came(struct peer *peer, instant_ns now)
{
    timers_any_authenticated_packet_received(&peer->timers);
    timers_any_authenticated_packet_traversal(&peer->timers, now);
    peer->last_received = now;
}

enum verdict tunnel_create_initiation(struct peer *peer, instant_ns now, uint64_t wall_ns,
                                      uint8_t message[MESSAGE_INITIATION_BYTES])
{
    struct tunnel *tunnel = peer->tunnel;
    if (!noise_remote_is_usable(&peer->noise, &tunnel->identity))
        return VERDICT_NO_SESSION;
    if (!timers_may_initiate(&peer->timers, now))
        return VERDICT_RATE_LIMITED;
    struct message_initiation initiation;
    uint32_t index = indices_draw(&tunnel->indices, tunnel->random);
    unsigned slot = noise_next_slot(&peer->noise);
    peer_forget_initiation(peer, slot);
    enum verdict verdict = noise_create_initiation(&peer->noise, &tunnel->identity, tunnel->random,
                                                   index, now, wall_ns, &initiation);
    if (verdict != VERDICT_OK)
        return verdict;
    indices_add_initiation(&tunnel->indices, &peer->initiations[slot], index);
    memcpy(message, &initiation, sizeof(initiation));
    cookie_add_macs(&peer->cookie, peer->noise.public_key, message, MESSAGE_INITIATION_BYTES,
                    now);
    message_leaves(peer, now);
    timers_handshake_initiated(&peer->timers, tunnel->random, now);
    return VERDICT_OK;
}

static enum verdict answer_caller(struct tunnel *tunnel, struct noise_caller *caller,
                                  instant_ns now, struct handshake_result *result)
{
    struct peer *peer = tunnel_find_peer(tunnel, caller->static_key);
    if (!peer)
        return VERDICT_HANDSHAKE_REFUSED;
    enum verdict verdict =
        noise_consume_initiation_accept(&peer->noise, &tunnel->identity, caller, now);
    if (verdict != VERDICT_OK)
        return verdict;
    struct message_response response;
    struct noise_keys keys;
    uint32_t index = indices_draw(&tunnel->indices, tunnel->random);
    verdict = noise_create_response(&peer->noise, caller, tunnel->random, index, &response, &keys);
    if (verdict != VERDICT_OK)
        return verdict;
    const struct peer_derivation derivation = {
        .keys = &keys,
        .timestamp = caller->timestamp,
        .local_index = index,
        .remote_index = caller->remote_index,
    };
    const struct session *session = peer_derive_session(peer, &derivation, now);
    bytes_wipe(&keys, sizeof(keys));
    if (!session)
        return VERDICT_POOL_EMPTY;
    memcpy(result->reply, &response, sizeof(response));
    result->reply_bytes = sizeof(response);
    cookie_add_macs(&peer->cookie, peer->noise.public_key, result->reply, sizeof(response), now);
    message_leaves(peer, now);
    result->peer = peer;
    return VERDICT_OK;
}

static enum verdict consume_initiation(struct tunnel *tunnel, const uint8_t *message,
                                       instant_ns now, struct handshake_result *result)
{
    struct message_initiation initiation;
    struct noise_caller caller;
    enum verdict verdict = VERDICT_HANDSHAKE_REFUSED;
    memcpy(&initiation, message, sizeof(initiation));
    if (noise_consume_initiation_begin(&tunnel->identity, &initiation, &caller))
        verdict = answer_caller(tunnel, &caller, now, result);
    noise_caller_wipe(&caller);
    return verdict;
}

/* The initiation in `slot` was answered: its index becomes the session's. */
static enum verdict begin_session(struct peer *peer, unsigned slot, uint32_t remote_index,
                                  const struct noise_keys *keys, instant_ns now)
{
    const struct noise_initiation *initiation = &peer->noise.initiations[slot];
    /* A carried one may have waited for its carrier's session (timers_initiation_leaves). */
    instant_ns left = peer->timers.last_initiation;
    bool is_timed = slot == peer->noise.newest && left != INSTANT_NEVER;
    duration_ns rtt_ns = instant_since(is_timed ? left : initiation->sent, now);
    const struct peer_derivation derivation = {
        .keys = keys,
        .timestamp = initiation->timestamp,
        .local_index = initiation->local_index,
        .remote_index = remote_index,
        .is_initiator = true,
        .initiation_sent = initiation->sent,
    };
    if (!peer_derive_session(peer, &derivation, now))
        return VERDICT_POOL_EMPTY;
    if (slot == peer->noise.newest)
        peer_forget_initiation(peer, slot ^ 1);
    peer_forget_initiation(peer, slot);
    timers_handshake_complete(&peer->timers);
    peer->handshake_rtt_ns = rtt_ns;
    return VERDICT_OK;
}

static enum verdict consume_response(struct tunnel *tunnel, const uint8_t *message, instant_ns now,
                                     struct handshake_result *result)
{
    struct message_response response;
    memcpy(&response, message, sizeof(response));
    const struct index_entry *entry =
        indices_find_initiation(&tunnel->indices, load_le32(response.receiver_index));
    if (!entry)
        return VERDICT_HANDSHAKE_REFUSED;
    struct peer *peer = entry->peer;
    struct noise_keys keys;
    enum verdict verdict =
        noise_consume_response(&peer->noise, &tunnel->identity, entry->slot, &response, now, &keys);
    if (verdict != VERDICT_OK) {
        result->misfit = peer;
        return verdict;
    }
    verdict = begin_session(peer, entry->slot, load_le32(response.sender_index), &keys, now);
    bytes_wipe(&keys, sizeof(keys));
    if (verdict == VERDICT_OK) {
        result->peer = peer;
        result->session_is_ready = true;
    }
    return verdict;
}

/* Of an initiation (still pending) or of a response (its session exists by now). */
static enum verdict consume_cookie_reply(struct tunnel *tunnel, const uint8_t *message,
                                         instant_ns now, struct handshake_result *result)
{
    struct message_cookie_reply reply;
    memcpy(&reply, message, sizeof(reply));
    uint32_t index = load_le32(reply.receiver_index);
    const struct index_entry *entry = indices_find_initiation(&tunnel->indices, index);
    const struct session *session = indices_find_session(&tunnel->indices, index);
    struct peer *peer = entry ? entry->peer : session ? session->peer : NULL;
    if (!peer || !cookie_consume_reply(&peer->cookie, peer->noise.public_key, &reply, now))
        return VERDICT_COOKIE_REFUSED;
    result->peer = peer;
    return VERDICT_OK;
}

/* 5.3: who cannot show that it gets our answers at its address has to prove that first. */
static enum verdict check_sender(struct tunnel *tunnel, const uint8_t *message, size_t len,
                                 const struct endpoint *source, bool is_under_load, instant_ns now,
                                 struct handshake_result *result)
{
    if (noise_identity_is_none(&tunnel->identity))
        return VERDICT_HANDSHAKE_REFUSED;
    if (!cookie_check_mac1(&tunnel->checker, message, len))
        return VERDICT_BAD_MAC1;
    if (!is_under_load)
        return VERDICT_OK;
    if (!cookie_check_mac2(&tunnel->checker, message, len, source, now)) {
        struct message_cookie_reply reply;
        cookie_create_reply(&tunnel->checker, tunnel->random, message, len, source, now, &reply);
        memcpy(result->reply, &reply, sizeof(reply));
        result->reply_bytes = sizeof(reply);
        return VERDICT_UNDER_LOAD;
    }
    return ratelimit_allow(&tunnel->limit, &source->address, now) ? VERDICT_OK
                                                                  : VERDICT_RATE_LIMITED;
}

enum verdict tunnel_vet_handshake(struct tunnel *tunnel, const uint8_t *message, size_t len,
                                  const struct endpoint *source, bool is_under_load, instant_ns now,
                                  bool *is_proven)
{
    unsigned type = message_type(message, len);
    *is_proven = type != MESSAGE_INITIATION;
    if (type == MESSAGE_COOKIE_REPLY) {
        uint32_t index = load_le32(message + offsetof(struct message_cookie_reply, receiver_index));
        return indices_find_initiation(&tunnel->indices, index) ||
                       indices_find_session(&tunnel->indices, index)
                   ? VERDICT_OK
                   : VERDICT_COOKIE_REFUSED;
    }
    if (type != MESSAGE_INITIATION && type != MESSAGE_RESPONSE)
        return VERDICT_BAD_MESSAGE;
    if (noise_identity_is_none(&tunnel->identity))
        return VERDICT_HANDSHAKE_REFUSED;
    if (!cookie_check_mac1(&tunnel->checker, message, len))
        return VERDICT_BAD_MAC1;
    if (type == MESSAGE_RESPONSE) {
        uint32_t index = load_le32(message + offsetof(struct message_response, receiver_index));
        return indices_find_initiation(&tunnel->indices, index) ? VERDICT_OK
                                                                : VERDICT_HANDSHAKE_REFUSED;
    }
    if (!is_under_load || !cookie_check_mac2(&tunnel->checker, message, len, source, now))
        return VERDICT_OK;
    *is_proven = true;
    return ratelimit_allow(&tunnel->limit, &source->address, now) ? VERDICT_OK
                                                                  : VERDICT_RATE_LIMITED;
}

enum verdict tunnel_consume_handshake(struct tunnel *tunnel, const uint8_t *message, size_t len,
                                      const struct endpoint *source, bool is_under_load,
                                      instant_ns now, uint64_t wall_ns,
                                      struct handshake_result *result)
{
    *result = (struct handshake_result){.peer = NULL};
    unsigned type = message_type(message, len);
    if (type == MESSAGE_COOKIE_REPLY)
        return consume_cookie_reply(tunnel, message, now, result);
    if (type != MESSAGE_INITIATION && type != MESSAGE_RESPONSE)
        return VERDICT_BAD_MESSAGE;
    enum verdict verdict = check_sender(tunnel, message, len, source, is_under_load, now, result);
    if (verdict != VERDICT_OK)
        return verdict;
    verdict = type == MESSAGE_INITIATION ? consume_initiation(tunnel, message, now, result)
                                         : consume_response(tunnel, message, now, result);
    if (verdict == VERDICT_OK) {
        result->moves_endpoint = true;
        if (type == MESSAGE_RESPONSE)
            result->peer->last_handshake_wall_ns = wall_ns;
        else /* whether the answer arrives is known by the first packet */
            result->peer->answered_wall_ns = wall_ns;
        message_came(result->peer, now);
    }
    return verdict;
}
