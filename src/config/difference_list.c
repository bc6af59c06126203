/* SPDX-License-Identifier: MIT */
#include "config/difference_list.h"

#include <stdarg.h>
#include <string.h>

#define LINE_BYTES 1024
#define CUT_MARK "…"

const char *difference_list_where(struct difference_list *list, const struct config_place *where)
{
    char place[CONFIG_PLACE_BYTES];
    if (!where || !where->file)
        return NULL;
    config_messages_place(where, place);
    return arena_copy(list->arena, place, strlen(place));
}

struct change *difference_list_add(struct difference_list *list, enum change_kind kind,
                                   const char *tunnel, const struct config_place *where)
{
    struct changes *changes = &list->difference->changes;
    struct change *more =
        arena_extend(list->arena, list->changes, changes->count, sizeof(*more));
    if (!more)
        return NULL;
    list->changes = more;
    changes->list = more;
    struct change *change = &more[changes->count++];
    *change = (struct change){.kind = kind, .tunnel = tunnel};
    change->where = difference_list_where(list, where);
    return change;
}

void difference_list_tell(struct difference_list *list, const char *format, ...)
{
    struct difference *difference = list->difference;
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (len >= (int)sizeof(line)) {
        size_t end = sizeof(line) - sizeof(CUT_MARK);
        while (end > 0 && ((unsigned char)line[end] & 0xc0) == 0x80)
            end--; /* not within a letter of UTF-8 */
        memcpy(line + end, CUT_MARK, sizeof(CUT_MARK));
    }
    char **more = arena_extend(list->arena, difference->lines, difference->line_count,
                               sizeof(*more));
    if (!more)
        return;
    difference->lines = more;
    more[difference->line_count++] = arena_copy(list->arena, line, strlen(line));
}
