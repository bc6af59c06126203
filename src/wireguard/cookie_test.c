/* SPDX-License-Identifier: MIT */
#include "wireguard/cookie.h"

#include "rigs/sample.h"
#include "tap.h"

#define START (1000 * NS_PER_S)

struct ends {
    struct cookie_checker checker;
    struct cookie_jar jar;
    uint8_t public_key[32];
    uint8_t message[MESSAGE_INITIATION_BYTES];
};

static void init(struct ends *ends)
{
    tap_random_bytes(ends->public_key, sizeof(ends->public_key));
    cookie_checker_init(&ends->checker, ends->public_key);
    cookie_jar_init(&ends->jar);
    tap_random_bytes(ends->message, sizeof(ends->message));
    cookie_add_macs(&ends->jar, ends->public_key, ends->message, sizeof(ends->message), START);
}

static struct message_cookie_reply reply_to(struct ends *ends, const struct endpoint *source,
                                            instant_ns now)
{
    struct message_cookie_reply reply;
    cookie_create_reply(&ends->checker, tap_random_source(), ends->message, sizeof(ends->message),
                        source, now, &reply);
    return reply;
}

static bool mac2_is_right(struct ends *ends, const struct endpoint *source, instant_ns now)
{
    return cookie_check_mac2(&ends->checker, ends->message, sizeof(ends->message), source, now);
}

static void add_macs(struct ends *ends, instant_ns now)
{
    cookie_add_macs(&ends->jar, ends->public_key, ends->message, sizeof(ends->message), now);
}

static void test_mac1_covers_every_bit_before_it(void)
{
    struct ends ends;
    init(&ends);
    CHECK(cookie_check_mac1(&ends.checker, ends.message, sizeof(ends.message)));
    CHECK(bytes_are_zero(ends.message + sizeof(ends.message) - 16, 16));
    for (unsigned bit = 0; bit < (sizeof(ends.message) - 16) * 8; bit++) {
        ends.message[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK(!cookie_check_mac1(&ends.checker, ends.message, sizeof(ends.message)));
        ends.message[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    struct ends other;
    init(&other);
    CHECK(!cookie_check_mac1(&other.checker, ends.message, sizeof(ends.message)));
}

static void test_cookie_makes_mac2_right(void)
{
    struct ends ends;
    struct endpoint source = sample_endpoint("192.0.2.1:1000");
    init(&ends);
    CHECK(!mac2_is_right(&ends, &source, START));
    struct message_cookie_reply reply = reply_to(&ends, &source, START);
    CHECK_BYTES(reply.receiver_index, ends.message + 4, 4);
    CHECK(!mac2_is_right(&ends, &source, START)); /* the message itself is as it was */
    CHECK(cookie_consume_reply(&ends.jar, ends.public_key, &reply, START));
    add_macs(&ends, START + 1);
    CHECK(mac2_is_right(&ends, &source, START + 1));
    for (unsigned bit = 0; bit < sizeof(ends.message) * 8; bit++) {
        ends.message[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK(!mac2_is_right(&ends, &source, START + 1));
        ends.message[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void test_cookie_is_bound_to_address_and_port(void)
{
    static const char *const others[] = {
        "192.0.2.1:1001",    "192.0.2.2:1000",
        "192.0.2.1:59395", /* 1000 with its bytes swapped */
        "[c000:201::]:1000", "[::ffff:192.0.2.1]:1000",
    };
    struct ends ends;
    struct endpoint source = sample_endpoint("192.0.2.1:1000");
    init(&ends);
    struct message_cookie_reply reply = reply_to(&ends, &source, START);
    CHECK(cookie_consume_reply(&ends.jar, ends.public_key, &reply, START));
    add_macs(&ends, START);
    CHECK(mac2_is_right(&ends, &source, START));
    for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct endpoint other = sample_endpoint(others[i]);
        CHECK(!mac2_is_right(&ends, &other, START));
    }
}

static void test_secret_lives_120_s(void)
{
    struct ends ends;
    struct endpoint source = sample_endpoint("[2001:db8::1]:51820");
    init(&ends);
    struct message_cookie_reply reply = reply_to(&ends, &source, START);
    CHECK(cookie_consume_reply(&ends.jar, ends.public_key, &reply, START + 50 * NS_PER_S));
    instant_ns end = START + COOKIE_SECRET_LIFETIME_NS;
    add_macs(&ends, end);
    CHECK(mac2_is_right(&ends, &source, end - 1));
    CHECK(!mac2_is_right(&ends, &source, end));
    uint8_t secret[32];
    memcpy(secret, ends.checker.secret, 32);
    reply_to(&ends, &source, end - 1);
    CHECK_BYTES(ends.checker.secret, secret, 32);
    reply = reply_to(&ends, &source, end);
    CHECK(memcmp(ends.checker.secret, secret, 32) != 0);
    CHECK(!mac2_is_right(&ends, &source, end));
    CHECK(cookie_consume_reply(&ends.jar, ends.public_key, &reply, end));
    add_macs(&ends, end);
    CHECK(mac2_is_right(&ends, &source, end));
}

static void test_jar_keeps_a_cookie_120_s(void)
{
    struct ends ends;
    struct endpoint source = sample_endpoint("192.0.2.1:1000");
    init(&ends);
    struct message_cookie_reply reply = reply_to(&ends, &source, START);
    CHECK(cookie_consume_reply(&ends.jar, ends.public_key, &reply, START));
    const uint8_t *mac2 = ends.message + sizeof(ends.message) - 16;
    add_macs(&ends, START + COOKIE_LIFETIME_NS - 1);
    CHECK(!bytes_are_zero(mac2, 16));
    add_macs(&ends, START + COOKIE_LIFETIME_NS);
    CHECK(bytes_are_zero(mac2, 16));
}

static void test_wrong_reply_changes_nothing(void)
{
    struct ends ends;
    struct endpoint source = sample_endpoint("192.0.2.1:1000");
    init(&ends);
    struct message_cookie_reply reply = reply_to(&ends, &source, START);
    struct cookie_jar before = ends.jar;
    uint8_t *bytes = (uint8_t *)&reply;
    for (unsigned bit = 64; bit < sizeof(reply) * 8; bit++) { /* behind type and index */
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK(!cookie_consume_reply(&ends.jar, ends.public_key, &reply, START));
        CHECK_BYTES(&ends.jar, &before, sizeof(before));
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    CHECK(cookie_consume_reply(&ends.jar, ends.public_key, &reply, START));
    CHECK(!cookie_consume_reply(&ends.jar, ends.public_key, &reply, START)); /* once */
}

static void test_reply_answers_the_last_message_only(void)
{
    struct ends ends;
    struct endpoint source = sample_endpoint("192.0.2.1:1000");
    init(&ends);
    struct message_cookie_reply old = reply_to(&ends, &source, START);
    ends.message[8] ^= 1;
    add_macs(&ends, START);
    CHECK(!cookie_consume_reply(&ends.jar, ends.public_key, &old, START));
    struct message_cookie_reply reply = reply_to(&ends, &source, START);
    CHECK(cookie_consume_reply(&ends.jar, ends.public_key, &reply, START));
    struct cookie_jar silent; /* sent nothing: waits for nothing */
    uint8_t key[32] = {9};
    cookie_jar_init(&silent);
    CHECK(!cookie_consume_reply(&silent, key, &reply, START));
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_mac1_covers_every_bit_before_it);
    TAP_RUN(argc, argv, test_cookie_makes_mac2_right);
    TAP_RUN(argc, argv, test_cookie_is_bound_to_address_and_port);
    TAP_RUN(argc, argv, test_secret_lives_120_s);
    TAP_RUN(argc, argv, test_jar_keeps_a_cookie_120_s);
    TAP_RUN(argc, argv, test_wrong_reply_changes_nothing);
    TAP_RUN(argc, argv, test_reply_answers_the_last_message_only);
    return tap_done();
}
