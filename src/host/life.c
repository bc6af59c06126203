/* SPDX-License-Identifier: MIT */
/* One byte of the directory's `.lock`, far behind its end and chosen by the network's name, is
 * locked (an open file description's lock, fcntl(2)): no file of its own, which somebody would have
 * to remove, and no race with who removes it. The start's lock is of another kind (flock(2)) and
 * does not touch it.
 *
 * A second byte, chosen by where the directory is as well, is found in the kernel's list of locks
 * when somebody has removed the directory with the file. */
#include "host/life.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/control_listener.h"
#include "host/control_socket.h"
#include "host/state.h"

static int lock_path(const char *network, char path[STATE_PATH_BYTES], struct text *why)
{
    static const char name[] = ".lock";
    int result = state_path(network, name, path, why);
    if (result != 0)
        return result;
    char *slash = strrchr(path, '/'); /* as long as the network's own, at least */
    memcpy(slash + 1, name, sizeof(name));
    return 0;
}

static struct flock place_at(uint64_t hash)
{
    return (struct flock){.l_type = F_WRLCK,
                          .l_whence = SEEK_SET,
                          .l_start = (off_t)(hash >> 2 | 1),
                          .l_len = 1};
}

/* FNV-1a: two names would have to share 62 bits. */
static uint64_t hash_bytes(const void *bytes, size_t len, uint64_t hash)
{
    for (const unsigned char *at = bytes; len-- > 0; at++)
        hash = (hash ^ *at) * 0x100000001b3;
    return hash;
}

static struct flock place_of(const char *network)
{
    return place_at(hash_bytes(network, strlen(network), 0xcbf29ce484222325));
}

/* The directory's name, in the one above it. False: there is not even that. */
static bool place_in_system(const char *network, struct flock *place)
{
    char path[STATE_PATH_BYTES];
    struct stat above;
    int len = snprintf(path, sizeof(path), "%s", state_directory());
    while (len > 1 && len < (int)sizeof(path) && path[len - 1] == '/')
        path[--len] = '\0';
    char *slash = strrchr(path, '/');
    if (len >= (int)sizeof(path) || !slash)
        return false;
    uint64_t hash = hash_bytes(slash, strlen(slash) + 1, 0xcbf29ce484222325);
    *slash = '\0';
    if (stat(slash == path ? "/" : path, &above) < 0)
        return false;
    hash = hash_bytes(&above.st_dev, sizeof(above.st_dev), hash);
    hash = hash_bytes(&above.st_ino, sizeof(above.st_ino), hash);
    *place = place_at(hash_bytes(network, strlen(network), hash));
    return true;
}

/* Somebody holds it, in whatever file. */
static bool is_held_in_system(const char *network)
{
    struct flock place;
    bool is_held = false;
    char line[256];
    FILE *locks = place_in_system(network, &place) ? fopen("/proc/locks", "re") : NULL;
    while (locks && !is_held && fgets(line, sizeof(line), locks)) {
        long long start;
        is_held = sscanf(line, "%*d: OFDLCK %*s WRITE %*d %*s %lld", &start) == 1 &&
                  start == (long long)place.l_start;
    }
    if (locks)
        fclose(locks);
    return is_held;
}

static bool listens(const char *network, struct text *why)
{
    char path[STATE_PATH_BYTES];
    if (state_path(network, ".sock", path, why) != 0)
        return false;
    int fd = control_listener_connect(path, why);
    if (fd >= 0)
        close(fd);
    return fd >= 0 || fd == -EAGAIN; /* its queue is full */
}

int life_begin(const char *network, struct text *why)
{
    char path[STATE_PATH_BYTES];
    struct flock place = place_of(network);
    int result = lock_path(network, path, why);
    if (result != 0)
        return result;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool was_held = is_held_in_system(network);
    bool is_ours = fd >= 0 && fcntl(fd, F_OFD_SETLK, &place) == 0;
    if (is_ours && !was_held && !listens(network, why)) {
        struct flock second;
        if (place_in_system(network, &second))
            fcntl(fd, F_OFD_SETLK, &second); /* where it is refused, the first one has to do */
        return fd;
    }
    result = is_ours ? -EAGAIN : -errno;
    if (fd >= 0)
        close(fd);
    if (result == -EAGAIN || result == -EACCES) {
        text_append(why, "%s is up already: `hopwire down %s` ends it", network, network);
        return -EEXIST;
    }
    text_append(why, "cannot lock %s: %s", path, strerror(-result));
    return result;
}

int life_take_turn(const char *network, struct text *why)
{
    char path[STATE_PATH_BYTES];
    struct flock place = place_of(network);
    int result = lock_path(network, path, why);
    if (result != 0)
        return result;
    place.l_start++; /* beside the life's: that one is odd */
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    do
        result = fd < 0 || fcntl(fd, F_OFD_SETLKW, &place) < 0 ? -errno : 0;
    while (result == -EINTR);
    if (result == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    text_append(why, "cannot lock %s: %s", path, strerror(-result));
    return result;
}

static bool is_locked(const char *network, struct text *why)
{
    char path[STATE_PATH_BYTES];
    struct flock place = place_of(network);
    if (lock_path(network, path, why) != 0)
        return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool is_known = fd >= 0 && fcntl(fd, F_OFD_GETLK, &place) == 0;
    if (fd >= 0)
        close(fd);
    return is_known && place.l_type != F_UNLCK;
}

bool life_goes_on(const char *network)
{
    return is_locked(network, TEXT_UNHEARD) || listens(network, TEXT_UNHEARD) ||
           is_held_in_system(network);
}
