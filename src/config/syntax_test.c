/* SPDX-License-Identifier: MIT */
#include "config/syntax.h"

#include <string.h>

#include "tap.h"

static void expect(struct syntax *syntax, enum syntax_kind kind, unsigned number, const char *key,
                   const char *value)
{
    struct syntax_line line;
    if (!CHECK(syntax_next(syntax, &line)))
        return;
    CHECK_EQUAL(line.kind, kind);
    CHECK_EQUAL(line.line, number);
    CHECK_TEXT(line.key, key);
    CHECK_TEXT(line.value, value);
}

static void test_sections_and_settings(void)
{
    char text[] = "# a comment\n\n[Interface]\r\nPrivateKey=abc=\n\t mtu  =  1420 # why\r\n"
                  "[ Tunnel   office  ]#x\nDNS =\n = 3\nPostUp = a = b";
    struct syntax syntax;
    struct syntax_line line;
    syntax_init(&syntax, text);
    expect(&syntax, SYNTAX_SECTION, 3, "Interface", "");
    expect(&syntax, SYNTAX_SETTING, 4, "PrivateKey", "abc=");
    expect(&syntax, SYNTAX_SETTING, 5, "mtu", "1420");
    expect(&syntax, SYNTAX_SECTION, 6, "Tunnel", "office");
    expect(&syntax, SYNTAX_SETTING, 7, "DNS", "");
    expect(&syntax, SYNTAX_SETTING, 8, "", "3");
    expect(&syntax, SYNTAX_SETTING, 9, "PostUp", "a = b");
    CHECK(!syntax_next(&syntax, &line));
    CHECK(!syntax_next(&syntax, &line));
}

static void test_broken_lines(void)
{
    static const char *const texts[] = {"[", "[Peer", "Peer]", "word", "[Peer] x"};
    for (unsigned i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        char text[32];
        struct syntax syntax;
        struct syntax_line line;
        strcpy(text, texts[i]);
        syntax_init(&syntax, text);
        CHECK(syntax_next(&syntax, &line));
        CHECK_EQUAL(line.kind, SYNTAX_BROKEN);
        CHECK(line.reason != NULL);
        CHECK(!syntax_next(&syntax, &line));
    }
}

static void test_lists(void)
{
    char text[] = " a ,b,, c\td ,", parts[] = " a b ,, c\t,", blanks[] = " a\tb = \r";
    char *rest = text;
    CHECK_TEXT(syntax_item(&rest), "a");
    CHECK_TEXT(syntax_item(&rest), "b");
    CHECK_TEXT(syntax_item(&rest), "c");
    CHECK_TEXT(syntax_item(&rest), "d");
    CHECK(syntax_item(&rest) == NULL);
    CHECK(syntax_item(&rest) == NULL);
    rest = parts;
    CHECK_TEXT(syntax_part(&rest), "a b");
    CHECK_TEXT(syntax_part(&rest), "c");
    CHECK(syntax_part(&rest) == NULL);
    CHECK_TEXT(syntax_squeeze(blanks), "ab=");
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_sections_and_settings);
    TAP_RUN(argc, argv, test_broken_lines);
    TAP_RUN(argc, argv, test_lists);
    return tap_done();
}
