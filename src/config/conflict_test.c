/* SPDX-License-Identifier: MIT */
/* What is warned about when prefixes and endpoints meet. */
#include "config/config.h"

#include "rigs/config_files.h"
#include "tap.h"

/* Loads the text as n.conf and counts its warnings; the last one is `*said`. */
static size_t warnings_of(const char *text, char said[CONFIG_MESSAGE_BYTES])
{
    struct config *config = NULL;
    struct config_messages messages;
    struct config_files files = {{{"n.conf", text, false}}};
    size_t warnings = 0;
    said[0] = '\0';
    CHECK(config_files_load(&files, 1, tap_memory(), &config, &messages));
    for (size_t i = 0; i < messages.count; i++) {
        if (messages.items[i].kind != CONFIG_WARNING)
            continue;
        snprintf(said, CONFIG_MESSAGE_BYTES, "%s", messages.items[i].text);
        warnings++;
    }
    config_free(config);
    config_messages_wipe(&messages);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
    return warnings;
}

#define ROUTED(routes)                                                                             \
    "[Tunnel a]\nPrivateKey = " KEY_1 "\nAddress = 10.0.0.1\nRoutes = " routes "\n"               \
    "[Peer]\nPublicKey = " KEY_2 "\nAllowedIPs = 192.168.0.0/16, 10.1.0.0/16\n"

/* A route less its exceptions is served whole; a shorter exception takes nothing of a longer
 * one. */
static void test_a4_what_is_excepted_needs_no_peer(void)
{
    char said[CONFIG_MESSAGE_BYTES];
    CHECK_EQUAL(warnings_of(ROUTED("192.168.0.0/15, !192.169.0.0/16"), said), 0);
    CHECK_TEXT(said, "");
    CHECK_EQUAL(warnings_of(ROUTED("172.16.9.0/24, !172.16.0.0/16"), said), 1);
    CHECK_TEXT(said, "n.conf:4: Routes: 172.16.9.0/24 is not wholly in the peers' AllowedIPs; what "
                     "lies outside is refused");
    CHECK_EQUAL(warnings_of(ROUTED("10.0.0.0/15"), said), 1);
    CHECK_EQUAL(warnings_of(ROUTED("10.0.0.0/15, !10.0.0.0/17"), said), 1);
    CHECK_EQUAL(warnings_of(ROUTED("10.0.0.0/15, !10.0.0.0/17, !10.0.128.0/17"), said), 0);
}

#define TABLE(table)                                                                               \
    "[Interface]\nPrivateKey = " KEY_1 "\nAddress = 10.0.0.1\nTable = " table "\n[Peer]\n"        \
    "PublicKey = " KEY_2 "\nAllowedIPs = 0.0.0.0/1, 128.0.0.0/1\nEndpoint = 192.0.2.1:51820\n"

static void test_traps18_the_main_table_leads_a_root_s_datagrams_back(void)
{
    char said[CONFIG_MESSAGE_BYTES];
    CHECK_EQUAL(warnings_of(TABLE("254"), said), 1);
    CHECK_TEXT(said,
               "n.conf:8: Endpoint: 192.0.2.1 lies in what is routed into the interface, and "
               "Table = main has no rule that keeps the tunnel's own datagrams out; give it a "
               "route of its own past the interface, or remove Table");
    CHECK_EQUAL(warnings_of(TABLE("100"), said), 0);
    CHECK_EQUAL(warnings_of(TABLE("auto"), said), 0);
    CHECK_EQUAL(warnings_of(TABLE("off"), said), 0);
}

#define TUNNEL(name, addresses, more, allowed)                                                     \
    "[Tunnel " name "]\nPrivateKey = " KEY_1 "\nAddress = " addresses "\n" more                    \
    "[Peer]\nPublicKey = " KEY_2 "\nEndpoint = 192.0.2.1:51820\nAllowedIPs = " allowed "\n"
#define EVERYTHING "0.0.0.0/0, ::/0"
#define BOTH "10.0.0.1, fc00::1"

static void test_a7_a_routed_family_without_an_address_is_told(void)
{
    char said[CONFIG_MESSAGE_BYTES];
    CHECK_EQUAL(warnings_of(TUNNEL("a", "10.0.0.1", "", EVERYTHING), said), 1);
    CHECK_TEXT(said,
               "n.conf:3: Address: no IPv6 address, but ::/0 is routed into \"a\": every "
               "packet to it is refused; that keeps the family from going past the tunnels: "
               "leave it so, or add the IPv6 address to Address that the other end gives you");
    CHECK_EQUAL(warnings_of(TUNNEL("a", "10.0.0.1", "", "10.0.0.0/8, fd00::/8"), said), 1);
    CHECK_TEXT(said, "n.conf:3: Address: no IPv6 address, but fd00::/8 is routed into \"a\": every "
                     "packet to it is refused; write Routes without it, or add the IPv6 address to "
                     "Address that the other end gives you");
    CHECK_EQUAL(warnings_of(TUNNEL("a", "fc00::1", "", EVERYTHING), said), 1);
    CHECK_EQUAL(warnings_of(TUNNEL("a", BOTH, "", EVERYTHING), said), 0);
    CHECK_EQUAL(warnings_of(TUNNEL("a", "10.0.0.1", "Routes = !::/0\n", EVERYTHING), said), 0);
    CHECK_EQUAL(warnings_of(TUNNEL("a", "10.0.0.1", "NAT = off\n", EVERYTHING), said), 0);
    CHECK_EQUAL(warnings_of(TUNNEL("a", BOTH, "", EVERYTHING)
                            TUNNEL("b", "10.0.0.2", "Via = a\n", EVERYTHING), said), 1);
    CHECK_EQUAL(warnings_of(TUNNEL("a", "10.0.0.1", "", EVERYTHING)
                            TUNNEL("b", BOTH, "Via = a\n", "fd20::/48"), said), 1);
    CHECK_EQUAL(warnings_of(TUNNEL("a", "10.0.0.1", "", EVERYTHING)
                            TUNNEL("b", BOTH, "Via = a\n", EVERYTHING), said), 0);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_a4_what_is_excepted_needs_no_peer);
    TAP_RUN(argc, argv, test_traps18_the_main_table_leads_a_root_s_datagrams_back);
    TAP_RUN(argc, argv, test_a7_a_routed_family_without_an_address_is_told);
    return tap_done();
}
