/* SPDX-License-Identifier: MIT */
#include "host/dns_record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "host/small_file.h"

#define SUFFIX ".dns"
#define FIRST_LINE "hopwire-dns 2"
#define BEFORE_LINE "before"
#define FILE_BYTES_MOST 65536
#define LOCK_TRIES 400
#define LOCK_PAUSE_NS 20000000

int dns_record_path(const char *network, char path[STATE_PATH_BYTES], struct text *why)
{
    return state_path(network, SUFFIX, path, why);
}

char *dns_record_read_text(const char *path)
{
    return small_file_read(path, FILE_BYTES_MOST);
}

int dns_record_replace_text(const char *path, const char *text)
{
    return small_file_replace(path, text, strlen(text));
}

static bool take_number(const char *line, const char *keyword, unsigned *number)
{
    char end;
    size_t len = strlen(keyword);
    return strncmp(line, keyword, len) == 0 && sscanf(line + len, " %u%c", number, &end) == 1;
}

static bool take_word(const char *line, const char *keyword, char *word, size_t capacity)
{
    size_t len = strlen(keyword);
    if (strncmp(line, keyword, len) != 0 || line[len] != ' ')
        return false;
    int written = snprintf(word, capacity, "%s", line + len + 1);
    return written > 0 && (size_t)written < capacity;
}

static bool take_line(struct dns_record *record, struct text *list, const char *line)
{
    if (strncmp(line, "nameserver ", 11) == 0 || strncmp(line, "search ", 7) == 0) {
        text_append(list, "%s\n", line);
        return !list->is_cut;
    }
    if (strcmp(line, "leaving") == 0)
        return record->is_leaving = true;
    if (strcmp(line, "resolved") == 0)
        return record->is_resolved = true;
    if (record->resolvconf_count < DNS_RECORD_NAMES_MOST &&
        take_word(line, "resolvconf", record->resolvconf[record->resolvconf_count],
                  DNS_RECORD_NAME_BYTES)) {
        record->resolvconf_count++;
        return true;
    }
    return take_number(line, "order", &record->order) ||
           take_word(line, "file", record->file, sizeof(record->file));
}

/* `text` is changed. */
static bool parse(char *text, struct dns_record *record)
{
    struct text list;
    char *rest = text, *line = strsep(&rest, "\n");
    text_init(&list, record->list, sizeof(record->list));
    if (strcmp(line, FIRST_LINE) != 0)
        return false;
    while ((line = strsep(&rest, "\n")) && rest) {
        if (strcmp(line, BEFORE_LINE) == 0) {
            record->before = strdup(rest);
            return record->before != NULL;
        }
        if (!take_line(record, &list, line))
            return false;
    }
    return true;
}

int dns_record_read(const char *network, struct dns_record *record, struct text *why)
{
    char path[STATE_PATH_BYTES];
    *record = (struct dns_record){0};
    int result = dns_record_path(network, path, why);
    char *text = result < 0 ? NULL : dns_record_read_text(path);
    if (!text)
        return result < 0 ? result : -errno;
    if (!parse(text, record)) {
        text_append(why, "%s is damaged: look at /etc/resolv.conf, then remove it", path);
        dns_record_wipe(record);
        result = -EBADMSG;
    }
    free(text);
    return result;
}

int dns_record_write(const char *network, const struct dns_record *record, struct text *why)
{
    char path[STATE_PATH_BYTES], *bytes = NULL;
    size_t len;
    int result = dns_record_path(network, path, why);
    FILE *to = result < 0 ? NULL : open_memstream(&bytes, &len);
    if (result < 0)
        return result;
    if (to) {
        fprintf(to, FIRST_LINE "\norder %u\n", record->order);
        if (record->is_leaving)
            fprintf(to, "leaving\n");
        if (record->is_resolved)
            fprintf(to, "resolved\n");
        if (record->file[0])
            fprintf(to, "file %s\n", record->file);
        for (size_t i = 0; i < record->resolvconf_count; i++)
            fprintf(to, "resolvconf %s\n", record->resolvconf[i]);
        fprintf(to, "%s", record->list);
        if (record->before)
            fprintf(to, BEFORE_LINE "\n%s", record->before);
    }
    result = to && fclose(to) == 0 && bytes ? dns_record_replace_text(path, bytes) : -ENOMEM;
    free(bytes);
    if (result < 0)
        text_append(why, "cannot write %s: %s", path, strerror(-result));
    return result;
}

int dns_record_remove(const char *network, struct text *why)
{
    char path[STATE_PATH_BYTES], beside[STATE_PATH_BYTES + 4];
    int result = dns_record_path(network, path, why);
    if (result < 0)
        return result;
    snprintf(beside, sizeof(beside), "%s.new", path);
    unlink(beside); /* of one that was killed while it wrote */
    if (unlink(path) < 0 && errno != ENOENT) {
        result = -errno;
        text_append(why, "cannot remove %s: %s", path, strerror(-result));
    }
    return result;
}

void dns_record_wipe(struct dns_record *record)
{
    free(record->before);
    *record = (struct dns_record){0};
}

/* The run directory: a record's path without its name. */
static bool find_directory(char path[STATE_PATH_BYTES])
{
    if (dns_record_path("x", path, TEXT_UNHEARD) < 0)
        return false;
    *strrchr(path, '/') = '\0';
    return true;
}

void dns_record_walk(void (*visit)(void *context, const char *network,
                                   const struct dns_record *record),
                     void *context)
{
    char directory[STATE_PATH_BYTES];
    DIR *run = find_directory(directory) ? opendir(directory) : NULL;
    for (const struct dirent *entry; run && (entry = readdir(run));) {
        char name[STATE_NAME_BYTES];
        struct dns_record record;
        size_t len = strlen(entry->d_name), suffix = strlen(SUFFIX);
        if (len <= suffix || len - suffix >= sizeof(name) ||
            strcmp(entry->d_name + len - suffix, SUFFIX) != 0)
            continue;
        memcpy(name, entry->d_name, len - suffix);
        name[len - suffix] = '\0';
        if (!state_name_is_valid(name) || dns_record_read(name, &record, TEXT_UNHEARD) != 0)
            continue;
        visit(context, name, &record);
        dns_record_wipe(&record);
    }
    if (run)
        closedir(run);
}

int dns_record_lock(struct text *why)
{
    char directory[STATE_PATH_BYTES];
    int result = find_directory(directory) ? state_make_directory(why) : -EINVAL;
    if (result < 0)
        return result;
    int file = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* itself is the lock */
    if (file < 0) {
        int error = errno;
        text_append(why, "cannot open %s: %s", directory, strerror(error));
        return -error;
    }
    for (unsigned i = 0; i < LOCK_TRIES; i++) {
        if (flock(file, LOCK_EX | LOCK_NB) == 0)
            return file;
        nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_NS}, NULL);
    }
    close(file);
    text_append(why, "another Hopwire process has been changing the system's DNS for 8 s (it holds "
                     "%s)",
                directory);
    return -EBUSY;
}
