/* SPDX-License-Identifier: MIT */
#include "config/config_messages.h"

#include <stdarg.h>
#include <string.h>

#define ITEMS_BYTES (CONFIG_MESSAGES_MOST * sizeof(struct config_message))

void config_messages_init(struct config_messages *messages, const struct memory *memory)
{
    *messages = (struct config_messages){.memory = memory};
}

void config_messages_wipe(struct config_messages *messages)
{
    memory_give(messages->memory, messages->items, ITEMS_BYTES);
    *messages = (struct config_messages){.memory = messages->memory};
}

/* A file can hold anything, and what we quote of it ends on a terminal. */
static void make_harmless(char *text)
{
    for (char *c = text; *c; c++) {
        bool is_control = (unsigned char)*c < 0x20 || *c == 0x7f;
        bool is_c1 = (unsigned char)c[0] == 0xc2 && ((unsigned char)c[1] & 0xe0) == 0x80;
        if (is_control || is_c1)
            *c = '?';
    }
}

/* A place for one more message, or NULL. */
static struct config_message *make_room(struct config_messages *messages,
                                        enum config_message_kind kind)
{
    if (!messages->items)
        messages->items = memory_take(messages->memory, ITEMS_BYTES);
    if (!messages->items) {
        messages->omitted++;
        return NULL;
    }
    if (messages->count < CONFIG_MESSAGES_MOST)
        return &messages->items[messages->count++];
    messages->omitted++;
    for (size_t i = messages->count; kind == CONFIG_ERROR && i > 0; i--) {
        struct config_message *item = &messages->items[i - 1];
        if (item->kind == CONFIG_ERROR)
            continue;
        struct config_message *last = &messages->items[messages->count - 1];
        memmove(item, item + 1, (size_t)((char *)last - (char *)item));
        return last;
    }
    return NULL;
}

char *config_messages_place(const struct config_place *place, char text[CONFIG_PLACE_BYTES])
{
    struct text writer;
    text_init(&writer, text, CONFIG_PLACE_BYTES);
    text_append(&writer, "%.200s", place->file);
    if (place->line)
        text_append(&writer, ":%u", place->line);
    return text;
}

void config_messages_append_place(struct text *text, const struct config_place *place)
{
    char where[CONFIG_PLACE_BYTES];
    if (!place || !place->file)
        return;
    text_append(text, "%s: ", config_messages_place(place, where));
    if (place->key)
        text_append(text, "%s: ", place->key);
}

void config_messages_add(struct config_messages *messages, enum config_message_kind kind,
                         const struct config_place *place, const char *format, ...)
{
    messages->errors += kind == CONFIG_ERROR;
    struct config_message *message = make_room(messages, kind);
    if (!message)
        return;
    message->kind = kind;
    struct text text;
    text_init(&text, message->text, sizeof(message->text));
    config_messages_append_place(&text, place);
    va_list arguments;
    va_start(arguments, format);
    text_append_list(&text, format, arguments);
    va_end(arguments);
    make_harmless(message->text);
}
