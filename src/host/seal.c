/* SPDX-License-Identifier: MIT */
#include "host/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/bytes.h"
#include "crypto/blake2s.h"
#include "host/small_file.h"

#define ATTRIBUTE "trusted.hopwire"

static void hash_of(const char *name, const char *bytes, size_t len,
                    uint8_t hash[BLAKE2S_HASH_BYTES])
{
    struct blake2s state;
    blake2s_init(&state, BLAKE2S_HASH_BYTES, NULL, 0);
    blake2s_update(&state, name, strlen(name) + 1);
    blake2s_update(&state, bytes, len);
    blake2s_final(&state, hash);
}

/* The caller has not the right, or the file system no such attributes. */
static bool is_without(int error)
{
    return error == EPERM || error == EACCES || error == ENOTSUP;
}

static int set(int file, const uint8_t hash[BLAKE2S_HASH_BYTES])
{
    return fsetxattr(file, ATTRIBUTE, hash, BLAKE2S_HASH_BYTES, 0) < 0 ? -errno : 0;
}

static int write_whole(int file, const char *name, const char *bytes, size_t len, bool *is_sealed)
{
    uint8_t hash[BLAKE2S_HASH_BYTES];
    ssize_t written = -1;
    if (ftruncate(file, 0) == 0)
        written = pwrite(file, bytes, len, 0);
    if (written != (ssize_t)len)
        return written < 0 ? -errno : -ENOSPC;
    hash_of(name, bytes, len, hash);
    int result = set(file, hash);
    *is_sealed = result == 0;
    return is_without(-result) ? 0 : result;
}

int seal_write(int file, const char *name, const char *bytes, size_t len)
{
    bool is_sealed;
    return write_whole(file, name, bytes, len, &is_sealed);
}

int seal_replace(const char *path, const char *name, const char *bytes, size_t len,
                 bool *is_sealed)
{
    char beside[PATH_MAX];
    if (snprintf(beside, sizeof(beside), "%s.new", path) >= (int)sizeof(beside))
        return -ENAMETOOLONG;
    unlink(beside); /* of one that was killed while it wrote */
    int file = open(beside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0)
        return -errno;
    int result = flock(file, LOCK_EX) < 0 ? -errno
                                          : write_whole(file, name, bytes, len, is_sealed);
    if (result == 0 && rename(beside, path) < 0)
        result = -errno;
    if (result == 0)
        return file;
    unlink(beside);
    close(file);
    return result;
}

int seal_remove(const char *path)
{
    char beside[PATH_MAX];
    if (snprintf(beside, sizeof(beside), "%s.new", path) < (int)sizeof(beside))
        unlink(beside); /* of one that was killed while it wrote */
    return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

/* One without a hash is from before it could be set here, or from somebody who could not. */
static bool is_roots(int file, const char *name, const char *bytes, size_t len)
{
    uint8_t hash[BLAKE2S_HASH_BYTES], found[BLAKE2S_HASH_BYTES] = {0};
    hash_of(name, bytes, len, hash);
    ssize_t got = fgetxattr(file, ATTRIBUTE, found, sizeof(found));
    if (got >= 0)
        return got == (ssize_t)sizeof(found) && memcmp(found, hash, sizeof(hash)) == 0;
    if (errno != ENODATA)
        return is_without(errno);
    int result = set(file, (const uint8_t[BLAKE2S_HASH_BYTES]){0});
    if (result == 0)
        fremovexattr(file, ATTRIBUTE);
    return is_without(-result);
}

int seal_read(int file, const char *name, char **bytes, size_t *len)
{
    struct stat status;
    *bytes = NULL;
    if (fstat(file, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode) || (status.st_uid != 0 && status.st_uid != geteuid()) ||
        (status.st_mode & 022))
        return -EPERM;
    if (lseek(file, 0, SEEK_SET) < 0 ||
        !(*bytes = small_file_take(file, SEAL_FILE_BYTES_MOST, len)))
        return -errno;
    if (*len == 0 || is_roots(file, name, *bytes, *len)) /* no words, nobody's */
        return 0;
    bytes_wipe(*bytes, *len);
    free(*bytes);
    *bytes = NULL;
    return -EPERM;
}
