/* SPDX-License-Identifier: MIT */
#include "config/keytext.h"

#include <ctype.h>
#include <string.h>

#include "tap.h"

static bool parses(const char *text)
{
    uint8_t key[KEY_BYTES];
    return keytext_parse(text, strlen(text), key);
}

static void test_a_known_key(void)
{
    uint8_t key[KEY_BYTES], expected[KEY_BYTES];
    for (unsigned i = 0; i < KEY_BYTES; i++)
        expected[i] = (uint8_t)i;
    /* python: base64.b64encode(bytes(range(32))) */
    const char *text = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    char written[KEYTEXT_CHARACTERS + 1];
    CHECK(keytext_parse(text, strlen(text), key));
    CHECK_BYTES(key, expected, KEY_BYTES);
    CHECK_TEXT(keytext_format(key, written), text);
}

static void test_random_keys_round_trip(void)
{
    for (unsigned round = 0; round < 2000; round++) {
        uint8_t key[KEY_BYTES], parsed[KEY_BYTES];
        char text[KEYTEXT_CHARACTERS + 1];
        tap_random_bytes(key, sizeof(key));
        CHECK(keytext_parse(keytext_format(key, text), KEYTEXT_CHARACTERS, parsed));
        CHECK_BYTES(parsed, key, KEY_BYTES);
    }
}

static void test_what_is_no_key_is_refused(void)
{
    CHECK(!parses(""));
    CHECK(!parses("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"));  /* no padding */
    CHECK(!parses("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8A")); /* 33 bytes */
    CHECK(!parses("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=")); /* a bit too many */
    CHECK(!parses("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=="));
    CHECK(!parses("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==")); /* 31 bytes */
    CHECK(!parses("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh-=")); /* URL alphabet */
    CHECK(!parses(" AECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="));
}

static void test_every_wrong_character_is_refused_everywhere(void)
{
    const char *text = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (unsigned place = 0; place < KEYTEXT_CHARACTERS - 1; place++) {
        for (unsigned c = 0; c < 256; c++) {
            char changed[KEYTEXT_CHARACTERS];
            uint8_t key[KEY_BYTES] = {0}, zero[KEY_BYTES] = {0};
            memcpy(changed, text, sizeof(changed));
            changed[place] = (char)c;
            bool is_known = c != 0 && strchr(alphabet, (int)c);
            bool is_key = keytext_parse(changed, sizeof(changed), key);
            if (place < KEYTEXT_CHARACTERS - 2)
                CHECK(is_key == is_known);
            else /* the last one carries four bits */
                CHECK(is_key == (is_known && (strchr(alphabet, (int)c) - alphabet) % 4 == 0));
            if (!is_key)
                CHECK_BYTES(key, zero, sizeof(key));
        }
    }
}

static void test_hexadecimal_keys_round_trip_in_either_case(void)
{
    for (unsigned round = 0; round < 500; round++) {
        uint8_t key[KEY_BYTES], parsed[KEY_BYTES];
        char text[KEYTEXT_HEX_CHARACTERS + 1];
        tap_random_bytes(key, sizeof(key));
        keytext_format_hex(key, text);
        CHECK_EQUAL(strspn(text, "0123456789abcdef"), KEYTEXT_HEX_CHARACTERS);
        for (unsigned i = 0; i < KEYTEXT_HEX_CHARACTERS; i++)
            if (tap_random_below(2))
                text[i] = (char)toupper(text[i]);
        CHECK(keytext_parse_hex(text, KEYTEXT_HEX_CHARACTERS, parsed));
        CHECK_BYTES(parsed, key, KEY_BYTES);
    }
}

static void test_every_wrong_digit_is_refused_everywhere(void)
{
    const uint8_t zero[KEY_BYTES] = {0};
    char text[KEYTEXT_HEX_CHARACTERS + 1];
    keytext_format_hex(zero, text);
    for (unsigned place = 0; place < KEYTEXT_HEX_CHARACTERS; place++) {
        for (unsigned c = 0; c < 256; c++) {
            uint8_t key[KEY_BYTES] = {0};
            text[place] = (char)c;
            bool is_key = keytext_parse_hex(text, KEYTEXT_HEX_CHARACTERS, key);
            CHECK(is_key == (isxdigit((int)c) != 0));
            if (!is_key)
                CHECK_BYTES(key, zero, sizeof(key));
        }
        text[place] = '0';
    }
    uint8_t key[KEY_BYTES];
    CHECK(!keytext_parse_hex(text, KEYTEXT_HEX_CHARACTERS - 1, key));
    CHECK(!keytext_parse_hex(text, KEYTEXT_HEX_CHARACTERS + 1, key));
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_a_known_key);
    TAP_RUN(argc, argv, test_random_keys_round_trip);
    TAP_RUN(argc, argv, test_what_is_no_key_is_refused);
    TAP_RUN(argc, argv, test_every_wrong_character_is_refused_everywhere);
    TAP_RUN(argc, argv, test_hexadecimal_keys_round_trip_in_either_case);
    TAP_RUN(argc, argv, test_every_wrong_digit_is_refused_everywhere);
    return tap_done();
}
