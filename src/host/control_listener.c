/* SPDX-License-Identifier: MIT */
#include "host/control_listener.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define LISTEN_BACKLOG 16

int control_listener_address(const char *path, struct sockaddr_un *address, struct text *why)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address->sun_path)) {
        text_append(why, "%s is too long for a socket: at most %zu bytes", path,
                    sizeof(address->sun_path) - 1);
        return -ENAMETOOLONG;
    }
    memcpy(address->sun_path, path, strlen(path));
    return 0;
}

int control_listener_connect(const char *path, struct text *why)
{
    struct sockaddr_un address;
    int result = control_listener_address(path, &address, why);
    if (result < 0)
        return result;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (const void *)&address, sizeof(address)) == 0)
        return fd;
    result = -errno;
    if (fd >= 0)
        close(fd);
    return result;
}

int control_listener_remove_stale(const char *path, struct text *why)
{
    struct stat found;
    if (lstat(path, &found) < 0)
        return 0; /* nothing there, or bind() says it better */
    if (!S_ISSOCK(found.st_mode)) {
        text_append(why, "%s is in the way and no socket: remove it", path);
        return -EADDRINUSE;
    }
    int probe = control_listener_connect(path, why);
    int error = probe < 0 ? -probe : 0;
    if (probe >= 0)
        close(probe);
    if (error != ECONNREFUSED && error != ENOENT) {
        text_append(why, "somebody listens on %s already: end that network or program first", path);
        return -EADDRINUSE;
    }
    if (error == ECONNREFUSED && unlink(path) < 0) {
        error = errno;
        text_append(why, "cannot remove the stale socket %s: %s", path, strerror(error));
        return -error;
    }
    return 0;
}

int control_listener_open(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    /* Until listen() nobody can connect, so the mode is narrowed in between. */
    bool is_bound = bind(fd, (const void *)address, sizeof(*address)) == 0;
    if (is_bound && chmod(address->sun_path, 0600) == 0 && listen(fd, LISTEN_BACKLOG) == 0)
        return fd;
    int error = errno;
    if (is_bound)
        unlink(address->sun_path);
    close(fd);
    return -error;
}

int control_listener_check(int fd, struct text *why)
{
    struct sockaddr_un bound = {0};
    socklen_t bound_len = sizeof(bound), option_len = sizeof(int);
    int is_listening = 0, flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && getsockname(fd, (void *)&bound, &bound_len) == 0 &&
        bound.sun_family == AF_UNIX &&
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &option_len) == 0 &&
        is_listening && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
        fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
        return 0;
    text_append(why, "what was given is no local socket that listens");
    return -EINVAL;
}
