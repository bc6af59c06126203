/* SPDX-License-Identifier: MIT */
#include "config/uapi_set.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "config/keytext.h"
#include "crypto/x25519.h"
#include "tap.h"

#define KEY_1 "0101010101010101010101010101010101010101010101010101010101010101"
#define KEY_2 "0202020202020202020202020202020202020202020202020202020202020202"
#define KEY_A "abcdefABCDEF0123456789abcdefABCDEF0123456789abcdefABCDEF01234567"
#define ZERO "0000000000000000000000000000000000000000000000000000000000000000"

static const uint8_t no_key[KEY_BYTES];
static struct changes changes;

static uint32_t find_interface(void *context, const char *name)
{
    return strcmp(name, context) == 0 ? 7 : 0;
}

static void say(struct uapi_set *set, const char *lines)
{
    char copy[8192], *rest = copy;
    snprintf(copy, sizeof(copy), "%s", lines);
    for (char *line; (line = strsep(&rest, "\n")) && rest;)
        uapi_set_line(set, line);
}

/* The request's end, with the lines; the changes are good until the set is wiped. */
static int request(struct uapi_set *set, const char *lines)
{
    static char link[] = "eth0";
    uapi_set_init(set, tap_memory(), "office", find_interface, link);
    say(set, lines);
    return uapi_set_finish(set, no_key, &changes);
}

/* The errno, and nothing stays taken. */
static int errno_of(const char *lines)
{
    struct uapi_set set;
    int result = request(&set, lines);
    uapi_set_wipe(&set);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
    return result;
}

static int peer_errno(const char *line)
{
    char lines[8192];
    snprintf(lines, sizeof(lines), "public_key=" KEY_1 "\n%s\n", line);
    return errno_of(lines);
}

static void test_a_device_is_one_change(void)
{
    struct uapi_set set;
    CHECK_EQUAL(request(&set, "private_key=" KEY_A "\nlisten_port=51820\nfwmark=4294967295\n"
                              "listen_port=7\n"),
                0);
    CHECK_EQUAL(changes.count, 2); /* with the peer of that key, if there is one, removed */
    const struct change *change = &changes.list[0];
    CHECK_EQUAL(change->kind, CHANGE_TUNNEL_SET);
    CHECK_TEXT(change->tunnel, "office");
    CHECK_EQUAL(change->fields, CHANGE_PRIVATE_KEY | CHANGE_LISTEN_PORT | CHANGE_FWMARK);
    CHECK_EQUAL(change->description->listen_port, 7);
    CHECK_EQUAL(change->description->fwmark, 4294967295u);
    CHECK_EQUAL(change->description->private_key[0], 0xab);
    CHECK_EQUAL(change->description->private_key[31], 0x67);
    CHECK(!changes.has_nat);
    uapi_set_wipe(&set);
    CHECK_EQUAL(request(&set, ""), 0);
    CHECK_EQUAL(changes.count, 0);
    uapi_set_wipe(&set);
    CHECK_EQUAL(request(&set, "private_key=" ZERO "\n"), 0);
    CHECK_EQUAL(changes.count, 1);
    CHECK_BYTES(changes.list[0].description->private_key, no_key, KEY_BYTES);
    uapi_set_wipe(&set);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

static void test_a_peer_is_one_change_with_all_its_keys(void)
{
    struct uapi_set set;
    CHECK_EQUAL(request(&set, "replace_peers=true\npublic_key=" KEY_1 "\nprotocol_version=1\n"
                              "update_only=true\npreshared_key=" KEY_2 "\n"
                              "endpoint=192.0.2.1:51820\npersistent_keepalive_interval=65535\n"
                              "replace_allowed_ips=true\nallowed_ip=10.1.2.3/8\n"
                              "allowed_ip=+2001:db8::1/32\nallowed_ip=-0.0.0.0/0\n"),
                0);
    CHECK_EQUAL(changes.count, 2);
    CHECK_EQUAL(changes.list[0].kind, CHANGE_PEERS_REMOVE);
    const struct change *change = &changes.list[1];
    CHECK_EQUAL(change->kind, CHANGE_PEER_SET);
    CHECK_EQUAL(change->fields, CHANGE_PRESHARED_KEY | CHANGE_ENDPOINT | CHANGE_KEEPALIVE |
                                    CHANGE_REPLACE_ALLOWED_IPS | CHANGE_ONLY_UPDATE);
    CHECK_EQUAL(change->peer->public_key[31], 1);
    CHECK_EQUAL(change->peer->preshared_key[31], 2);
    CHECK_EQUAL(change->peer->persistent_keepalive_s, 65535);
    char text[ENDPOINT_TEXT_BYTES];
    CHECK_TEXT(endpoint_format(&change->peer->endpoint, text), "192.0.2.1:51820");
    static const char *const expected[] = {"10.0.0.0/8", "2001:db8::/32", "0.0.0.0/0"};
    CHECK_EQUAL(change->allowed_ips_count, 3);
    for (unsigned i = 0; i < 3; i++) {
        CHECK_TEXT(prefix_format(&change->allowed_ips[i].prefix, text), expected[i]);
        CHECK_EQUAL(change->allowed_ips[i].is_removed, i == 2);
    }
    uapi_set_wipe(&set);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

/* TRAPS 26. */
static void test_one_peers_keys_never_bleed_into_the_next(void)
{
    struct uapi_set set;
    CHECK_EQUAL(request(&set, "public_key=" KEY_1 "\nupdate_only=true\npreshared_key=" KEY_2 "\n"
                              "endpoint=192.0.2.1:51820\npersistent_keepalive_interval=25\n"
                              "replace_allowed_ips=true\nallowed_ip=10.0.0.0/8\nremove=true\n"
                              "public_key=" KEY_2 "\n"),
                0);
    CHECK_EQUAL(changes.count, 2);
    CHECK_EQUAL(changes.list[0].kind, CHANGE_PEER_REMOVE);
    const struct change *second = &changes.list[1];
    CHECK_EQUAL(second->kind, CHANGE_PEER_SET);
    CHECK_EQUAL(second->fields, 0);
    CHECK_EQUAL(second->allowed_ips_count, 0);
    CHECK_EQUAL(second->peer->persistent_keepalive_s, 0);
    CHECK(!second->peer->has_endpoint);
    CHECK_BYTES(second->peer->preshared_key, no_key, KEY_BYTES);
    uapi_set_wipe(&set);
}

static void test_replaced_allowed_ips_are_those_behind_the_word(void)
{
    struct uapi_set set;
    CHECK_EQUAL(request(&set, "public_key=" KEY_1 "\nallowed_ip=10.0.0.0/8\n"
                              "replace_allowed_ips=true\nallowed_ip=10.1.0.0/16\n"),
                0);
    char text[PREFIX_TEXT_BYTES];
    CHECK_EQUAL(changes.list[0].allowed_ips_count, 1);
    CHECK_TEXT(prefix_format(&changes.list[0].allowed_ips[0].prefix, text), "10.1.0.0/16");
    uapi_set_wipe(&set);
}

static void test_an_endpoint_is_a_literal_that_can_be_sent_to(void)
{
    static const char *const good[][2] = {
        {"192.0.2.1:1", "192.0.2.1:1"},
        {"[2001:db8::1]:65535", "[2001:db8::1]:65535"},
        {"[fe80::1%eth0]:51820", "[fe80::1%7]:51820"},
        {"[fe80::1%3]:51820", "[fe80::1%3]:51820"},
        {"[::ffff:192.0.2.1]:51820", "192.0.2.1:51820"},
        {"[2001:db8::1%eth0]:51820", "[2001:db8::1]:51820"},
    };
    for (unsigned i = 0; i < sizeof(good) / sizeof(*good); i++) {
        struct uapi_set set;
        char lines[256], text[ENDPOINT_TEXT_BYTES];
        snprintf(lines, sizeof(lines), "public_key=" KEY_1 "\nendpoint=%s\n", good[i][0]);
        CHECK_EQUAL(request(&set, lines), 0);
        CHECK_TEXT(endpoint_format(&changes.list[0].peer->endpoint, text), good[i][1]);
        uapi_set_wipe(&set);
    }
    static const char *const bad[] = {"",
                                      ":",
                                      "192.0.2.1",
                                      "192.0.2.1:",
                                      ":51820",
                                      "192.0.2.1:0",
                                      "192.0.2.1:65536",
                                      "192.0.2.1:-1",
                                      "192.0.2.1:+1",
                                      "192.0.2.1:1x",
                                      "[192.0.2.1]:1",
                                      "2001:db8::1:51820",
                                      "[]:1",
                                      "[2001:db8::1]",
                                      "[2001:db8::1]51820",
                                      "[2001:db8::1:51820",
                                      "relay.example:51820",
                                      "0.0.0.0:1",
                                      "255.255.255.255:1",
                                      "224.0.0.1:1",
                                      "[::]:1",
                                      "[ff02::1]:1",
                                      "[fe80::1]:1",
                                      "[fe80::1%]:1",
                                      "[fe80::1%a/b]:1",
                                      "192.0.2.1%eth0:1",
                                      " 192.0.2.1:1",
                                      "192.0.2.1:1 "};
    for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        char line[256];
        snprintf(line, sizeof(line), "endpoint=%s", bad[i]);
        if (!CHECK_EQUAL(peer_errno(line), -EINVAL))
            printf("# %s\n", line);
    }
    CHECK_EQUAL(peer_errno("endpoint=[fe80::1%eth1]:51820"), -ENODEV);
}

/* TRAPS 28, 29. */
static void test_what_is_no_value_is_einval(void)
{
    static const char *const device[] = {
        "private_key=", "private_key=" KEY_1 "1", "private_key=0" KEY_1, "private_key=x" KEY_1,
        "private_key=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=", "listen_port=",
        "listen_port=65536", "listen_port=-1", "listen_port=0x10", "listen_port=1 ",
        "fwmark=4294967296", "fwmark=0xca6c", "fwmark=off", "fwmark=", "replace_peers=false",
        "replace_peers=", "replace_peers=TRUE", "public_key=", "public_key=1", "mtu=1420", "=",
        "=1", "unknown=1", "PRIVATE_KEY=" KEY_1, " listen_port=1", "listen_port =1", "set=1",
        "get=1",
        /* a peer's, and nobody was named */
        "preshared_key=" KEY_1, "endpoint=192.0.2.1:1", "remove=true", "update_only=true",
        "allowed_ip=10.0.0.0/8", "protocol_version=1", "errno=0"};
    for (unsigned i = 0; i < sizeof(device) / sizeof(*device); i++) {
        char lines[512];
        snprintf(lines, sizeof(lines), "%s\n", device[i]);
        if (!CHECK_EQUAL(errno_of(lines), -EINVAL))
            printf("# %s\n", device[i]);
    }
    static const char *const peer[] = {"preshared_key=",
                                       "preshared_key=1",
                                       "update_only=1",
                                       "remove=false",
                                       "remove=",
                                       "replace_allowed_ips=yes",
                                       "persistent_keepalive_interval=65536",
                                       "persistent_keepalive_interval=off",
                                       "persistent_keepalive_interval=",
                                       "allowed_ip=",
                                       "allowed_ip=10.0.0.0",
                                       "allowed_ip=10.0.0.0/33",
                                       "allowed_ip=::/129",
                                       "allowed_ip=10.0.0.0/-1",
                                       "allowed_ip=10.0.0.0/",
                                       "allowed_ip=/8",
                                       "allowed_ip=--10.0.0.0/8",
                                       "allowed_ip=+-10.0.0.0/8",
                                       "allowed_ip=-",
                                       "allowed_ip=10.0.0.0/8/8",
                                       "allowed_ip=10/8",
                                       "protocol_version=2",
                                       "protocol_version=",
                                       "private_key=" KEY_1,
                                       "listen_port=1",
                                       "fwmark=1",
                                       "replace_peers=true",
                                       "last_handshake_time_sec=1",
                                       "rx_bytes=1",
                                       "nothing=1"};
    for (unsigned i = 0; i < sizeof(peer) / sizeof(*peer); i++)
        if (!CHECK_EQUAL(peer_errno(peer[i]), -EINVAL))
            printf("# %s\n", peer[i]);
    CHECK_EQUAL(errno_of("listen_port\n"), -EPROTO);
    CHECK_EQUAL(peer_errno("hello"), -EPROTO);
}

static void test_the_first_fault_is_the_answer(void)
{
    CHECK_EQUAL(errno_of("hello\nunknown=1\nlisten_port=1\n"), -EPROTO);
    CHECK_EQUAL(errno_of("listen_port=1\nunknown=1\nhello\n"), -EINVAL);
}

/* As of a mesh, whose list of nodes is everybody's. */
static void test_a_peer_with_the_own_key_is_passed_over(void)
{
    struct uapi_set set;
    uint8_t private_key[KEY_BYTES], own_key[KEY_BYTES];
    char hex[KEYTEXT_HEX_CHARACTERS + 1], lines[512];
    memset(private_key, 2, sizeof(private_key));
    x25519_public(own_key, private_key);
    keytext_format_hex(own_key, hex);
    snprintf(lines, sizeof(lines),
             "listen_port=1\npublic_key=%s\nallowed_ip=10.0.0.0/8\npublic_key=" KEY_1 "\n", hex);
    uapi_set_init(&set, tap_memory(), "office", NULL, NULL);
    say(&set, lines);
    CHECK_EQUAL(uapi_set_finish(&set, own_key, &changes), 0);
    CHECK_EQUAL(changes.count, 2);
    CHECK_EQUAL(changes.list[0].kind, CHANGE_TUNNEL_SET);
    CHECK_EQUAL(changes.list[1].peer->public_key[0], 1);
    uapi_set_wipe(&set);

    /* The key that the request brings counts, not the one that it replaces. */
    snprintf(lines, sizeof(lines),
             "private_key=" KEY_2 "\npublic_key=%s\nallowed_ip=10.0.0.0/8\npublic_key=" KEY_1 "\n",
             hex);
    memset(private_key, 1, sizeof(private_key));
    uapi_set_init(&set, tap_memory(), "office", NULL, NULL);
    say(&set, lines);
    CHECK_EQUAL(uapi_set_finish(&set, private_key, &changes), 0);
    CHECK_EQUAL(changes.count, 3);
    CHECK_EQUAL(changes.list[1].peer->public_key[0], 1);
    CHECK_EQUAL(changes.list[2].kind, CHANGE_PEER_REMOVE);
    CHECK_BYTES(changes.list[2].peer->public_key, own_key, KEY_BYTES);
    uapi_set_wipe(&set);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

struct budget {
    size_t left_bytes;
};

static void *take(void *context, size_t bytes)
{
    struct budget *budget = context;
    if (bytes > budget->left_bytes)
        return NULL;
    budget->left_bytes -= bytes;
    return memory_take(tap_memory(), bytes);
}

static void give(void *context, void *pointer, size_t bytes)
{
    struct budget *budget = context;
    budget->left_bytes += bytes;
    memory_give(tap_memory(), pointer, bytes);
}

static int ask_for_many(size_t budget_bytes, unsigned count)
{
    struct budget budget = {budget_bytes};
    struct memory memory = {take, give, &budget};
    struct uapi_set set;
    uapi_set_init(&set, &memory, "office", NULL, NULL);
    say(&set, "public_key=" KEY_1 "\n");
    for (unsigned i = 0; i < count; i++) {
        char line[64];
        snprintf(line, sizeof(line), "allowed_ip=10.%u.%u.%u/32", i >> 16, i >> 8 & 255, i & 255);
        uapi_set_line(&set, line);
    }
    int result = uapi_set_finish(&set, no_key, &changes);
    if (result == 0)
        CHECK_EQUAL(changes.list[0].allowed_ips_count, count);
    uapi_set_wipe(&set);
    CHECK_EQUAL(budget.left_bytes, budget_bytes);
    return result;
}

static void test_130000_allowed_ips_are_one_request_and_memory_is_bounded(void)
{
    CHECK_EQUAL(ask_for_many(16 << 20, 130000), 0);
    CHECK_EQUAL(ask_for_many(1 << 20, 130000), -ENOMEM);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_a_device_is_one_change);
    TAP_RUN(argc, argv, test_a_peer_is_one_change_with_all_its_keys);
    TAP_RUN(argc, argv, test_one_peers_keys_never_bleed_into_the_next);
    TAP_RUN(argc, argv, test_replaced_allowed_ips_are_those_behind_the_word);
    TAP_RUN(argc, argv, test_an_endpoint_is_a_literal_that_can_be_sent_to);
    TAP_RUN(argc, argv, test_what_is_no_value_is_einval);
    TAP_RUN(argc, argv, test_the_first_fault_is_the_answer);
    TAP_RUN(argc, argv, test_a_peer_with_the_own_key_is_passed_over);
    TAP_RUN(argc, argv, test_130000_allowed_ips_are_one_request_and_memory_is_bounded);
    return tap_done();
}
