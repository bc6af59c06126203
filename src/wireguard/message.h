/* SPDX-License-Identifier: MIT */
/* The four messages on the wire (whitepaper 5.4) and the protocol's constants (6.1). Wire structs
 * hold bytes only: no alignment, no accidental native read. */
#ifndef WIREGUARD_MESSAGE_H
#define WIREGUARD_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/clock.h"

#define REKEY_AFTER_MESSAGES (1ull << 60)
#define REJECT_AFTER_MESSAGES (UINT64_MAX - (1ull << 13))
#define REKEY_AFTER_TIME_NS (120 * NS_PER_S)
#define REJECT_AFTER_TIME_NS (180 * NS_PER_S)
#define REKEY_ATTEMPT_TIME_NS (90 * NS_PER_S)
#define REKEY_TIMEOUT_NS (5 * NS_PER_S)
#define KEEPALIVE_TIMEOUT_NS (10 * NS_PER_S)
#define COOKIE_SECRET_LIFETIME_NS (120 * NS_PER_S)
#define COOKIE_LIFETIME_NS (120 * NS_PER_S)

enum message_type {
    MESSAGE_INITIATION = 1,
    MESSAGE_RESPONSE = 2,
    MESSAGE_COOKIE_REPLY = 3,
    MESSAGE_DATA = 4,
};

#define MESSAGE_INITIATION_BYTES 148
#define MESSAGE_RESPONSE_BYTES 92
#define MESSAGE_COOKIE_REPLY_BYTES 64
#define MESSAGE_DATA_HEADER_BYTES 16
#define MESSAGE_DATA_LEAST_BYTES 32 /* a keepalive: header and tag */
#define MESSAGE_HANDSHAKE_MOST_BYTES MESSAGE_INITIATION_BYTES

/* 5.4.2 First message: initiator to responder */
struct message_initiation {
    uint8_t type[4]; /* type and three reserved zero bytes */
    uint8_t sender_index[4];
    uint8_t ephemeral[32];
    uint8_t encrypted_static[48];
    uint8_t encrypted_timestamp[28];
    uint8_t mac1[16];
    uint8_t mac2[16];
};
_Static_assert(sizeof(struct message_initiation) == MESSAGE_INITIATION_BYTES, "5.4.2");

/* 5.4.3 Second message: responder to initiator */
struct message_response {
    uint8_t type[4];
    uint8_t sender_index[4];
    uint8_t receiver_index[4];
    uint8_t ephemeral[32];
    uint8_t encrypted_nothing[16];
    uint8_t mac1[16];
    uint8_t mac2[16];
};
_Static_assert(sizeof(struct message_response) == MESSAGE_RESPONSE_BYTES, "5.4.3");

/* 5.4.7 Under load: cookie reply message */
struct message_cookie_reply {
    uint8_t type[4];
    uint8_t receiver_index[4];
    uint8_t nonce[24];
    uint8_t encrypted_cookie[32];
};
_Static_assert(sizeof(struct message_cookie_reply) == MESSAGE_COOKIE_REPLY_BYTES, "5.4.7");

/* The type of a message whose length fits it, or 0: not a WireGuard message. */
static inline unsigned message_type(const uint8_t *bytes, size_t len)
{
    if (len < 4)
        return 0;
    uint32_t type = load_le32(bytes); /* the three reserved bytes must be zero */
    switch (type) {
    case MESSAGE_INITIATION:
        return len == MESSAGE_INITIATION_BYTES ? type : 0;
    case MESSAGE_RESPONSE:
        return len == MESSAGE_RESPONSE_BYTES ? type : 0;
    case MESSAGE_COOKIE_REPLY:
        return len == MESSAGE_COOKIE_REPLY_BYTES ? type : 0;
    case MESSAGE_DATA:
        return len >= MESSAGE_DATA_LEAST_BYTES ? type : 0;
    default:
        return 0;
    }
}

/* 5.4.6 the header of transport data: type, receiver index, counter; 16 bytes. */
static inline void message_write_data_header(uint8_t *header, uint32_t receiver_index,
                                             uint64_t counter)
{
    store_le32(header, MESSAGE_DATA);
    store_le32(header + 4, receiver_index);
    store_le64(header + 8, counter);
}

static inline uint32_t message_receiver_index(const uint8_t *data)
{
    return load_le32(data + 4);
}

static inline uint64_t message_counter(const uint8_t *data)
{
    return load_le64(data + 8);
}

/* 5.4.6: data is padded to a multiple of 16, but never beyond the tunnel's MTU. */
static inline size_t message_padded_bytes(size_t len, size_t mtu)
{
    size_t padded = (len + 15) & ~(size_t)15;
    return padded <= mtu ? padded : (len > mtu ? len : mtu);
}

#endif
