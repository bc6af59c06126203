/* SPDX-License-Identifier: MIT */
#include "base/address.h"

#include "tap.h"

static void test_addresses_round_trip(void)
{
    static const char *const texts[] = {"0.0.0.0", "192.0.2.255", "::", "::1", "2001:db8::1",
                                        "fe80::1:2"};
    for (unsigned i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct address address;
        char text[ADDRESS_TEXT_BYTES];
        CHECK(address_parse(texts[i], &address));
        CHECK_TEXT(address_format(&address, text), texts[i]);
    }
}

static void test_what_is_no_address_is_refused(void)
{
    static const char *const texts[] = {"", "1.2.3", "1.2.3.256", "1.2.3.4.5", "::g", "a.example",
                                        "1:2:3:4:5:6:7:8:9", "fe80::1%eth0"};
    for (unsigned i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct address address;
        CHECK(!address_parse(texts[i], &address));
    }
}

static void test_endpoints_as_text(void)
{
    struct endpoint endpoint = {.port = 51820};
    char text[ENDPOINT_TEXT_BYTES];
    CHECK(address_parse("192.0.2.1", &endpoint.address));
    CHECK_TEXT(endpoint_format(&endpoint, text), "192.0.2.1:51820");
    CHECK(address_parse("fe80::1", &endpoint.address));
    CHECK_TEXT(endpoint_format(&endpoint, text), "[fe80::1]:51820");
    endpoint.scope_id = 3;
    CHECK_TEXT(endpoint_format(&endpoint, text), "[fe80::1%3]:51820");
}

static void test_kinds_of_addresses(void)
{
    struct address address;
    CHECK(address_parse("127.3.2.1", &address) && address_is_loopback(&address));
    CHECK(address_parse("::1", &address) && address_is_loopback(&address));
    CHECK(address_parse("169.254.1.1", &address) && address_is_link_local(&address));
    CHECK(address_parse("fe80::1", &address) && address_is_link_local(&address));
    CHECK(address_parse("fec0::1", &address) && !address_is_link_local(&address));
    CHECK(address_parse("239.255.255.255", &address) && address_is_multicast(&address));
    CHECK(address_parse("ff02::1", &address) && address_is_multicast(&address));
    CHECK(address_parse("255.255.255.255", &address) && address_is_broadcast(&address));
    CHECK(address_parse("::", &address) && address_is_unspecified(&address));
    static const char *const inside[] = {"127.3.2.1", "0.0.0.0", "0.255.0.1", "::1", "::",
                                         "::ffff:192.0.2.1"};
    for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++)
        CHECK(address_parse(inside[i], &address) && address_is_inside_a_host(&address));
    static const char *const outside[] = {"126.255.255.255", "128.0.0.1", "1.0.0.0", "::2",
                                          "64:ff9b::192.0.2.1", "::fffe:192.0.2.1"};
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
        CHECK(address_parse(outside[i], &address) && !address_is_inside_a_host(&address));
}

static void test_a_mapped_address_is_the_ipv4_one(void)
{
    static const char *const texts[][2] = {{"::ffff:192.0.2.1", "192.0.2.1"},
                                           {"::fffe:192.0.2.1", "::fffe:c000:201"},
                                           {"::192.0.2.1", "::192.0.2.1"},
                                           {"192.0.2.1", "192.0.2.1"}};
    for (unsigned i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct address address, expected;
        CHECK(address_parse(texts[i][0], &address) && address_parse(texts[i][1], &expected));
        address_unmap(&address);
        CHECK(address_is_equal(&address, &expected));
    }
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_addresses_round_trip);
    TAP_RUN(argc, argv, test_what_is_no_address_is_refused);
    TAP_RUN(argc, argv, test_endpoints_as_text);
    TAP_RUN(argc, argv, test_kinds_of_addresses);
    TAP_RUN(argc, argv, test_a_mapped_address_is_the_ipv4_one);
    return tap_done();
}
