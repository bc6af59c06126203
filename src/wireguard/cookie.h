/* SPDX-License-Identifier: MIT */
/* mac1 and mac2 of handshake messages and cookie replies (whitepaper 5.3, 5.4.4, 5.4.7): the
 * checker guards our own key, the jar keeps what one remote gave us. */
#ifndef WIREGUARD_COOKIE_H
#define WIREGUARD_COOKIE_H

#include "base/address.h"
#include "base/random.h"
#include "wireguard/message.h"

#define COOKIE_BYTES 16

struct cookie_checker {
    uint8_t mac1_key[32];   /* of our public key: every message to us has it */
    uint8_t cookie_key[32]; /* seals our replies */
    uint8_t secret[32];     /* makes the cookies; a new one every COOKIE_SECRET_LIFETIME */
    instant_ns secret_born; /* INSTANT_NEVER: none yet */
};

struct cookie_jar {
    uint8_t mac1_sent[16];  /* of our last message: its reply is bound to it */
    bool waits_for_reply;   /* mac1_sent is whole and not answered yet */
    uint8_t cookie[COOKIE_BYTES];
    instant_ns cookie_born; /* INSTANT_NEVER: none */
};

void cookie_checker_init(struct cookie_checker *checker, const uint8_t public_key[32]);

/* `message` is an initiation or a response of its full length. */
bool cookie_check_mac1(const struct cookie_checker *checker, const uint8_t *message, size_t len);
/* True when the sender holds the cookie we gave to this very address and port. */
bool cookie_check_mac2(const struct cookie_checker *checker, const uint8_t *message, size_t len,
                       const struct endpoint *source, instant_ns now);
/* Answers a message whose mac1 is right. Draws a new secret when the old one is too old. */
void cookie_create_reply(struct cookie_checker *checker, const struct random_source *random,
                         const uint8_t *message, size_t len, const struct endpoint *source,
                         instant_ns now, struct message_cookie_reply *reply);

void cookie_jar_init(struct cookie_jar *jar);

/* Writes mac1, and mac2 if the cookie is younger than COOKIE_LIFETIME (else zeros), at the end of
 * an initiation or a response. `public_key` here and below is the remote's: the keys that follow
 * from it cost a hash each, a peer that is idle keeps none. */
void cookie_add_macs(struct cookie_jar *jar, const uint8_t public_key[32], uint8_t *message,
                     size_t len, instant_ns now);
/* False, and nothing changed: the reply answers no message of ours, or was answered before. */
bool cookie_consume_reply(struct cookie_jar *jar, const uint8_t public_key[32],
                          const struct message_cookie_reply *reply, instant_ns now);

#endif
