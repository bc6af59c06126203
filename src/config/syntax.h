/* SPDX-License-Identifier: MIT */
/* The shape of a configuration file: sections and KEY = VALUE, a line each; `#` opens a comment
 * anywhere, as wg-quick reads it. What the words mean is not known here. */
#ifndef CONFIG_SYNTAX_H
#define CONFIG_SYNTAX_H

#include <stdbool.h>

enum syntax_kind {
    SYNTAX_SECTION, /* key: the first word in brackets; value: the rest, may be "" */
    SYNTAX_SETTING, /* key, value; both may be "" */
    SYNTAX_BROKEN,  /* neither: see reason */
};

struct syntax_line {
    enum syntax_kind kind;
    unsigned line; /* from 1 */
    char *key;     /* trimmed, NUL-terminated, inside the caller's text */
    char *value;
    const char *reason; /* of a broken line, else NULL: what is wrong and what to do */
};

struct syntax {
    char *next; /* the rest of the text, NUL-terminated */
    unsigned line;
};

/* `text` is NUL-terminated, without other NULs, and is cut into pieces in place. */
void syntax_init(struct syntax *syntax, char *text);
/* The next line that says something; false at the end. */
bool syntax_next(struct syntax *syntax, struct syntax_line *line);
/* Cuts blanks from both ends in place. */
char *syntax_trim(char *text);
/* Takes out every blank, in place, as `wg` does in keys and values; returns `text`. */
char *syntax_squeeze(char *text);
/* The next piece of a list "a, b c": not empty, without blanks; NULL at the end. `rest` starts at
 * the value and is moved on. */
char *syntax_item(char **rest);
/* The same, but that only a comma ends a piece: trimmed, blanks may be inside. */
char *syntax_part(char **rest);

#endif
