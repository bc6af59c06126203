/* SPDX-License-Identifier: MIT */
#include "config/source.h"

#include <string.h>

#include "base/bytes.h"
#include "base/text.h"
#include "config/keytext.h"
#include "config/syntax.h"

#define WORD_BYTES 256

static void give_back(struct loader *loader, struct config_file *file)
{
    if (file->bytes)
        bytes_wipe(file->bytes, file->capacity_bytes);
    memory_give(loader->memory, file->bytes, file->capacity_bytes);
}

static unsigned line_of(const char *text, const char *place)
{
    unsigned line = 1;
    for (const char *c = text; c < place; c++)
        line += *c == '\n';
    return line;
}

bool source_read(struct loader *loader, const char *path, const struct config_place *place,
                 struct source *source)
{
    struct config_file file = {0};
    struct config_place whole = {.file = path};
    if (!loader->reader->read(loader->reader->context, loader->memory, path, &file)) {
        if (place)
            config_messages_add(loader->messages, CONFIG_ERROR, place,
                                "cannot read %.200s: %s; correct the path or the file's rights",
                                path, file.reason);
        else
            config_messages_add(loader->messages, CONFIG_ERROR, &whole,
                                "cannot be read: %s; correct the path or the file's rights",
                                file.reason);
        return false;
    }
    const char *nul = file.len ? memchr(file.bytes, '\0', file.len) : NULL;
    bool is_text = !nul && file.len <= CONFIG_FILE_MOST_BYTES;
    if (nul) {
        whole.line = line_of(file.bytes, nul);
        config_messages_add(loader->messages, CONFIG_ERROR, &whole,
                            "a zero byte: this is not a text file");
    } else if (!is_text) {
        config_messages_add(loader->messages, CONFIG_ERROR, &whole,
                            "larger than %u MiB: this is not a configuration",
                            CONFIG_FILE_MOST_BYTES >> 20);
    }
    struct source read = {path, NULL, file.others_can_read};
    if (is_text)
        read.text = arena_copy(&loader->config->arena, file.bytes, file.len);
    give_back(loader, &file);
    if (!read.text)
        return false;
    /* Editors on other systems begin a file with a byte order mark. */
    if (strncmp(read.text, "\xef\xbb\xbf", 3) == 0)
        read.text += 3;
    *source = read;
    return true;
}

char *source_path(struct loader *loader, const char *from, const char *path)
{
    const char *slash = strrchr(from, '/');
    size_t folder = path[0] == '/' || !slash ? 0 : (size_t)(slash - from) + 1;
    size_t len = strlen(path);
    char *joined = arena_take(&loader->config->arena, folder + len + 1);
    if (!joined)
        return NULL;
    memcpy(joined, from, folder);
    memcpy(joined + folder, path, len);
    return joined;
}

/* A command is named only if it works as it stands: with the whole name, as it is. */
void source_tell_readable(struct loader *loader, const struct config_place *place, const char *what,
                          const char *path)
{
    struct text text = TEXT_ROOM(WORD_BYTES);
    text_append(&text, path[0] == '-' ? "./" : "");
    text_append_word(&text, path);
    bool is_whole = !text.is_cut;
    for (const unsigned char *c = (const unsigned char *)path; *c; c++)
        is_whole &= *c >= ' ' && *c != 0x7f && *c != 0xc2; /* of a message they become "?" */
    if (is_whole)
        config_messages_add(loader->messages, CONFIG_WARNING, place,
                            "others can read %s; run: chmod 600 %s", what, text.bytes);
    else
        config_messages_add(loader->messages, CONFIG_WARNING, place,
                            "others can read %s; let only its owner (chmod 600)", what);
}

bool source_key(struct loader *loader, const struct config_place *place, const char *path,
                uint8_t key[32])
{
    struct source source;
    char *joined = source_path(loader, place->file, path);
    if (!joined || !source_read(loader, joined, place, &source))
        return false;
    char *text = source.text;
    size_t first = strcspn(text, "\r\n");
    bool is_alone = text[first + strspn(text + first, " \t\r\n")] == '\0';
    text[first] = '\0';
    text = syntax_trim(text);
    if (!is_alone || !keytext_parse(text, strlen(text), key)) {
        config_messages_add(loader->messages, CONFIG_ERROR, place,
                            "%.200s holds no key: it must hold one line of 44 characters, as "
                            "`wg genkey` writes it",
                            joined);
        return false;
    }
    if (source.others_can_read)
        source_tell_readable(loader, place, "the key file", joined);
    return true;
}
