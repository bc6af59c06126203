/* SPDX-License-Identifier: MIT */
#include "config/keyword.h"

#include <string.h>

#include "tap.h"

static void test_every_key_is_found_in_any_case(void)
{
    for (unsigned i = 0; i < KEYWORD_COUNT; i++) {
        char name[32];
        strcpy(name, keyword_name((enum keyword)i));
        for (char *c = name; *c; c++)
            *c = (char)(tap_random() & 1 ? *c | 0x20 : *c & ~0x20);
        CHECK_EQUAL(keyword_find(name), i);
    }
    CHECK_EQUAL(keyword_find("Adress"), KEYWORD_COUNT);
    CHECK_EQUAL(keyword_find(""), KEYWORD_COUNT);
}

static void test_the_nearest_key(void)
{
    CHECK_TEXT(keyword_name(keyword_nearest("AllowedIP", SECTION_PEER)), "AllowedIPs");
    CHECK_TEXT(keyword_name(keyword_nearest("publickye", SECTION_PEER)), "PublicKey");
    CHECK_TEXT(keyword_name(keyword_nearest("Adress", SECTION_TUNNEL)), "Address");
    CHECK_TEXT(keyword_name(keyword_nearest("Killswich", SECTION_NETWORK)), "KillSwitch");
    CHECK_TEXT(keyword_name(keyword_nearest("route", SECTION_TUNNEL)), "Routes");
    CHECK_TEXT(keyword_name(keyword_nearest("AlowedIPs", SECTION_TUNNEL)), "AllowedIPs");
}

static void test_distances(void)
{
    char longer[300];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    CHECK_EQUAL(keyword_distance("", ""), 0);
    CHECK_EQUAL(keyword_distance("abc", ""), 3);
    CHECK_EQUAL(keyword_distance("kitten", "sitting"), 3);
    CHECK_EQUAL(keyword_distance("MTU", "mut"), 1);
    CHECK_EQUAL(keyword_distance(longer, longer), 0);
    CHECK_EQUAL(keyword_distance(longer, ""), 40);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_every_key_is_found_in_any_case);
    TAP_RUN(argc, argv, test_the_nearest_key);
    TAP_RUN(argc, argv, test_distances);
    return tap_done();
}
