/* SPDX-License-Identifier: MIT */
#include "host/small_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* One byte more than there may be tells of a longer one: /proc says no sizes. */
char *small_file_take(int file, size_t most, size_t *len)
{
    char *bytes = calloc(1, most + 2);
    ssize_t got = 1;
    *len = 0;
    while (bytes && got != 0 && *len <= most) {
        got = read(file, bytes + *len, most + 1 - *len);
        if (got < 0 && errno != EINTR)
            break;
        *len += got > 0 ? (size_t)got : 0;
    }
    if (bytes && got == 0 && *len <= most)
        return bytes;
    int error = !bytes ? ENOMEM : *len > most ? EFBIG : errno;
    free(bytes);
    errno = error;
    return NULL;
}

/* A pipe or a device in its place keeps nobody waiting. */
char *small_file_read(const char *path, size_t most)
{
    size_t len;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char *bytes = file < 0 ? NULL : small_file_take(file, most, &len);
    int error = errno;
    if (file >= 0)
        close(file);
    errno = error;
    return bytes;
}

static int write_all(int file, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t written = write(file, bytes, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -errno;
        bytes += written;
        len -= (size_t)written;
    }
    return fsync(file) < 0 ? -errno : 0;
}

/* A whole new file beside the old one, on the disk before it takes the old one's place. */
int small_file_replace(const char *path, const char *bytes, size_t len)
{
    char beside[PATH_MAX];
    if (snprintf(beside, sizeof(beside), "%s.new", path) >= (int)sizeof(beside))
        return -ENAMETOOLONG;
    unlink(beside); /* of one that was killed while it wrote */
    int file = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        return -errno;
    int result = write_all(file, bytes, len);
    if (close(file) < 0 && result == 0)
        result = -errno;
    if (result == 0 && rename(beside, path) < 0)
        result = -errno;
    if (result < 0)
        unlink(beside);
    return result;
}
