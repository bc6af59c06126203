/* SPDX-License-Identifier: MIT */
/* Appending to a bounded text buffer: what does not fit is cut, never written past the end. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct text {
    char *bytes; /* always NUL-terminated */
    size_t capacity_bytes;
    size_t len;
    bool is_cut;
};

/* Begins an empty one with room of its own, in the block it stands in:
 * `struct text why = TEXT_ROOM(512);` */
#define TEXT_ROOM(capacity) {.bytes = (char[capacity]){0}, .capacity_bytes = (capacity)}
/* For a sentence that nobody will read: takes nothing, its `len` stays 0. */
#define TEXT_UNHEARD (&(struct text){.bytes = (char[1]){0}})

void text_init(struct text *text, char *bytes, size_t capacity_bytes);
void text_append(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_append_list(struct text *text, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
/* One word of a shell's command, quoted where it needs to be. */
void text_append_word(struct text *text, const char *word);

#endif
