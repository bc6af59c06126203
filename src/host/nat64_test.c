/* SPDX-License-Identifier: MIT */
#include "host/nat64.h"

#include "tap.h"

static struct address parse(const char *text)
{
    struct address address = {0};
    CHECK(address_parse(text, &address));
    return address;
}

/* RFC 6052 2.4, with the addresses of RFC 7050 in place of 192.0.2.33. */
static void rfc6052_every_length_is_found_and_used(void)
{
    static const struct {
        const char *answer, *prefix, *synthesized; /* of 192.0.2.33 */
    } cases[] = {
        {"2001:db8:c000:aa::", "2001:db8::/32", "2001:db8:c000:221::"},
        {"2001:db8:1c0:0:aa::", "2001:db8:100::/40", "2001:db8:1c0:2:21::"},
        {"2001:db8:122:c000:0:aa00::", "2001:db8:122::/48", "2001:db8:122:c000:2:2100::"},
        {"2001:db8:122:3c0:0:aa::", "2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"},
        {"2001:db8:122:344:c0:0:aa00:0", "2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100:0"},
        {"2001:db8:122:344::192.0.0.171", "2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"},
        {"64:ff9b::c000:aa", "64:ff9b::/96", "64:ff9b::c000:221"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct prefix found = {0};
        char text[PREFIX_TEXT_BYTES], shown[ADDRESS_TEXT_BYTES], expected[ADDRESS_TEXT_BYTES];
        const struct address answer = parse(cases[i].answer), ipv4 = parse("192.0.2.33");
        CHECK(nat64_find_prefix(&answer, &found));
        CHECK_TEXT(prefix_format(&found, text), cases[i].prefix);
        const struct address inside = nat64_synthesize(&found, &ipv4);
        const struct address right = parse(cases[i].synthesized);
        CHECK_TEXT(address_format(&inside, shown), address_format(&right, expected));
    }
}

static void what_is_no_answer_is_passed_over(void)
{
    static const char *const others[] = {"192.0.0.170", "::", "2001:db8::1", "64:ff9b::c000:a9",
                                         "64:ff9b::c000:1aa", "2001:db8:c000:aa::1"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct prefix found;
        const struct address answer = parse(others[i]);
        CHECK(!nat64_find_prefix(&answer, &found));
    }
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, rfc6052_every_length_is_found_and_used);
    TAP_RUN(argc, argv, what_is_no_answer_is_passed_over);
    return tap_done();
}
