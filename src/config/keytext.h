/* SPDX-License-Identifier: MIT */
/* A 32-byte key as 44 characters of base64 (RFC 4648), as `wg genkey` writes it, and in
 * hexadecimal. */
#ifndef CONFIG_KEYTEXT_H
#define CONFIG_KEYTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEY_BYTES 32
#define KEYTEXT_CHARACTERS 44
#define KEYTEXT_HEX_CHARACTERS 64

/* Strict: exactly 44 characters, the last '=', no bit beyond the 32 bytes. Neither time nor memory
 * access depends on the key. False leaves `key` as it is. */
bool keytext_parse(const char *text, size_t len, uint8_t key[KEY_BYTES]);
/* Writes 44 characters and a NUL, and returns `text`. */
char *keytext_format(const uint8_t key[KEY_BYTES], char text[KEYTEXT_CHARACTERS + 1]);

/* As 64 hexadecimal digits, of either case; as above in all else. */
bool keytext_parse_hex(const char *text, size_t len, uint8_t key[KEY_BYTES]);
char *keytext_format_hex(const uint8_t key[KEY_BYTES], char text[KEYTEXT_HEX_CHARACTERS + 1]);

#endif
