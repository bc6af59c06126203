/* SPDX-License-Identifier: MIT */
#include "cli/load.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/lookups.h"
#include "config/naming.h"
#include "host/state.h"
#include "io/io_memory.h"

#define PATHS_MOST 16
#define PATH_BYTES 4096
#define PIPE_PATIENCE_MS 3000

static ssize_t read_whole(int fd, char *bytes, size_t capacity)
{
    size_t len = 0;
    while (len < capacity) {
        ssize_t got = read(fd, bytes + len, capacity - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        len += (size_t)got;
    }
    return (ssize_t)len;
}

/* A pipe whose writer is silent is waited for as long as it likes, one without a writer is not: a
 * FIFO that nobody has opened reads as if it had ended. 0: nothing came. */
static ssize_t read_pipe(int fd, char *bytes, size_t capacity)
{
    struct pollfd writer = {.fd = fd, .events = POLLIN};
    poll(&writer, 1, PIPE_PATIENCE_MS);
    ssize_t first = read(fd, bytes, capacity); /* still without waiting */
    if (first == 0 || (first < 0 && errno != EAGAIN))
        return first < 0 ? -errno : 0;
    first = first < 0 ? 0 : first;
    fcntl(fd, F_SETFL, 0);
    ssize_t rest = read_whole(fd, bytes + first, capacity - (size_t)first);
    return rest < 0 ? rest : first + rest;
}

/* Of what stands where a file should, why it is none; NULL: it is a file, or a pipe. */
static const char *why_no_file(const struct stat *status)
{
    if (S_ISDIR(status->st_mode))
        return "a directory, where a file should be";
    if (S_ISREG(status->st_mode))
        return status->st_size > CONFIG_FILE_MOST_BYTES ? "larger than 16 MiB" : NULL;
    return S_ISFIFO(status->st_mode) ? NULL : "a device, where a file should be";
}

/* NULL: *file has it. */
static const char *read_open_file(int fd, const struct memory *memory, struct config_file *file)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return strerror(errno);
    const char *reason = why_no_file(&status);
    if (reason)
        return reason;
    /* The file system tells a file's size; a pipe (of `<(...)`) is read up to the bound. */
    bool is_file = S_ISREG(status.st_mode);
    size_t capacity = is_file ? (size_t)status.st_size + 1 : CONFIG_FILE_MOST_BYTES + 1;
    char *bytes = memory_take(memory, capacity);
    ssize_t len = !bytes    ? -ENOMEM
                  : is_file ? read_whole(fd, bytes, capacity)
                            : read_pipe(fd, bytes, capacity);
    if (len < 0)
        reason = strerror((int)-len);
    else if ((size_t)len == capacity)
        reason = is_file ? "it grew while it was read" : "larger than 16 MiB";
    else if (len == 0 && !is_file)
        reason = "an empty pipe, nobody writes to it";
    if (!reason) {
        *file = (struct config_file){.bytes = bytes, .capacity_bytes = capacity,
                                     .len = (size_t)len,
                                     .others_can_read = is_file && (status.st_mode & 077) != 0};
        return NULL;
    }
    if (bytes)
        explicit_bzero(bytes, capacity);
    memory_give(memory, bytes, capacity);
    return reason;
}

static bool read_file(void *context, const struct memory *memory, const char *path,
                      struct config_file *file)
{
    (void)context;
    *file = (struct config_file){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    const char *reason = fd >= 0           ? read_open_file(fd, memory, file)
                         : errno == ENXIO ? "a socket, where a file should be"
                                          : strerror(errno);
    if (fd >= 0)
        close(fd);
    if (reason)
        snprintf(file->reason, sizeof(file->reason), "%s", reason);
    return !reason;
}

bool load_is_file(const char *argument)
{
    size_t len = strlen(argument);
    return strchr(argument, '/') || (len > 5 && strcmp(argument + len - 5, ".conf") == 0);
}

static void find_path(const char *argument, char path[PATH_BYTES])
{
    const char *directory = getenv("HOPWIRE_CONFIG_DIR");
    if (load_is_file(argument))
        snprintf(path, PATH_BYTES, "%s", argument);
    else
        snprintf(path, PATH_BYTES, "%s/%s.conf", directory ? directory : "/etc/hopwire", argument);
}

/* `hopwire up` of this argument would find one. */
static bool has_file(const char *argument)
{
    char path[PATH_BYTES];
    struct stat status;
    find_path(argument, path);
    return stat(path, &status) == 0 && !S_ISDIR(status.st_mode);
}

/* Or has crashed. */
static bool is_up(const char *network)
{
    struct state state;
    return state_read(network, &state, TEXT_UNHEARD) != -ENOENT;
}

static const char *named; /* the argument that load_network_name was given */

const char *load_advise_up(const char *network, char text[LOAD_ADVICE_BYTES])
{
    struct text writer;
    text_init(&writer, text, LOAD_ADVICE_BYTES);
    text_append(&writer, "`hopwire up ");
    if (named && has_file(named))
        text_append_word(&writer, named);
    else if (has_file(network))
        text_append_word(&writer, network);
    else
        text_append(&writer, "FILE");
    text_append(&writer, "`");
    return text;
}

bool load_network_name(const char *argument, char name[TUNNEL_NAME_BYTES])
{
    named = argument;
    size_t len = strlen(argument);
    bool is_name = len > 0 && argument[len - 1] != '/';
    /* A name that was made up for a file's: there must have been such a file. */
    if (is_name && naming_network(argument, name) && !has_file(argument) && !is_up(name))
        is_name = false;
    if (!is_name)
        fprintf(stderr, "hopwire: \"%.200s\" names no network; write its name or its file's\n",
                argument);
    return is_name;
}

static void print_messages(const struct config_messages *messages, bool with_notices)
{
    static const char *const kinds[] = {[CONFIG_ERROR] = "error", [CONFIG_WARNING] = "warning",
                                        [CONFIG_NOTICE] = "notice"};
    for (size_t i = 0; i < messages->count; i++) {
        const struct config_message *message = &messages->items[i];
        if (message->kind != CONFIG_NOTICE || with_notices)
            fprintf(stderr, "hopwire: %s: %s\n", kinds[message->kind], message->text);
    }
    if (messages->omitted)
        fprintf(stderr, "hopwire: and %zu more\n", messages->omitted);
}

/* The process's one locked arena for keys: it lives as long as the configuration. */
static struct io_memory *arena;

/* Absolute, as they were named then. */
static char absolute[PATHS_MOST][PATH_BYTES];
static const char *absolute_list[PATHS_MOST];
static size_t absolute_count;

static void keep_absolute(const char *path)
{
    char directory[PATH_BYTES], *kept = absolute[absolute_count];
    bool is_absolute = path[0] == '/' || !getcwd(directory, sizeof(directory));
    struct text text;
    text_init(&text, kept, PATH_BYTES);
    text_append(&text, "%s%s%s", is_absolute ? "" : directory, is_absolute ? "" : "/", path);
    absolute_list[absolute_count++] = kept;
}

const char *const *load_paths(size_t *count)
{
    *count = absolute_count;
    return absolute_list;
}

static struct config *load(char **names, int count, bool with_notices, struct recording *recording)
{
    static char paths[PATHS_MOST][PATH_BYTES]; /* the configuration's places name them */
    const char *list[PATHS_MOST];
    if (count > PATHS_MOST) {
        fprintf(stderr, "hopwire: more than %d files; a chain has at most 8\n", PATHS_MOST);
        return NULL;
    }
    absolute_count = 0;
    for (int i = 0; i < count; i++) {
        list[i] = paths[i];
        find_path(names[i], paths[i]);
        keep_absolute(paths[i]);
    }
    struct config *config = NULL;
    struct config_messages messages;
    const struct config_reader host = {.read = read_file,
                                       .find_port = lookups_find_port,
                                       .find_table = lookups_find_table,
                                       .find_interface = lookups_find_interface,
                                       .is_taken = lookups_is_taken};
    arena = io_memory_new((struct log_sink){0});
    if (!arena) {
        fprintf(stderr, "hopwire: no memory for the configuration\n");
        return NULL;
    }
    const struct memory *secrets = io_memory_secrets(arena);
    const struct config_reader reader =
        recording ? recording_begin(recording, secrets, &host, list, (size_t)count) : host;
    config_messages_init(&messages, io_memory_plain());
    config_load(&config, secrets, &reader, list, (size_t)count, &messages);
    print_messages(&messages, with_notices);
    config_messages_wipe(&messages);
    if (!config) {
        io_memory_free(arena);
        arena = NULL;
    }
    return config;
}

struct config *load_configuration(char **names, int count, bool with_notices)
{
    return load(names, count, with_notices, NULL);
}

struct config *load_recorded(char **names, int count, struct recording *recording)
{
    return load(names, count, true, recording);
}

void load_free(struct config *config)
{
    if (!arena)
        return;
    config_free(config);
    io_memory_free(arena);
    arena = NULL;
}
