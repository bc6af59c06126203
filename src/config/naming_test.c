/* SPDX-License-Identifier: MIT */
#include "config/naming.h"

#include <stdio.h>
#include <string.h>

#include "tap.h"

static void test_a_file_s_name_that_is_one_stays(void)
{
    static const char *const paths[][2] = {{"/etc/hopwire/work.conf", "work"}, {"a/b.conf", "b"},
                                           {"se-sto_1.2=3+.conf", "se-sto_1.2=3+"}, {"x", "x"}};
    for (unsigned i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        char name[TUNNEL_NAME_BYTES], interface[INTERFACE_NAME_BYTES];
        CHECK(!naming_network(paths[i][0], name));
        CHECK_TEXT(name, paths[i][1]);
        naming_interface(name, 0, interface);
        CHECK_TEXT(interface, paths[i][1]);
    }
}

static void test_i1_any_file_s_name_gives_names(void)
{
    static const char *const paths[] = {
        "x/US New York #12.conf", "x/US New York #13.conf", "x/US-New-York-12.conf", "x/.conf",
        "x/-rf.conf", "x/..conf", "x/Z\xc3\xbcrich.conf", "x/\n.conf", "x/#.conf", "x/##.conf",
        "x/a-name-that-has-more-letters-than-sixty-three-of-them-which-is-too-many-1.conf",
        "x/a-name-that-has-more-letters-than-sixty-three-of-them-which-is-too-many-2.conf",
        "x/mullvad-se-sto-wg-001.conf", "x/mullvad-se-sto-wg-002.conf", "x/all.conf", "x/lo.conf",
        "x/default.conf", "x/"};
    enum { COUNT = sizeof(paths) / sizeof(*paths) };
    static char networks[COUNT][TUNNEL_NAME_BYTES], interfaces[COUNT][INTERFACE_NAME_BYTES];
    for (unsigned i = 0; i < COUNT; i++) {
        char again[TUNNEL_NAME_BYTES];
        naming_network(paths[i], networks[i]);
        CHECK(value_is_name(networks[i], TUNNEL_NAME_BYTES - 1));
        CHECK(!naming_network(networks[i], again)); /* `down` takes the name itself as well */
        CHECK_TEXT(again, networks[i]);
        naming_interface(networks[i], 0, interfaces[i]);
        CHECK(value_is_interface_name(interfaces[i]));
        for (unsigned j = 0; j < i; j++) {
            CHECK(strcmp(networks[i], networks[j]) != 0);
            CHECK(strcmp(interfaces[i], interfaces[j]) != 0);
        }
    }
    CHECK(strncmp(networks[0], "US-New-York-12-", 15) == 0);
    CHECK_TEXT(networks[2], "US-New-York-12");
    CHECK(strncmp(interfaces[12], "mullvad-se-", 10) == 0);
}

static void test_i1_another_attempt_is_another_interface_name(void)
{
    char names[16][INTERFACE_NAME_BYTES];
    for (unsigned i = 0; i < 16; i++) {
        naming_interface("a-name-of-sixteen", i, names[i]);
        CHECK(value_is_interface_name(names[i]));
        for (unsigned j = 0; j < i; j++)
            CHECK(strcmp(names[i], names[j]) != 0);
    }
}

static void test_I4_names_in_wg_are_short_and_nobody_else_s(void)
{
    static const struct {
        const char *interface_name;
        const char *tunnels[5]; /* the first one is the root */
        const char *names[5];   /* NULL: like it */
    } cases[] = {
        {"hop0", {"entry", "office", "exit"}, {"hop0", "hop0.office", "hop0.exit"}},
        {"hop0", {"entry", "0123456789"}, {"hop0", "hop0.0123456789"}},
        {"hop0", {"entry", "01234567890", "01234567891", "012345"},
         {"hop0", NULL, NULL, "hop0.012345"}},
        {"fifteen-letters", {"entry", "a", "b"}, {"fifteen-letters", NULL, NULL}},
        {"thirteen-long", {"entry", "a", "bc"}, {"thirteen-long", "thirteen-long.a", NULL}},
    };
    for (unsigned c = 0; c < sizeof(cases) / sizeof(*cases); c++) {
        struct tunnel_description tunnels[5] = {0};
        struct network_description network = {.tunnels = tunnels};
        char names[5][INTERFACE_NAME_BYTES], again[5][INTERFACE_NAME_BYTES];
        for (; network.tunnel_count < 5 && cases[c].tunnels[network.tunnel_count];
             network.tunnel_count++) {
            struct tunnel_description *tunnel = &tunnels[network.tunnel_count];
            strcpy(tunnel->name, cases[c].tunnels[network.tunnel_count]);
            tunnel->carrier = network.tunnel_count ? 0 : TUNNEL_NO_CARRIER;
        }
        naming_wg(cases[c].interface_name, &network, names);
        naming_wg(cases[c].interface_name, &network, again);
        for (unsigned i = 0; i < network.tunnel_count; i++) {
            if (cases[c].names[i])
                CHECK_TEXT(names[i], cases[c].names[i]);
            CHECK_TEXT(names[i], again[i]);
            CHECK(value_is_interface_name(names[i]));
            for (unsigned j = 0; j < i; j++)
                CHECK(strcmp(names[i], names[j]) != 0);
        }
        if (c == 2)
            CHECK(strncmp(names[1], "hop0.01234-", 11) == 0);
    }
}

static void test_I4_128_long_names_are_128_in_wg(void)
{
    static struct tunnel_description tunnels[128];
    static char names[128][INTERFACE_NAME_BYTES];
    struct network_description network = {.tunnels = tunnels, .tunnel_count = 128};
    for (unsigned i = 0; i < 128; i++) {
        snprintf(tunnels[i].name, sizeof(tunnels[i].name), "a-tunnel-with-a-long-name-%u", i);
        tunnels[i].carrier = i == 77 ? TUNNEL_NO_CARRIER : 77;
    }
    naming_wg("hop0", &network, names);
    CHECK_TEXT(names[77], "hop0");
    for (unsigned i = 0; i < 128; i++)
        for (unsigned j = 0; j < i; j++)
            CHECK(strcmp(names[i], names[j]) != 0);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_a_file_s_name_that_is_one_stays);
    TAP_RUN(argc, argv, test_i1_any_file_s_name_gives_names);
    TAP_RUN(argc, argv, test_i1_another_attempt_is_another_interface_name);
    TAP_RUN(argc, argv, test_I4_names_in_wg_are_short_and_nobody_else_s);
    TAP_RUN(argc, argv, test_I4_128_long_names_are_128_in_wg);
    return tap_done();
}
