/* SPDX-License-Identifier: MIT */
#include "base/prefix.h"

#include "tap.h"

static void test_prefixes_round_trip(void)
{
    static const char *const texts[] = {"0.0.0.0/0", "10.20.0.0/16", "::/0", "2001:db8::/33"};
    for (unsigned i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct prefix prefix;
        char text[PREFIX_TEXT_BYTES];
        CHECK(prefix_parse(texts[i], &prefix));
        CHECK_TEXT(prefix_format(&prefix, text), texts[i]);
    }
}

static void test_an_address_alone_is_a_host(void)
{
    struct prefix prefix;
    CHECK(prefix_parse("10.1.2.3", &prefix) && prefix.len_bits == 32);
    CHECK(prefix_parse("::1", &prefix) && prefix.len_bits == 128);
}

static void test_what_is_no_prefix_is_refused(void)
{
    static const char *const texts[] = {"10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1",
                                        "10.0.0.0/8x", "10.0.0/8", "/8", "10.0.0.0/0008"};
    for (unsigned i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct prefix prefix;
        CHECK(!prefix_parse(texts[i], &prefix));
    }
}

static void test_masking_clears_host_bits(void)
{
    struct prefix prefix;
    char text[PREFIX_TEXT_BYTES];
    CHECK(prefix_parse("10.20.30.40/18", &prefix));
    CHECK(prefix_mask(&prefix));
    CHECK_TEXT(prefix_format(&prefix, text), "10.20.0.0/18");
    CHECK(!prefix_mask(&prefix));
}

static void test_covering_is_containing_every_address(void)
{
    struct prefix outer, inner;
    CHECK(prefix_parse("10.0.0.0/9", &outer) && prefix_parse("10.127.0.0/16", &inner));
    CHECK(prefix_covers(&outer, &inner) && !prefix_covers(&inner, &outer));
    CHECK(prefix_parse("10.128.0.0/16", &inner) && !prefix_covers(&outer, &inner));
    CHECK(prefix_parse("::/0", &outer) && !prefix_covers(&outer, &inner));
    CHECK(prefix_covers(&inner, &inner));
}

static void test_a1_both_halves_count_as_default(void)
{
    static const char *const texts[] = {"10.0.0.0/8", "128.0.0.0/1", "::/1", "0.0.0.0/1", "::/0"};
    struct prefix list[5];
    for (unsigned i = 0; i < 5; i++)
        CHECK(prefix_parse(texts[i], &list[i]));
    CHECK(!prefix_list_has_default(list, 3, FAMILY_IPV4));
    CHECK(prefix_list_has_default(list, 4, FAMILY_IPV4));
    CHECK(!prefix_list_has_default(list, 4, FAMILY_IPV6));
    CHECK(prefix_list_has_default(list + 4, 1, FAMILY_IPV6));
    CHECK(!prefix_list_has_default(list + 4, 1, FAMILY_IPV4));
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_prefixes_round_trip);
    TAP_RUN(argc, argv, test_an_address_alone_is_a_host);
    TAP_RUN(argc, argv, test_what_is_no_prefix_is_refused);
    TAP_RUN(argc, argv, test_masking_clears_host_bits);
    TAP_RUN(argc, argv, test_covering_is_containing_every_address);
    TAP_RUN(argc, argv, test_a1_both_halves_count_as_default);
    return tap_done();
}
