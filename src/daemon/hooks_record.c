/* SPDX-License-Identifier: MIT */
/* Strings, each with its NUL: the interface, the configuration's file, the file to be saved or "",
 * and of each command its kind, its line and itself. Under its lock another file takes its place,
 * locked as well, so that it is whole whatever happens; who waited for the lock of a file that is
 * no more opens anew. */
#include "daemon/hooks_record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "daemon/hook_caller.h"
#include "host/life.h"
#include "host/seal.h"
#include "host/state.h"

#define HOOK_STRINGS 3
/* A reload has it for a moment, a `down` as long as the network takes to end. */
#define MOMENT_TRIES 100
#define PAUSE_NS 10000000
#define PATIENCE_TRIES 400 /* then it is told who is waited for */
#define PATIENCE_MOMENTS (PATIENCE_TRIES / MOMENT_TRIES)

static int record_path(const char *network, char path[STATE_PATH_BYTES], struct text *why)
{
    return state_path(network, ".hooks", path, why);
}

bool hooks_record_stands(const char *network)
{
    char path[STATE_PATH_BYTES];
    return record_path(network, path, TEXT_UNHEARD) == 0 && access(path, F_OK) == 0;
}

bool hooks_record_is_wanted(const struct config *config)
{
    return config->hook_count > 0 || config->saves_itself || hooks_record_stands(config->name);
}

static bool is_of_the_end(const struct config_hook *hook)
{
    return hook->kind == HOOK_PRE_DOWN || hook->kind == HOOK_POST_DOWN;
}

bool hooks_record_is_needed(const struct hooks *hooks)
{
    bool is_needed = hooks->saved != NULL;
    for (size_t i = 0; i < hooks->count; i++)
        is_needed |= is_of_the_end(&hooks->list[i]);
    return is_needed;
}

/* ---- its bytes ---- */

static void put(char *bytes, size_t *len, const char *string)
{
    size_t whole = strlen(string) + 1;
    if (bytes)
        memcpy(bytes + *len, string, whole);
    *len += whole;
}

/* How many there are; `bytes` NULL: they are only counted. */
static size_t print(const struct hooks *hooks, char *bytes)
{
    size_t len = 0;
    put(bytes, &len, hooks->interface);
    put(bytes, &len, hooks->file);
    put(bytes, &len, hooks->saved ? hooks->saved : "");
    for (size_t i = 0; i < hooks->count; i++) {
        char kind[2] = {(char)('0' + hooks->list[i].kind)}, line[16];
        if (!is_of_the_end(&hooks->list[i]))
            continue;
        snprintf(line, sizeof(line), "%u", hooks->list[i].place.line);
        put(bytes, &len, kind);
        put(bytes, &len, line);
        put(bytes, &len, hooks->list[i].command);
    }
    return len;
}

/* malloc's, to be wiped and freed; NULL: no memory. */
static char *bytes_of(const struct hooks *hooks, size_t *len)
{
    *len = hooks_record_is_needed(hooks) ? print(hooks, NULL) : 0;
    char *bytes = malloc(*len + 1);
    if (bytes && *len)
        print(hooks, bytes);
    return bytes;
}

static void drop(char *bytes, size_t len)
{
    if (bytes)
        bytes_wipe(bytes, len);
    free(bytes);
}

/* Into a record that we have, an empty one. 0 or -errno. */
static int write_record(int record, const struct hooks *hooks)
{
    size_t len;
    char *bytes = bytes_of(hooks, &len);
    int result = bytes ? seal_write(record, hooks->network, bytes, len) : -ENOMEM;
    drop(bytes, len);
    return result;
}

/* In the place of one that we have, which becomes the new one. 0 or -errno, and it is as it was. */
static int replace_record(int record, const char *path, const struct hooks *hooks, bool *is_sealed)
{
    size_t len;
    char *bytes = bytes_of(hooks, &len);
    int next = bytes ? seal_replace(path, hooks->network, bytes, len, is_sealed) : -ENOMEM;
    drop(bytes, len);
    if (next < 0)
        return next;
    int result = dup3(next, record, O_CLOEXEC) < 0 ? -errno : 0;
    close(next);
    return result;
}

/* The next string, NULL behind the last. */
static const char *next(const char **at, const char *end)
{
    const char *string = *at;
    if (string >= end)
        return NULL;
    *at += strlen(string) + 1;
    return string;
}

static bool parse_hooks(const char *at, const char *end, struct hooks *hooks)
{
    const char *kind, *line, *command;
    while ((kind = next(&at, end))) {
        struct config_hook *hook = &hooks->list[hooks->count];
        line = next(&at, end);
        command = line ? next(&at, end) : NULL;
        *hook = (struct config_hook){.kind = (enum config_hook_kind)(*kind - '0')};
        if (!command || !is_of_the_end(hook) || !(hook->command = strdup(command)))
            return false;
        hook->place.line = (unsigned)strtoul(line, NULL, 10);
        hooks->count++;
    }
    return true;
}

/* 0 or -errno. One without any bytes says that somebody ended a network that has none. */
static int parse(const char *bytes, size_t len, const char *network, struct hooks *hooks)
{
    const char *at = bytes, *end = bytes + len;
    const char *interface = next(&at, end), *file = next(&at, end), *saved = next(&at, end);
    size_t strings = 0;
    if (len > 0 && (!saved || bytes[len - 1] != '\0'))
        return -EBADMSG;
    for (size_t i = 0; i < len; i++)
        strings += bytes[i] == '\0';
    *hooks = (struct hooks){.network = strdup(network),
                            .interface = strdup(interface ? interface : ""),
                            .file = strdup(file ? file : ""),
                            .saved = saved && *saved ? strdup(saved) : NULL,
                            .list = calloc(strings / HOOK_STRINGS + 1, sizeof(*hooks->list))};
    if (!hooks->network || !hooks->interface || !hooks->file || !hooks->list ||
        (saved && *saved && !hooks->saved))
        return -ENOMEM;
    return parse_hooks(at, end, hooks) ? 0 : -EBADMSG;
}

static int read_record(int record, const char *network, struct hooks *hooks)
{
    char *bytes;
    size_t len = 0;
    int result = seal_read(record, network, &bytes, &len);
    if (result != 0)
        return result;
    result = parse(bytes, len, network, hooks);
    bytes_wipe(bytes, len);
    free(bytes);
    if (result != 0)
        hooks_wipe(hooks);
    return result;
}

/* ---- the file ---- */

/* It is the one at the path: who had it before may have removed it. */
static bool stands(int record, const char *path)
{
    struct stat taken, standing;
    return fstat(record, &taken) == 0 && lstat(path, &standing) == 0 &&
           taken.st_ino == standing.st_ino && taken.st_dev == standing.st_dev;
}

/* On standard error. */
static void tell_who_is_waited_for(const char *network)
{
    struct text text = TEXT_ROOM(512);
    if (!hook_caller_tell(network, &text))
        text_append(&text, "another `hopwire` that ends it is waited for");
    fprintf(stderr, "hopwire: %s: %s\n", network, text.bytes);
}

/* As flock does; who is waited for long is told. */
static int lock(int record, int how, const char *network)
{
    for (unsigned i = 0; flock(record, how | LOCK_NB) < 0; i++) {
        if (errno != EWOULDBLOCK || how & LOCK_NB)
            return -1;
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
        if (i == PATIENCE_TRIES)
            tell_who_is_waited_for(network);
    }
    return 0;
}

/* A descriptor of the file that stands there, locked; or -errno. */
static int open_locked(const char *path, int create, int how, const char *network)
{
    for (;;) {
        int record = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | create, 0600);
        if (record < 0)
            return -errno;
        if (lock(record, how, network) < 0) {
            int error = errno;
            close(record);
            return -error;
        }
        if (stands(record, path))
            return record;
        close(record);
    }
}

static bool is_empty(int record)
{
    struct stat status;
    return fstat(record, &status) == 0 && status.st_size == 0;
}

/* Where a `down` waits for the end of what is only starting, it has an empty one, locked. One that
 * nobody has is what could not be read. */
static int create_locked(const char *path, const char *network)
{
    for (;;) {
        int record = open_locked(path, O_CREAT, LOCK_EX | LOCK_NB, network);
        if (record < 0 || is_empty(record))
            return record;
        int result = unlink(path) < 0 ? -errno : 0;
        close(record);
        if (result != 0)
            return result;
    }
}

int hooks_record_write(const struct hooks *hooks, int *written, struct text *why)
{
    char path[STATE_PATH_BYTES];
    *written = -1;
    if (!hooks_record_is_needed(hooks))
        return 0;
    int result = state_make_directory(why);
    if (result == 0)
        result = record_path(hooks->network, path, why);
    if (result != 0)
        return result;
    int record = create_locked(path, hooks->network);
    result = record < 0 ? record : write_record(record, hooks);
    if (result == 0) {
        flock(record, LOCK_UN);
        *written = record;
        return 0;
    }
    if (record >= 0) {
        unlink(path);
        close(record);
    }
    if (result == -EWOULDBLOCK)
        text_append(why, HOOKS_RECORD_ENDED, hooks->network);
    else
        text_append(why, "cannot write %s: %s", path, strerror(-result));
    return result;
}

bool hooks_record_is_ended(const char *network)
{
    char path[STATE_PATH_BYTES];
    if (record_path(network, path, TEXT_UNHEARD) != 0)
        return false;
    int record = open_locked(path, 0, LOCK_EX | LOCK_NB, network);
    if (record >= 0)
        close(record);
    return record == -EWOULDBLOCK;
}

/* One of a network without hooks is shared: two `down` do not wait for each other, as a reload
 * waits for both. */
static int open_for_down(const char *path, const char *network)
{
    for (;;) {
        int record = open_locked(path, 0, LOCK_SH, network);
        if (record == -ENOENT)
            record = open_locked(path, O_CREAT, LOCK_SH, network);
        if (record < 0 || is_empty(record))
            return record;
        if (lock(record, LOCK_EX, network) == 0 && stands(record, path))
            return record;
        close(record);
    }
}

static int replace(int record, const char *path, const struct hooks *hooks, bool *is_sealed)
{
    if (!life_goes_on(hooks->network)) { /* what a crash left is whoever's next */
        if (is_empty(record))
            unlink(path);
        return -ESTALE;
    }
    if (!hooks_record_is_needed(hooks))
        return seal_remove(path);
    int result = replace_record(record, path, hooks, is_sealed);
    if (result != 0 && is_empty(record)) /* made a moment ago */
        unlink(path);
    return result;
}

int hooks_record_replace(const struct hooks *hooks, bool *is_sealed, struct text *why)
{
    char path[STATE_PATH_BYTES];
    *is_sealed = true;
    int result = record_path(hooks->network, path, why);
    if (result != 0)
        return result;
    int record = open_locked(path, hooks_record_is_needed(hooks) ? O_CREAT : 0, LOCK_EX,
                             hooks->network);
    result = record >= 0         ? replace(record, path, hooks, is_sealed)
             : record == -ENOENT ? (life_goes_on(hooks->network) ? 0 : -ESTALE)
                                 : record;
    if (record >= 0)
        close(record);
    if (result == -ESTALE)
        text_append(why, "the network has ended meanwhile: none of its hooks ran");
    else if (result != 0)
        text_append(why, "cannot write %s: %s", path, strerror(-result));
    return result;
}

static int open_within_a_moment(const char *path, int create, const char *network)
{
    int record = -EWOULDBLOCK;
    for (unsigned i = 0; i < MOMENT_TRIES && record == -EWOULDBLOCK; i++) {
        if (i)
            nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
        record = open_locked(path, create, LOCK_EX | LOCK_NB, network);
    }
    return record;
}

/* An empty one that somebody keeps is of a `down` that waits for the end of this very start, or of
 * no earlier run: to wait for it would be to wait for each other. */
static int open_for_next_up(const char *path, const char *network)
{
    for (unsigned i = 0;; i++) {
        struct stat standing;
        int record = open_within_a_moment(path, 0, network);
        if (record != -EWOULDBLOCK)
            return record;
        if (lstat(path, &standing) == 0 && standing.st_size == 0)
            return -ENOENT;
        if (i == PATIENCE_MOMENTS)
            tell_who_is_waited_for(network);
    }
}

static int open_for(const char *path, enum hooks_taker taker, const char *network)
{
    bool is_there = access(path, F_OK) == 0;
    int record = taker == HOOKS_TAKER_DOWN     ? open_for_down(path, network)
                 : taker == HOOKS_TAKER_SIGNAL ? open_within_a_moment(path, O_CREAT, network)
                                               : open_for_next_up(path, network);
    /* Where it cannot be made there is none, and whoever ends the network says why it cannot. */
    return record >= 0 || is_there || record == -EWOULDBLOCK ? record : -ENOENT;
}

static void forget_saved(struct hooks *hooks)
{
    free(hooks->saved);
    hooks->saved = NULL;
}

int hooks_record_take(const char *network, enum hooks_taker taker, struct hooks *hooks,
                      struct text *why)
{
    char path[STATE_PATH_BYTES];
    *hooks = (struct hooks){0};
    int result = record_path(network, path, why);
    if (result != 0)
        return result;
    int record = open_for(path, taker, network);
    result = record < 0 ? record : read_record(record, network, hooks);
    if (result == 0 && taker == HOOKS_TAKER_NEXT_UP)
        forget_saved(hooks); /* the file is already what comes next */
    if (result == 0)
        return record;
    if (record >= 0)
        close(record);
    if (result == -EBADMSG || result == -EPERM)
        text_append(why, "%s is %s: run what the network's PreDown and PostDown say by hand, then "
                         "remove it",
                    path,
                    result == -EPERM ? "not as `hopwire` wrote it with root's rights, and nothing "
                                       "of it is run"
                                     : "damaged");
    else if (result != -ENOENT && result != -EWOULDBLOCK)
        text_append(why, "cannot read %s: %s", path, strerror(-result));
    return result;
}

/* None stays none: others may have it too. */
static int rewrite(int record, const char *path, const struct hooks *hooks)
{
    bool is_sealed;
    if (!stands(record, path) || (is_empty(record) && !hooks_record_is_needed(hooks)))
        return 0;
    return replace_record(record, path, hooks, &is_sealed);
}

int hooks_record_forget(int record, struct hooks *hooks, enum config_hook_kind kind,
                        struct text *why)
{
    char path[STATE_PATH_BYTES];
    hooks_drop(hooks, kind);
    if (kind == HOOK_PRE_DOWN)
        forget_saved(hooks);
    int result = record_path(hooks->network, path, why);
    if (result == 0 && kind == HOOK_POST_DOWN)
        result = stands(record, path) ? seal_remove(path) : 0;
    else if (result == 0)
        result = rewrite(record, path, hooks);
    if (result != 0)
        text_append(why, "cannot write %s: %s", path, strerror(-result));
    return result;
}

void hooks_record_drop(const char *network, int record)
{
    char path[STATE_PATH_BYTES];
    if (record_path(network, path, TEXT_UNHEARD) == 0 && (record < 0 || stands(record, path)))
        seal_remove(path);
}
