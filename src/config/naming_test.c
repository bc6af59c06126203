/* SPDX-License-Identifier: MIT */
#include "config/naming.h"

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

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_a_file_s_name_that_is_one_stays);
    TAP_RUN(argc, argv, test_i1_any_file_s_name_gives_names);
    TAP_RUN(argc, argv, test_i1_another_attempt_is_another_interface_name);
    return tap_done();
}
