/* SPDX-License-Identifier: MIT */
#include "rigs/config_text.h"

#include "io/io_memory.h"
#include "rigs/config_files.h"
#include "tap.h"

struct config *config_text_load(const char *text)
{
    struct config *config = NULL;
    struct config_messages messages;
    struct config_files files = {{{.path = "net.conf", .text = text}}};
    CHECK(config_files_load(&files, 1, io_memory_plain(), &config, &messages));
    for (size_t i = 0; i < messages.count && !config; i++)
        printf("# %s\n", messages.items[i].text);
    config_messages_wipe(&messages);
    return config;
}
