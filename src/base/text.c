/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include <stdio.h>
#include <string.h>

void text_init(struct text *text, char *bytes, size_t capacity_bytes)
{
    *text = (struct text){.bytes = bytes, .capacity_bytes = capacity_bytes};
    bytes[0] = '\0';
}

void text_append_list(struct text *text, const char *format, va_list arguments)
{
    size_t room = text->capacity_bytes - text->len;
    if (text->capacity_bytes == 0) /* TEXT_UNHEARD */
        return;
    int len = vsnprintf(text->bytes + text->len, room, format, arguments);
    if (len < 0 || (size_t)len >= room) {
        text->is_cut = true;
        text->len = text->capacity_bytes - 1;
        return;
    }
    text->len += (size_t)len;
}

void text_append(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    text_append_list(text, format, arguments);
    va_end(arguments);
}

void text_append_word(struct text *text, const char *word)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "_./+:@%=,-";
    size_t len = strlen(word);
    if (len > 0 && strspn(word, plain) == len) {
        text_append(text, "%s", word);
        return;
    }
    text_append(text, "'");
    for (; *word; word++)
        text_append(text, *word == '\'' ? "'\\''" : "%c", *word);
    text_append(text, "'");
}
