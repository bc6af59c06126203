/* SPDX-License-Identifier: MIT */
#include "config/value.h"

#include <string.h>

#include "tap.h"

static void test_numbers(void)
{
    uint32_t number = 7;
    CHECK(value_number("0", 0, 10, &number) && number == 0);
    CHECK(value_number("4294967295", 0, UINT32_MAX, &number) && number == UINT32_MAX);
    CHECK(!value_number("4294967296", 0, UINT32_MAX, &number));
    CHECK(!value_number("99999999999999999999", 0, UINT32_MAX, &number));
    CHECK(value_number("000000000000010", 0, 10, &number) && number == 10);
    CHECK(value_number("00", 0, 10, &number) && number == 0);
    number = UINT32_MAX;
    CHECK(!value_number("", 0, 10, &number));
    CHECK(!value_number("-1", 0, 10, &number));
    CHECK(!value_number("+1", 0, 10, &number));
    CHECK(!value_number("1x", 0, 10, &number));
    CHECK(!value_number("11", 0, 10, &number));
    CHECK(!value_number("1", 2, 10, &number));
    CHECK_EQUAL(number, UINT32_MAX);
}

static void test_marks(void)
{
    uint32_t mark = 7;
    CHECK(value_mark("off", &mark) && mark == 0);
    CHECK(value_mark("0xCA6c", &mark) && mark == 0xca6c);
    CHECK(value_mark("51820", &mark) && mark == 51820);
    CHECK(!value_mark("0x", &mark) && !value_mark("0x123456789", &mark));
    CHECK(!value_mark("0xg", &mark) && !value_mark("on", &mark));
}

static void test_switches(void)
{
    bool is_on;
    CHECK(value_switch("On", &is_on) && is_on);
    CHECK(value_switch("false", &is_on) && !is_on);
    CHECK(value_switch("YES", &is_on) && is_on && value_switch("no", &is_on) && !is_on);
    CHECK(!value_switch("1", &is_on) && !value_switch("", &is_on));
}

static void test_names(void)
{
    CHECK(value_is_name("office", 63) && value_is_name("se-sto_1.2=3+", 63));
    CHECK(!value_is_name("", 63) && !value_is_name("..", 63) && !value_is_name("a/b", 63));
    CHECK(!value_is_name("a b", 63) && !value_is_name("-f", 63) && !value_is_name("abcd", 3));
    CHECK(value_is_interface_name("abcdefghijklmno"));
    CHECK(!value_is_interface_name("abcdefghijklmnop"));
    CHECK(!value_is_interface_name("lo") && !value_is_interface_name("all"));
}

static void test_host_names(void)
{
    static const char *const good[] = {"relay.example.net", "a", "3com.example.", "x-1_y"};
    static const char *const bad[] = {"",  "1.2.3.256", "1.2.3", "-a", "a..b",
                                      ".", "a b",       "::1",   "a;b"};
    char longest[65] = {0};
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        CHECK(value_is_host_name(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        CHECK(!value_is_host_name(bad[i]));
    memset(longest, 'a', 64);
    CHECK(!value_is_host_name(longest));
}

static void test_f3_a_mark_may_have_a_mask(void)
{
    static const struct {
        const char *text;
        uint32_t mark, mask;
    } good[] = {{"51820", 51820, UINT32_MAX},
                {"0x2000/0xff00", 0x2000, 0xff00},
                {"0x48000007", 0x48000007, 0xff000000},
                {"0x48000007/0xffffffff", 0x48000007, UINT32_MAX},
                {"off", 0, 0},
                {"0", 0, 0}};
    static const char *const bad[] = {"", "/", "1/", "/1", "1/2", "off/1", "0/1", "1/0", "1/off",
                                      "0x100000000", "1/1/1", "00000000000000000000000000001"};
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        uint32_t mark = 1, mask = 1;
        CHECK(value_mark_and_mask(good[i].text, &mark, &mask));
        CHECK_EQUAL(mark, good[i].mark);
        CHECK_EQUAL(mask, good[i].mask);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        uint32_t mark = 7, mask = 7;
        CHECK(!value_mark_and_mask(bad[i], &mark, &mask));
        CHECK(mark == 7 && mask == 7);
    }
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_numbers);
    TAP_RUN(argc, argv, test_marks);
    TAP_RUN(argc, argv, test_switches);
    TAP_RUN(argc, argv, test_names);
    TAP_RUN(argc, argv, test_host_names);
    TAP_RUN(argc, argv, test_f3_a_mark_may_have_a_mask);
    return tap_done();
}
