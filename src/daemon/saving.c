/* SPDX-License-Identifier: MIT */
#include "daemon/saving.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "config/config_data.h"
#include "config/saved.h"
#include "daemon/uapi.h"
#include "host/control_client.h"
#include "io/io_memory.h"

#define ANSWER_TIMEOUT_MS 30000
#define ROOM_BYTES 4096 /* beside the two texts: a key is shorter in base64 than in hexadecimal */

static void forget(char *bytes, size_t len)
{
    if (bytes)
        bytes_wipe(bytes, len);
    free(bytes);
}

/* NUL-terminated, malloc's; NULL: errno. */
static char *read_whole(int fd, const struct stat *status)
{
    size_t len = 0, capacity = (size_t)status->st_size;
    if (!S_ISREG(status->st_mode) || status->st_size > CONFIG_FILE_MOST_BYTES) {
        errno = S_ISREG(status->st_mode) ? EFBIG : EINVAL;
        return NULL;
    }
    char *bytes = calloc(1, capacity + 1);
    ssize_t got = 1;
    while (bytes && len < capacity && (got = read(fd, bytes + len, capacity - len)) > 0)
        len += (size_t)got;
    if (bytes && got >= 0 && !memchr(bytes, '\0', len))
        return bytes;
    int error = got < 0 ? errno : EINVAL; /* a file with such a byte would be cut there */
    forget(bytes, bytes ? capacity : 0);
    errno = error;
    return NULL;
}

static bool write_whole(int fd, const char *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t written = write(fd, bytes + at, len - at);
        if (written < 0 && errno != EINTR)
            return false;
        at += written > 0 ? (size_t)written : 0;
    }
    return fsync(fd) == 0;
}

/* A power cut leaves the old file or the new one. */
static int replace(const char *path, const struct stat *old, const char *bytes, size_t len)
{
    char beside[PATH_MAX];
    if (snprintf(beside, sizeof(beside), "%s.saving", path) >= (int)sizeof(beside))
        return -ENAMETOOLONG;
    unlink(beside); /* of one that was ended while it wrote */
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    bool is_well = fchown(fd, old->st_uid, old->st_gid) == 0 &&
                   fchmod(fd, old->st_mode & 07777) == 0 && write_whole(fd, bytes, len);
    is_well = close(fd) == 0 && is_well && rename(beside, path) == 0;
    int error = errno;
    if (is_well)
        return 0;
    unlink(beside);
    return -error;
}

/* What the tunnel is now, into the file's text; -EPROTO: that is no answer. */
static int merge(const char *path, const struct stat *status, const char *old, char *answer,
                 size_t answer_bytes)
{
    size_t capacity = strlen(old) + answer_bytes + ROOM_BYTES;
    char *bytes = malloc(capacity);
    struct text text;
    if (!bytes)
        return -ENOMEM;
    struct stat as = *status;
    if (!saved_has_secret(old)) /* its keys were in files of their own: anybody may read this one */
        as.st_mode &= ~(mode_t)(S_IRWXG | S_IRWXO);
    text_init(&text, bytes, capacity);
    int result = saved_write(old, answer, if_indextoname, io_memory_plain(), &text)
                     ? replace(path, &as, bytes, text.len)
                     : -EPROTO;
    forget(bytes, capacity);
    return result;
}

/* Held by its descriptor: two that save at once come one behind the other. Not the file itself,
 * which is replaced. */
static int lock_directory_of(const char *path)
{
    char directory[PATH_MAX];
    int len = (int)(strrchr(path, '/') - path);
    snprintf(directory, sizeof(directory), "%.*s", len ? len : 1, path);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = fd >= 0 && flock(fd, LOCK_EX) < 0 ? errno : 0;
    if (!error)
        return fd < 0 ? -errno : fd;
    close(fd);
    return -error;
}

static int save_locked(const char *path, char *answer, size_t answer_bytes)
{
    struct stat status = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    char *old = fd >= 0 && fstat(fd, &status) == 0 ? read_whole(fd, &status) : NULL;
    int result = old ? merge(path, &status, old, answer, answer_bytes) : -errno;
    forget(old, old ? strlen(old) : 0);
    if (fd >= 0)
        close(fd);
    return result;
}

static int save(const char *path, char *answer, size_t answer_bytes)
{
    int lock = lock_directory_of(path);
    int result = lock < 0 ? lock : save_locked(path, answer, answer_bytes);
    if (lock >= 0)
        close(lock);
    return result;
}

int saving_write(const char *file, const char *wg_name, struct text *why)
{
    char socket[64], path[PATH_MAX], reason[256], *answer = NULL;
    struct text unheard;
    size_t answer_bytes = 0;
    text_init(&unheard, reason, sizeof(reason));
    snprintf(socket, sizeof(socket), UAPI_DIRECTORY "/%.15s.sock", wg_name);
    int result = control_client_ask(socket, "get=1\n", -1, ANSWER_TIMEOUT_MS, &answer,
                                    &answer_bytes, &unheard);
    if (result == -ENOENT || result == -ECONNREFUSED) {
        text_append(why, "%s is not saved: nobody listens at %s", file, socket);
        return -ENOENT;
    }
    if (result == 0)
        result = realpath(file, path) ? save(path, answer, answer_bytes) : -errno;
    forget(answer, answer_bytes);
    if (result != 0)
        text_append(why, "%s is not saved, and is as it was: %s", file,
                    result == -EPROTO ? "the daemon's answer, or the file, is none that is known"
                    : unheard.len     ? reason
                                      : strerror(-result));
    return result;
}
