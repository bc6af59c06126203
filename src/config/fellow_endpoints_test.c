/* SPDX-License-Identifier: MIT */
/* One interface, several hops (RULES A8): what of it is refused, and what is told. */
#include "config/config.h"

#include "rigs/config_files.h"
#include "tap.h"

#define INTERFACE(addresses) "[Interface]\nPrivateKey = " KEY_1 "\nAddress = " addresses "\n"
#define EXIT(endpoint, allowed)                                                                    \
    "[Peer]\nPublicKey = " KEY_2 "\nEndpoint = " endpoint ":1\nAllowedIPs = " allowed "\n"
#define ENTRY(endpoint, allowed)                                                                   \
    "[Peer]\nPublicKey = " KEY_3 "\nEndpoint = " endpoint ":1\nAllowedIPs = " allowed "\n"

/* The first error, or else the last notice that speaks of AllowedIPs; "": neither. */
static void load(const char *text, char said[CONFIG_MESSAGE_BYTES])
{
    struct config *config = NULL;
    struct config_messages messages;
    struct config_files files = {{{"n.conf", text, false}}};
    bool is_loaded = config_files_load(&files, 1, tap_memory(), &config, &messages);
    said[0] = '\0';
    for (size_t i = 0; i < messages.count; i++) {
        const struct config_message *message = &messages.items[i];
        bool is_error = message->kind == CONFIG_ERROR;
        if ((is_error || strstr(message->text, "AllowedIPs")) && (is_error || is_loaded))
            snprintf(said, CONFIG_MESSAGE_BYTES, "%s", message->text);
        if (is_error)
            break;
    }
    CHECK_EQUAL(messages.errors == 0, is_loaded);
    if (is_loaded)
        config_free(config);
    config_messages_wipe(&messages);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

static void a8_two_hops_of_either_family_are_fine(void)
{
    char said[CONFIG_MESSAGE_BYTES];
    load(INTERFACE("10.0.0.2") EXIT("203.0.113.1", "0.0.0.0/0")
             ENTRY("198.51.100.1", "203.0.113.1/32"),
         said);
    CHECK_TEXT(said, "");
    load(INTERFACE("10.0.0.2, fd00::2") EXIT("[2001:db8::1]", "0.0.0.0/0, ::/0")
             ENTRY("198.51.100.1", "2001:db8::1/128"),
         said);
    CHECK_TEXT(said, "");
    load(INTERFACE("10.0.0.2") EXIT("203.0.113.1", "203.0.113.0/24, 0.0.0.0/0")
             ENTRY("198.51.100.1", "10.5.0.0/16"),
         said); /* its own: straight */
    CHECK_TEXT(said, "");
}

static void a8_h6_a_circle_is_refused(void)
{
    char said[CONFIG_MESSAGE_BYTES];
    load(INTERFACE("10.0.0.2") EXIT("203.0.113.1", "0.0.0.0/0, 198.51.100.0/24")
             ENTRY("198.51.100.1", "203.0.113.1/32"),
         said);
    CHECK_TEXT(said, "n.conf:6: Endpoint: 203.0.113.1 is in the AllowedIPs of n.conf:11, so that "
                     "peer would carry this one, which carries it in turn: a circle; take one of "
                     "the endpoints out of the other peer's AllowedIPs (0.0.0.0/0 and ::/0 carry "
                     "none)");
    load(INTERFACE("10.0.0.2") EXIT("203.0.113.1", "203.0.113.1/32")
             ENTRY("198.51.100.1", "203.0.113.0/24"),
         said);
    CHECK_TEXT(said, "n.conf:6: Endpoint: 203.0.113.1 is in the AllowedIPs of another peer, which "
                     "would carry this one, but this one's own have it too, and go before; take it "
                     "out of one of them");
}

static void a8_a5_the_tunnel_needs_an_address_of_the_family(void)
{
    char said[CONFIG_MESSAGE_BYTES];
    load(INTERFACE("10.0.0.2") EXIT("[2001:db8::1]", "0.0.0.0/0")
             ENTRY("198.51.100.1", "2001:db8::1/128"),
         said);
    CHECK_TEXT(said, "n.conf:6: Endpoint: 2001:db8::1 is in the AllowedIPs of n.conf:11, so that "
                     "peer carries this one, and \"n\" has no IPv6 address to send from; add one "
                     "to Address, or write an endpoint of the other family");
}

#define CARRIED(carrier_allows)                                                                    \
    "[Tunnel a]\nPrivateKey = " KEY_2 "\nAddress = 10.9.0.2\n" ENTRY(                              \
        "192.0.2.9", carrier_allows) "[Tunnel b]\nVia = a\nPrivateKey = " KEY_1                    \
                                     "\nAddress = 10.0.0.2\n"

/* Only who is sent to through the carrier must be in its AllowedIPs. */
static void a8_in_a_carried_tunnel_the_carrier_reaches_the_entry(void)
{
    char said[CONFIG_MESSAGE_BYTES];
    load(CARRIED("198.51.100.0/24") EXIT("203.0.113.1", "10.5.0.0/16")
             ENTRY("198.51.100.1", "203.0.113.1/32"),
         said);
    CHECK_TEXT(said, "");
    load(CARRIED("203.0.113.0/24") EXIT("203.0.113.1", "10.5.0.0/16")
             ENTRY("198.51.100.1", "203.0.113.1/32"),
         said);
    CHECK_TEXT(said, "n.conf:18: Endpoint: 198.51.100.1 is not in the AllowedIPs of the carrier "
                     "\"a\"; add it there or choose another carrier");
}

#define ROOT(name, address) "[Tunnel " name "]\nPrivateKey = " KEY_1 "\nAddress = " address "\n"

static void a8_another_tunnel_that_has_the_endpoint_is_told(void)
{
    char said[CONFIG_MESSAGE_BYTES];
    load(ROOT("a", "10.0.0.2") EXIT("203.0.113.1", "10.5.0.0/16") ROOT("b", "10.0.0.3")
             ENTRY("198.51.100.1", "203.0.113.0/24"),
         said);
    CHECK_TEXT(said,
               "n.conf:6: Endpoint: 203.0.113.1 is in the AllowedIPs of \"b\" as well, and is "
               "reached past it all the same: write Via = b in \"a\" to reach it inside");
    load(ROOT("a", "10.0.0.2") EXIT("203.0.113.1", "10.5.0.0/16") ROOT("b", "10.0.0.3")
             ENTRY("198.51.100.1", "0.0.0.0/0"),
         said);
    CHECK_TEXT(said, "");
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, a8_two_hops_of_either_family_are_fine);
    TAP_RUN(argc, argv, a8_h6_a_circle_is_refused);
    TAP_RUN(argc, argv, a8_a5_the_tunnel_needs_an_address_of_the_family);
    TAP_RUN(argc, argv, a8_in_a_carried_tunnel_the_carrier_reaches_the_entry);
    TAP_RUN(argc, argv, a8_another_tunnel_that_has_the_endpoint_is_told);
    return tap_done();
}
