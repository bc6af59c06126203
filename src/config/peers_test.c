/* SPDX-License-Identifier: MIT */
/* RULES I1: a peer with the tunnel's own key is passed over, as `wg setconf` does with a file that
 * lists every node of a mesh. */
#include "config/config.h"

#include "config/keytext.h"
#include "crypto/x25519.h"
#include "rigs/config_files.h"
#include "tap.h"

#define HEAD "[Interface]\nPrivateKey = " KEY_1 "\nAddress = 10.0.0.1\n"
#define OTHER "[Peer]\nPublicKey = " KEY_3 "\nAllowedIPs = 10.8.0.0/16\n"
#define OWN "[Peer]\nPublicKey = @1\n" /* @1: of the private key KEY_1 */
#define PASSED_OVER "PublicKey: belongs to the tunnel's own PrivateKey: this [Peer] is passed over"
#define TEXT_BYTES 1500

static struct config_messages messages;

/* The text with each @N as the public key of the private one that has N in each byte. */
static const char *with_keys(const char *from, char text[TEXT_BYTES])
{
    size_t len = 0;
    for (; *from && len < TEXT_BYTES - KEYTEXT_CHARACTERS - 1; from++) {
        uint8_t private_key[32], public_key[32];
        if (*from != '@') {
            text[len++] = *from;
            continue;
        }
        memset(private_key, *++from - '0', sizeof(private_key));
        x25519_public(public_key, private_key);
        keytext_format(public_key, text + len);
        len += KEYTEXT_CHARACTERS;
    }
    text[len] = '\0';
    return text;
}

static struct config *load(const char *first, const char *second, size_t path_count)
{
    char texts[2][TEXT_BYTES];
    struct config *config = NULL;
    struct config_files files = {{{"a.conf", with_keys(first, texts[0]), false},
                                  {"b.conf", with_keys(second, texts[1]), false}}};
    CHECK(config_files_load(&files, path_count, tap_memory(), &config, &messages));
    for (size_t i = 0; i < messages.count && !config; i++)
        printf("# %s\n", messages.items[i].text);
    return config;
}

static void done(struct config *config)
{
    config_free(config);
    config_messages_wipe(&messages);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

/* How many warnings have these words. */
static size_t warnings(const char *part)
{
    size_t count = 0;
    for (size_t i = 0; i < messages.count; i++)
        count += messages.items[i].kind == CONFIG_WARNING && strstr(messages.items[i].text, part);
    return count;
}

/* Of the last tunnel only the other peer is left, with all that it is allowed. */
static void check_other_alone(struct config *config)
{
    if (config) {
        size_t last = config->network.tunnel_count - 1;
        const struct tunnel_description *tunnel = &config->network.tunnels[last];
        if (CHECK_EQUAL(tunnel->peer_count, 1)) {
            CHECK_EQUAL(tunnel->peers[0].public_key[0], 3);
            CHECK_EQUAL(tunnel->peers[0].allowed_ips_count, 1);
            CHECK_EQUAL(config->tunnels[last].peers[0].given[KEYWORD_PUBLIC_KEY].line,
                        config->tunnels[last].peers[0].place.line + 1);
        }
    }
    CHECK_EQUAL(warnings(PASSED_OVER), 1);
    done(config);
}

static void test_i1_a_peer_with_the_tunnel_s_own_key_is_passed_over(void)
{
    static const char *const shapes[] = {
        HEAD OWN "AllowedIPs = 10.9.0.0/16\nEndpoint = 192.0.2.9:9\n" OTHER,
        HEAD OTHER OWN "AllowedIPs = 10.8.0.0/16\n",
        OWN OTHER HEAD, /* the key is told last */
        "[Interface]\nPrivateKey = " KEY_2 "\n" OTHER OWN HEAD, /* the last one counts */
        "[Tunnel n]\nPrivateKey = " KEY_1 "\nAddress = 10.0.0.1\n" OTHER OWN,
    };
    for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
        check_other_alone(load(shapes[i], "", 1));
}

static void test_i1_an_own_key_in_an_included_or_chained_file(void)
{
    /* The key of the included file, that beside its name, and the peer in the one or the other. */
    check_other_alone(load("[Tunnel n]\nConfig = b.conf\n", HEAD OWN OTHER, 1));
    check_other_alone(load("[Tunnel n]\nConfig = b.conf\n" OWN, HEAD OTHER, 1));
    check_other_alone(load("[Tunnel n]\nConfig = b.conf\nPrivateKey = " KEY_1 "\n",
                           "[Interface]\nPrivateKey = " KEY_4 "\nAddress = 10.0.0.1\n" OTHER OWN,
                           1));
    check_other_alone(load("[Interface]\nPrivateKey = " KEY_2 "\nAddress = 10.0.0.2\n[Peer]\n"
                           "PublicKey = " KEY_4 "\nAllowedIPs = 0.0.0.0/0\n",
                           HEAD OTHER OWN, 2));
    /* Beside a key of the line's own, the included one is nobody's. */
    struct config *config = load("[Tunnel n]\nConfig = b.conf\nPrivateKey = " KEY_4 "\n",
                                 HEAD OWN OTHER, 1);
    if (config)
        CHECK_EQUAL(config->network.tunnels[0].peer_count, 2);
    CHECK_EQUAL(warnings(PASSED_OVER), 0);
    done(config);
}

static void test_i1_a_file_with_no_peer_but_itself(void)
{
    struct config *config =
        load(HEAD OWN "Endpoint = 192.0.2.1:1\nAllowedIPs = 0.0.0.0/0\n", "", 1);
    if (config)
        CHECK_EQUAL(config->network.tunnels[0].peer_count, 0);
    CHECK_EQUAL(warnings(PASSED_OVER), 1);
    CHECK_EQUAL(warnings("has no [Peer]"), 1);
    done(config);
    config = load(HEAD "[Peer]\nPublicKey = @2\n", "", 1); /* another's key is a peer */
    if (config)
        CHECK_EQUAL(config->network.tunnels[0].peer_count, 1);
    CHECK_EQUAL(messages.count, 0);
    done(config);
}

/* Its sections are not joined, and what stands between them loses nothing to it. */
static void test_i1_a_peer_that_is_passed_over_takes_no_prefix(void)
{
    const char *section = OWN "AllowedIPs = 10.8.0.0/16\n";
    char text[TEXT_BYTES];
    snprintf(text, sizeof(text), HEAD "%s" OTHER "%s%s", section, section, section);
    struct config *config = load(text, "", 1);
    if (config && CHECK_EQUAL(config->network.tunnels[0].peer_count, 1))
        CHECK_EQUAL(config->network.tunnels[0].peers[0].allowed_ips_count, 1);
    CHECK_EQUAL(warnings(PASSED_OVER), 3);
    CHECK_EQUAL(messages.count, 3);
    done(config);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_i1_a_peer_with_the_tunnel_s_own_key_is_passed_over);
    TAP_RUN(argc, argv, test_i1_an_own_key_in_an_included_or_chained_file);
    TAP_RUN(argc, argv, test_i1_a_file_with_no_peer_but_itself);
    TAP_RUN(argc, argv, test_i1_a_peer_that_is_passed_over_takes_no_prefix);
    return tap_done();
}
