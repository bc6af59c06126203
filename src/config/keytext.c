/* SPDX-License-Identifier: MIT */
#include "config/keytext.h"

#include <string.h>

#include "base/bytes.h"

/* All ones when low <= c <= high, else zero: a table look-up would tell the key to the cache. */
static int32_t mask_between(int32_t c, int32_t low, int32_t high)
{
    return ~((c - low) >> 31) & ~((high - c) >> 31);
}

/* 0 to 63; negative: no base64 character. */
static int32_t decode(char character)
{
    int32_t c = (uint8_t)character;
    int32_t value = -1;
    value += mask_between(c, 'A', 'Z') & (c - 'A' + 1);
    value += mask_between(c, 'a', 'z') & (c - 'a' + 27);
    value += mask_between(c, '0', '9') & (c - '0' + 53);
    value += mask_between(c, '+', '+') & 63;
    value += mask_between(c, '/', '/') & 64;
    return value;
}

static char encode(uint32_t bits)
{
    int32_t v = (int32_t)(bits & 63);
    int32_t c = mask_between(v, 0, 25) & (v + 'A');
    c |= mask_between(v, 26, 51) & (v - 26 + 'a');
    c |= mask_between(v, 52, 61) & (v - 52 + '0');
    c |= mask_between(v, 62, 62) & '+';
    c |= mask_between(v, 63, 63) & '/';
    return (char)c;
}

bool keytext_parse(const char *text, size_t len, uint8_t key[KEY_BYTES])
{
    if (len != KEYTEXT_CHARACTERS || text[KEYTEXT_CHARACTERS - 1] != '=')
        return false;
    uint8_t parsed[KEY_BYTES + 1];
    int32_t wrong = 0;
    for (unsigned group = 0; group < 11; group++) {
        uint32_t bits = 0;
        for (unsigned i = 0; i < 4; i++) {
            /* The '=' stands for six zero bits. */
            bool is_padding = group == 10 && i == 3;
            int32_t value = is_padding ? 0 : decode(text[group * 4 + i]);
            wrong |= value;
            bits = bits << 6 | ((uint32_t)value & 63);
        }
        parsed[group * 3] = (uint8_t)(bits >> 16);
        parsed[group * 3 + 1] = (uint8_t)(bits >> 8);
        parsed[group * 3 + 2] = (uint8_t)bits;
    }
    bool is_key = wrong >= 0 && parsed[KEY_BYTES] == 0;
    if (is_key)
        memcpy(key, parsed, KEY_BYTES);
    bytes_wipe(parsed, sizeof(parsed));
    return is_key;
}

char *keytext_format(const uint8_t key[KEY_BYTES], char text[KEYTEXT_CHARACTERS + 1])
{
    for (unsigned group = 0; group < 11; group++) {
        uint32_t last = group < 10 ? key[group * 3 + 2] : 0;
        uint32_t bits = (uint32_t)key[group * 3] << 16 | (uint32_t)key[group * 3 + 1] << 8 | last;
        for (unsigned i = 0; i < 4; i++)
            text[group * 4 + i] = encode(bits >> (18 - 6 * i));
    }
    text[KEYTEXT_CHARACTERS - 1] = '=';
    text[KEYTEXT_CHARACTERS] = '\0';
    return text;
}

/* 0 to 15; negative: no digit. */
static int32_t decode_hex(char character)
{
    int32_t c = (uint8_t)character;
    int32_t value = -1;
    value += mask_between(c, '0', '9') & (c - '0' + 1);
    value += mask_between(c, 'a', 'f') & (c - 'a' + 11);
    value += mask_between(c, 'A', 'F') & (c - 'A' + 11);
    return value;
}

bool keytext_parse_hex(const char *text, size_t len, uint8_t key[KEY_BYTES])
{
    uint8_t parsed[KEY_BYTES];
    int32_t wrong = 0;
    if (len != KEYTEXT_HEX_CHARACTERS)
        return false;
    for (unsigned i = 0; i < KEY_BYTES; i++) {
        int32_t high = decode_hex(text[2 * i]), low = decode_hex(text[2 * i + 1]);
        wrong |= high | low;
        parsed[i] = (uint8_t)(((uint32_t)high << 4 | (uint32_t)low) & 0xff);
    }
    if (wrong >= 0)
        memcpy(key, parsed, KEY_BYTES);
    bytes_wipe(parsed, sizeof(parsed));
    return wrong >= 0;
}

static char encode_hex(uint32_t bits)
{
    int32_t v = (int32_t)(bits & 15);
    return (char)((mask_between(v, 0, 9) & (v + '0')) | (mask_between(v, 10, 15) & (v - 10 + 'a')));
}

char *keytext_format_hex(const uint8_t key[KEY_BYTES], char text[KEYTEXT_HEX_CHARACTERS + 1])
{
    for (unsigned i = 0; i < KEY_BYTES; i++) {
        text[2 * i] = encode_hex(key[i] >> 4);
        text[2 * i + 1] = encode_hex(key[i]);
    }
    text[KEYTEXT_HEX_CHARACTERS] = '\0';
    return text;
}
