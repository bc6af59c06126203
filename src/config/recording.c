/* SPDX-License-Identifier: MIT */
/* Entries one behind the other: a head, then the key (a path, a name) with its zero byte, then what
 * was answered. The first of a kind and a key holds. */
#include "config/recording.h"

#include <string.h>

#include "base/bytes.h"

#define FIRST_BYTES 16384

enum entry_kind {
    ENTRY_PATH, /* of the command line */
    ENTRY_FILE,
    ENTRY_UNREADABLE, /* a file; its reason */
    ENTRY_PORT,
    ENTRY_TABLE,
    ENTRY_INTERFACE,
    ENTRY_TAKEN,
};

struct head {
    uint32_t kind;
    uint32_t key_bytes; /* with its zero byte */
    uint32_t bytes;
    uint32_t number; /* others_can_read, or the answer */
};

/* ---- writing ---- */

static bool make_room(struct recording *recording, size_t bytes)
{
    size_t capacity = recording->capacity ? recording->capacity : FIRST_BYTES;
    if (recording->len + bytes > RECORDING_MOST_BYTES)
        return false;
    while (capacity < recording->len + bytes)
        capacity *= 2;
    if (capacity == recording->capacity)
        return true;
    char *larger = memory_take(recording->memory, capacity);
    if (!larger)
        return false;
    if (recording->len)
        memcpy(larger, recording->bytes, recording->len);
    if (recording->bytes)
        bytes_wipe(recording->bytes, recording->capacity);
    memory_give(recording->memory, recording->bytes, recording->capacity);
    recording->bytes = larger;
    recording->capacity = capacity;
    return true;
}

static void note(struct recording *recording, enum entry_kind kind, const char *key,
                 const void *bytes, size_t len, uint32_t number)
{
    struct head head = {.kind = kind, .key_bytes = (uint32_t)strlen(key) + 1,
                        .bytes = (uint32_t)len, .number = number};
    if (recording->is_cut || !make_room(recording, sizeof(head) + head.key_bytes + len)) {
        recording->is_cut = true;
        return;
    }
    char *at = recording->bytes + recording->len;
    memcpy(at, &head, sizeof(head));
    memcpy(at + sizeof(head), key, head.key_bytes);
    if (len)
        memcpy(at + sizeof(head) + head.key_bytes, bytes, len);
    recording->len += sizeof(head) + head.key_bytes + len;
}

static bool read_and_note(void *context, const struct memory *memory, const char *path,
                          struct config_file *file)
{
    struct recording *recording = context;
    const struct config_reader *from = recording->from;
    bool is_read = from->read(from->context, memory, path, file);
    if (is_read)
        note(recording, ENTRY_FILE, path, file->bytes, file->len, file->others_can_read);
    else
        note(recording, ENTRY_UNREADABLE, path, file->reason, strlen(file->reason), 0);
    return is_read;
}

static bool find_port_and_note(void *context, const char *name, uint16_t *port)
{
    struct recording *recording = context;
    bool is_found = recording->from->find_port(recording->from->context, name, port);
    if (is_found)
        note(recording, ENTRY_PORT, name, NULL, 0, *port);
    return is_found;
}

static bool find_table_and_note(void *context, const char *name, uint32_t *table)
{
    struct recording *recording = context;
    bool is_found = recording->from->find_table(recording->from->context, name, table);
    if (is_found)
        note(recording, ENTRY_TABLE, name, NULL, 0, *table);
    return is_found;
}

static uint32_t find_interface_and_note(void *context, const char *name)
{
    struct recording *recording = context;
    uint32_t index = recording->from->find_interface(recording->from->context, name);
    if (index)
        note(recording, ENTRY_INTERFACE, name, NULL, 0, index);
    return index;
}

static bool is_taken_and_note(void *context, const char *interface_name, const char *network)
{
    struct recording *recording = context;
    bool is_taken =
        recording->from->is_taken(recording->from->context, interface_name, network);
    if (is_taken)
        note(recording, ENTRY_TAKEN, interface_name, NULL, 0, 1);
    return is_taken;
}

struct config_reader recording_begin(struct recording *recording, const struct memory *memory,
                                     const struct config_reader *from, const char *const *paths,
                                     size_t path_count)
{
    *recording = (struct recording){.memory = memory, .from = from};
    for (size_t i = 0; i < path_count; i++)
        note(recording, ENTRY_PATH, paths[i], NULL, 0, 0);
    return (struct config_reader){
        .read = read_and_note,
        .find_port = from->find_port ? find_port_and_note : NULL,
        .find_table = from->find_table ? find_table_and_note : NULL,
        .find_interface = from->find_interface ? find_interface_and_note : NULL,
        .is_taken = from->is_taken ? is_taken_and_note : NULL,
        .context = recording};
}

void recording_wipe(struct recording *recording)
{
    if (recording->bytes)
        bytes_wipe(recording->bytes, recording->capacity);
    memory_give(recording->memory, recording->bytes, recording->capacity);
    *recording = (struct recording){0};
}

/* ---- reading ---- */

struct entry {
    struct head head;
    const char *key;
    const char *bytes;
};

/* The entry at *at, which moves behind it; false: the end, or no entry. */
static bool next_entry(const struct recording_replay *replay, size_t *at, struct entry *entry)
{
    size_t left = replay->len - *at;
    if (left < sizeof(entry->head))
        return false;
    memcpy(&entry->head, replay->bytes + *at, sizeof(entry->head));
    left -= sizeof(entry->head);
    entry->key = replay->bytes + *at + sizeof(entry->head);
    if (entry->head.key_bytes == 0 || entry->head.key_bytes > left ||
        entry->head.bytes > left - entry->head.key_bytes ||
        memchr(entry->key, '\0', entry->head.key_bytes) !=
            entry->key + entry->head.key_bytes - 1)
        return false;
    entry->bytes = entry->key + entry->head.key_bytes;
    *at += sizeof(entry->head) + entry->head.key_bytes + entry->head.bytes;
    return true;
}

static bool find(const struct recording_replay *replay, enum entry_kind kind, const char *key,
                 struct entry *entry)
{
    size_t at = 0;
    while (next_entry(replay, &at, entry))
        if (entry->head.kind == kind && strcmp(entry->key, key) == 0)
            return true;
    return false;
}

bool recording_paths(const struct recording_replay *replay, const char **paths, size_t most,
                     size_t *count)
{
    struct entry entry;
    size_t at = 0;
    *count = 0;
    while (next_entry(replay, &at, &entry)) {
        if (entry.head.kind != ENTRY_PATH)
            continue;
        if (*count == most)
            return false;
        paths[(*count)++] = entry.key;
    }
    return *count > 0 && at == replay->len;
}

static bool read_again(void *context, const struct memory *memory, const char *path,
                       struct config_file *file)
{
    struct entry entry;
    *file = (struct config_file){0};
    if (!find(context, ENTRY_FILE, path, &entry)) {
        bool is_told = find(context, ENTRY_UNREADABLE, path, &entry);
        snprintf(file->reason, sizeof(file->reason), "%.*s",
                 is_told ? (int)entry.head.bytes : 100,
                 is_told ? entry.bytes : "it was not read before");
        return false;
    }
    size_t capacity = entry.head.bytes + 1;
    file->bytes = memory_take(memory, capacity);
    if (!file->bytes) {
        snprintf(file->reason, sizeof(file->reason), "Cannot allocate memory");
        return false;
    }
    memcpy(file->bytes, entry.bytes, entry.head.bytes);
    file->capacity_bytes = capacity;
    file->len = entry.head.bytes;
    file->others_can_read = entry.head.number != 0;
    return true;
}

static bool find_port_again(void *context, const char *name, uint16_t *port)
{
    struct entry entry;
    if (!find(context, ENTRY_PORT, name, &entry))
        return false;
    *port = (uint16_t)entry.head.number;
    return true;
}

static bool find_table_again(void *context, const char *name, uint32_t *table)
{
    struct entry entry;
    if (!find(context, ENTRY_TABLE, name, &entry))
        return false;
    *table = entry.head.number;
    return true;
}

static uint32_t find_interface_again(void *context, const char *name)
{
    struct entry entry;
    return find(context, ENTRY_INTERFACE, name, &entry) ? entry.head.number : 0;
}

static bool is_taken_again(void *context, const char *interface_name, const char *network)
{
    struct entry entry;
    (void)network;
    return find(context, ENTRY_TAKEN, interface_name, &entry);
}

struct config_reader recording_reader(struct recording_replay *replay)
{
    return (struct config_reader){.read = read_again,
                                  .find_port = find_port_again,
                                  .find_table = find_table_again,
                                  .find_interface = find_interface_again,
                                  .is_taken = is_taken_again,
                                  .context = replay};
}
