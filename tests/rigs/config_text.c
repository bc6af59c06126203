/* SPDX-License-Identifier: MIT */
#include "rigs/config_text.h"

#include <stdio.h>
#include <string.h>

#include "io/io_memory.h"
#include "tap.h"

static bool read_text(void *context, const struct memory *memory, const char *path,
                      struct config_file *file)
{
    const char *text = context;
    size_t len = strlen(text);
    (void)path;
    *file = (struct config_file){
        .bytes = memory_take(memory, len + 1), .capacity_bytes = len + 1, .len = len};
    memcpy(file->bytes, text, len);
    return true;
}

struct config *config_text_load(const char *text)
{
    static const char *const paths[] = {"net.conf"};
    struct config *config = NULL;
    struct config_messages messages;
    struct config_reader reader = {.read = read_text, .context = (void *)(uintptr_t)text};
    config_messages_init(&messages, io_memory_plain());
    CHECK(config_load(&config, io_memory_plain(), &reader, paths, 1, &messages));
    for (size_t i = 0; i < messages.count && !config; i++)
        printf("# %s\n", messages.items[i].text);
    config_messages_wipe(&messages);
    return config;
}
