/* SPDX-License-Identifier: MIT */
#include "config/syntax.h"

#include <stddef.h>
#include <string.h>

#define BLANKS " \t\r\v\f"

void syntax_init(struct syntax *syntax, char *text)
{
    *syntax = (struct syntax){.next = text};
}

char *syntax_trim(char *text)
{
    text += strspn(text, BLANKS);
    size_t len = strlen(text);
    while (len > 0 && strchr(BLANKS, text[len - 1]))
        len--;
    text[len] = '\0';
    return text;
}

/* "[Tunnel office]" → "Tunnel", "office". */
static void split_section(char *text, struct syntax_line *line)
{
    size_t len = strlen(text);
    *line = (struct syntax_line){SYNTAX_BROKEN, line->line, text, text + strlen(text),
                                 "a section must end with ']', as in [Peer]"};
    if (text[len - 1] != ']')
        return;
    text[len - 1] = '\0';
    line->kind = SYNTAX_SECTION;
    line->reason = NULL;
    line->key = syntax_trim(text + 1);
    line->value = line->key + strcspn(line->key, BLANKS);
    if (*line->value) {
        *line->value = '\0';
        line->value = syntax_trim(line->value + 1);
    }
}

static void split_setting(char *text, struct syntax_line *line)
{
    char *equals = strchr(text, '=');
    *line = (struct syntax_line){SYNTAX_BROKEN, line->line, text, text + strlen(text),
                                 "neither [Section] nor KEY = VALUE; put # before a comment"};
    if (!equals)
        return;
    *equals = '\0';
    line->kind = SYNTAX_SETTING;
    line->reason = NULL;
    line->key = syntax_trim(text);
    line->value = syntax_trim(equals + 1);
}

bool syntax_next(struct syntax *syntax, struct syntax_line *line)
{
    while (*syntax->next) {
        char *text = syntax->next;
        size_t len = strcspn(text, "\n");
        syntax->next = text + len + (text[len] == '\n');
        text[len] = '\0';
        text[strcspn(text, "#")] = '\0';
        line->line = ++syntax->line;
        text = syntax_trim(text);
        if (*text == '[')
            split_section(text, line);
        else if (*text)
            split_setting(text, line);
        else
            continue;
        return true;
    }
    return false;
}

char *syntax_squeeze(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++)
        if (!strchr(BLANKS, *from))
            *to++ = *from;
    *to = '\0';
    return text;
}

static char *cut_piece(char **rest, const char *ends)
{
    while (**rest) {
        char *item = *rest;
        size_t len = strcspn(item, ends);
        *rest = item + len + (item[len] != '\0');
        item[len] = '\0';
        item = syntax_trim(item);
        if (*item)
            return item;
    }
    return NULL;
}

char *syntax_item(char **rest)
{
    return cut_piece(rest, "," BLANKS);
}

char *syntax_part(char **rest)
{
    return cut_piece(rest, ",");
}
