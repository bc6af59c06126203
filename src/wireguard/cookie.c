/* SPDX-License-Identifier: MIT */
#include "wireguard/cookie.h"

#include <assert.h>

#include "crypto/blake2s.h"
#include "crypto/xchacha.h"

#define MAC_BYTES BLAKE2S_MAC_BYTES

static const char mac1_label[] = "mac1----";
static const char cookie_label[] = "cookie--";

static void label_key(const char label[9], const uint8_t public_key[32], uint8_t key[32])
{
    struct blake2s state;
    blake2s_init(&state, 32, NULL, 0);
    blake2s_update(&state, label, 8);
    blake2s_update(&state, public_key, 32);
    blake2s_final(&state, key);
}

/* The cookie of an address and port. Of IPv4 the 12 zero bytes are hashed as well: the family makes
 * the difference to an IPv6 address of that form. */
static void make_cookie(const struct cookie_checker *checker, const struct endpoint *source,
                        uint8_t cookie[COOKIE_BYTES])
{
    uint8_t bytes[1 + 16 + 2];
    bytes[0] = source->address.family;
    memcpy(bytes + 1, source->address.bytes, 16);
    store_be16(bytes + 17, source->port);
    blake2s_mac(checker->secret, sizeof(checker->secret), bytes, sizeof(bytes), cookie);
}

void cookie_checker_init(struct cookie_checker *checker, const uint8_t public_key[32])
{
    memset(checker, 0, sizeof(*checker));
    label_key(mac1_label, public_key, checker->mac1_key);
    label_key(cookie_label, public_key, checker->cookie_key);
    checker->secret_born = INSTANT_NEVER;
}

bool cookie_check_mac1(const struct cookie_checker *checker, const uint8_t *message, size_t len)
{
    assert(len > 2 * MAC_BYTES);
    size_t covered = len - 2 * MAC_BYTES;
    uint8_t mac[MAC_BYTES];
    blake2s_mac(checker->mac1_key, sizeof(checker->mac1_key), message, covered, mac);
    return bytes_equal_secret(mac, message + covered, MAC_BYTES);
}

static bool secret_is_fresh(const struct cookie_checker *checker, instant_ns now)
{
    return checker->secret_born != INSTANT_NEVER &&
           instant_since(checker->secret_born, now) < COOKIE_SECRET_LIFETIME_NS;
}

bool cookie_check_mac2(const struct cookie_checker *checker, const uint8_t *message, size_t len,
                       const struct endpoint *source, instant_ns now)
{
    assert(len > 2 * MAC_BYTES);
    if (!secret_is_fresh(checker, now))
        return false;
    size_t covered = len - MAC_BYTES;
    uint8_t cookie[COOKIE_BYTES], mac[MAC_BYTES];
    make_cookie(checker, source, cookie);
    blake2s_mac(cookie, sizeof(cookie), message, covered, mac);
    bool is_right = bytes_equal_secret(mac, message + covered, MAC_BYTES);
    bytes_wipe(cookie, sizeof(cookie));
    return is_right;
}

void cookie_create_reply(struct cookie_checker *checker, const struct random_source *random,
                         const uint8_t *message, size_t len, const struct endpoint *source,
                         instant_ns now, struct message_cookie_reply *reply)
{
    assert(len > 2 * MAC_BYTES);
    if (!secret_is_fresh(checker, now)) {
        random_fill(random, checker->secret, sizeof(checker->secret));
        checker->secret_born = now;
    }
    uint8_t cookie[COOKIE_BYTES];
    make_cookie(checker, source, cookie);
    store_le32(reply->type, MESSAGE_COOKIE_REPLY);
    memcpy(reply->receiver_index, message + 4, 4); /* both messages: the sender's index */
    random_fill(random, reply->nonce, sizeof(reply->nonce));
    xchacha_seal(checker->cookie_key, reply->nonce, cookie, sizeof(cookie),
                 message + len - 2 * MAC_BYTES, MAC_BYTES, reply->encrypted_cookie);
    bytes_wipe(cookie, sizeof(cookie));
}

void cookie_jar_init(struct cookie_jar *jar)
{
    memset(jar, 0, sizeof(*jar));
    jar->cookie_born = INSTANT_NEVER;
}

void cookie_add_macs(struct cookie_jar *jar, const uint8_t public_key[32], uint8_t *message,
                     size_t len, instant_ns now)
{
    uint8_t key[32];
    assert(len > 2 * MAC_BYTES);
    uint8_t *mac1 = message + len - 2 * MAC_BYTES, *mac2 = mac1 + MAC_BYTES;
    label_key(mac1_label, public_key, key);
    blake2s_mac(key, sizeof(key), message, (size_t)(mac1 - message), mac1);
    memcpy(jar->mac1_sent, mac1, MAC_BYTES);
    jar->waits_for_reply = true;
    if (jar->cookie_born != INSTANT_NEVER &&
        instant_since(jar->cookie_born, now) < COOKIE_LIFETIME_NS)
        blake2s_mac(jar->cookie, sizeof(jar->cookie), message, (size_t)(mac2 - message), mac2);
    else
        memset(mac2, 0, MAC_BYTES);
}

bool cookie_consume_reply(struct cookie_jar *jar, const uint8_t public_key[32],
                          const struct message_cookie_reply *reply, instant_ns now)
{
    uint8_t key[32];
    if (!jar->waits_for_reply)
        return false;
    label_key(cookie_label, public_key, key);
    if (!xchacha_open(key, reply->nonce, reply->encrypted_cookie, sizeof(reply->encrypted_cookie),
                      jar->mac1_sent, MAC_BYTES, jar->cookie))
        return false;
    jar->waits_for_reply = false;
    jar->cookie_born = now;
    return true;
}
