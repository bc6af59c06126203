/* SPDX-License-Identifier: MIT */
/* What is to be said about a configuration: each message is one line that says where, what, and
 * what to do: "entry.conf:7: PrivateKey: not a key: …". */
#ifndef CONFIG_CONFIG_MESSAGES_H
#define CONFIG_CONFIG_MESSAGES_H

#include <stdbool.h>

#include "base/memory.h"
#include "base/text.h"

#define CONFIG_MESSAGES_MOST 64
#define CONFIG_MESSAGE_BYTES 512
#define CONFIG_PLACE_BYTES 216

struct config_place {
    const char *file; /* NULL: nowhere, which is also how "not given" is told */
    unsigned line;    /* from 1; 0: the whole file */
    const char *key;  /* as people write it; NULL: none */
};

enum config_message_kind {
    CONFIG_ERROR,   /* nothing was loaded */
    CONFIG_WARNING, /* loaded, and probably not what was meant */
    CONFIG_NOTICE,  /* a key that is passed over on purpose (I1) */
};

struct config_message {
    enum config_message_kind kind;
    char text[CONFIG_MESSAGE_BYTES]; /* one line, no control characters, no secret */
};

struct config_messages {
    const struct memory *memory;
    struct config_message *items; /* in the order they were found; NULL: none */
    size_t count;
    size_t errors;  /* counted also when their text found no room */
    size_t omitted; /* beyond CONFIG_MESSAGES_MOST; an error takes a notice's place first */
};

void config_messages_init(struct config_messages *messages, const struct memory *memory);
void config_messages_wipe(struct config_messages *messages);
/* Writes "FILE:LINE", or "FILE" for a whole file, and returns `text`. */
char *config_messages_place(const struct config_place *place, char text[CONFIG_PLACE_BYTES]);
/* Appends "FILE:LINE: Key: ", of what there is; `place` may be NULL. */
void config_messages_append_place(struct text *text, const struct config_place *place);
/* `place` may be NULL. Control characters in the text become '?'. */
void config_messages_add(struct config_messages *messages, enum config_message_kind kind,
                         const struct config_place *place, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
