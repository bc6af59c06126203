/* SPDX-License-Identifier: MIT */
/* RULES E4: which MTU the interface gets, as far as the file tells, and what IPv6 needs of it. */
#include "config/config.h"

#include "rigs/config_files.h"
#include "tap.h"

#define PEER(allowed) "[Peer]\nPublicKey = " KEY_2 "\nAllowedIPs = " allowed "\n"
#define OUTER "[Tunnel a]\nPrivateKey = " KEY_1 "\nAddress = 10.0.0.1\n"
#define INNER "[Tunnel b]\nVia = a\nPrivateKey = " KEY_3 "\nAddress = 10.1.0.1, fd00::1\n"
#define ALL "0.0.0.0/0, ::/0"

/* The refusal, or "". */
static const char *refusal_of(const char *text, const char *second, size_t path_count)
{
    static char said[CONFIG_MESSAGE_BYTES];
    struct config *config = NULL;
    struct config_messages messages;
    struct config_files files = {{{"a.conf", text, false}, {"b.conf", second, false}}};
    said[0] = '\0';
    config_files_load(&files, path_count, tap_memory(), &config, &messages);
    for (size_t i = 0; i < messages.count; i++)
        if (messages.items[i].kind == CONFIG_ERROR)
            snprintf(said, sizeof(said), "%s", messages.items[i].text);
    config_free(config);
    config_messages_wipe(&messages);
    return said;
}

#define TOO_SMALL(place, mtu, least)                                                               \
    place ": MTU: " mtu " is too small for IPv6, and the interface has an IPv6 address; write at " \
          "least " least " or remove the IPv6 addresses"

static void test_e4_the_carrier_of_a_narrow_tunnel_that_takes_all_has_no_say(void)
{
    CHECK_TEXT(refusal_of(OUTER "MTU = 1420\n" PEER(ALL) INNER "MTU = 1279\n" PEER(ALL), "", 1),
               TOO_SMALL("a.conf:12", "1279", "1280"));
    CHECK_TEXT(
        refusal_of(OUTER PEER("0.0.0.0/0, 10.9.0.0/16") INNER "MTU = 1279\n" PEER(ALL), "", 1),
        TOO_SMALL("a.conf:11", "1279", "1280"));
    CHECK_TEXT(refusal_of(OUTER "MTU = 1420\n" PEER(ALL) INNER "MTU = 1280\n" PEER(ALL), "", 1),
               "");
    /* What it keeps for itself makes the interface wider: IPv6 stays there, and is refused per
     * path. */
    CHECK_TEXT(refusal_of(OUTER PEER("0.0.0.0/0, 10.9.0.0/16") INNER "MTU = 1279\nRoutes = ::/0\n"
                                PEER(ALL), "", 1), "");
    CHECK_TEXT(refusal_of(OUTER PEER("0.0.0.0/0") INNER
                          "MTU = 1279\nRoutes = 0.0.0.0/0, !10.0.0.0/8"
                          "\n" PEER(ALL),
                          "", 1),
               "");
    CHECK_TEXT(refusal_of(OUTER "DNS = fd09::1\n" PEER("0.0.0.0/0, fd09::1")
                          INNER "MTU = 1279\nRoutes = 0.0.0.0/0\n" PEER(ALL), "", 1), "");
}

static void test_e4_a_carrier_s_line_narrows_what_it_carries(void)
{
    CHECK_TEXT(refusal_of(OUTER "MTU = 1339\nRoutes = none\n" PEER(ALL) INNER PEER(ALL), "", 1),
               TOO_SMALL("a.conf:4", "1339", "1340"));
    CHECK_TEXT(refusal_of(OUTER "MTU = 1340\nRoutes = none\n" PEER(ALL) INNER PEER(ALL), "", 1),
               "");
    /* Of chained files, where it is an upper bound. */
#define FILE(address, mtu)                                                                         \
    "[Interface]\nPrivateKey = " KEY_1 "\nAddress = " address "\nMTU = " mtu "\n" PEER(ALL)
    CHECK_TEXT(refusal_of(FILE("10.0.0.1", "1339"), FILE("10.1.0.1, fd00::1", "1420"), 2),
               TOO_SMALL("a.conf:4", "1339", "1340"));
    CHECK_TEXT(refusal_of(FILE("10.0.0.1", "1400"), FILE("10.1.0.1, fd00::1", "1279"), 2),
               TOO_SMALL("b.conf:4", "1279", "1280"));
    CHECK_TEXT(refusal_of(FILE("10.0.0.1", "1339"), FILE("10.1.0.1", "1279"), 2), "");
}

static void test_e4_one_line_for_the_interface(void)
{
    CHECK_TEXT(refusal_of(FILE("10.0.0.1, fd00::1", "1279"), "", 1),
               TOO_SMALL("a.conf:4", "1279", "1280"));
    CHECK_TEXT(refusal_of("[Network]\nMTU = 1279\n" OUTER PEER(ALL) INNER PEER(ALL), "", 1),
               TOO_SMALL("a.conf:2", "1279", "1280"));
    CHECK_TEXT(refusal_of("[Network]\nMTU = 1280\n" OUTER PEER(ALL) INNER "MTU = 1279\n" PEER(ALL),
                          "", 1), "");
    CHECK_TEXT(refusal_of("[Network]\nMTU = 1279\n" OUTER PEER(ALL), "", 1), "");
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_e4_the_carrier_of_a_narrow_tunnel_that_takes_all_has_no_say);
    TAP_RUN(argc, argv, test_e4_a_carrier_s_line_narrows_what_it_carries);
    TAP_RUN(argc, argv, test_e4_one_line_for_the_interface);
    return tap_done();
}
