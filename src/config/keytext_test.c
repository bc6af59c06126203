/* SPDX-License-Identifier: MIT */
#include "config/keytext.h"

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

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_a_known_key);
    TAP_RUN(argc, argv, test_random_keys_round_trip);
    TAP_RUN(argc, argv, test_what_is_no_key_is_refused);
    TAP_RUN(argc, argv, test_every_wrong_character_is_refused_everywhere);
    return tap_done();
}
