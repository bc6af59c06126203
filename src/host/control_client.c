/* SPDX-License-Identifier: MIT */
#include "host/control_client.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "host/control_listener.h"
#include "host/control_passed.h"
#include "host/control_socket.h"

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* 0: ready, or -errno. */
static int wait_for(int fd, short events, int64_t deadline_ms)
{
    for (;;) {
        int64_t left_ms = deadline_ms - now_ms();
        struct pollfd poller = {.fd = fd, .events = events};
        int ready = left_ms <= 0 ? 0 : poll(&poller, 1, (int)left_ms);
        if (ready > 0)
            return 0;
        if (ready == 0)
            return -ETIMEDOUT;
        if (errno != EINTR)
            return -errno;
    }
}

static int send_request(int fd, const char *bytes, size_t len, int passed, int64_t deadline_ms)
{
    while (len > 0) {
        ssize_t put = control_passed_send(fd, bytes, len, passed);
        if (put >= 0) {
            passed = -1;
            bytes += put;
            len -= (size_t)put;
            continue;
        }
        int result = errno == EINTR    ? 0
                     : errno == EAGAIN ? wait_for(fd, POLLOUT, deadline_ms)
                                       : -errno;
        if (result < 0)
            return result;
    }
    return 0;
}

/* An answer may hold keys. */
static void give(char *bytes, size_t capacity)
{
    if (bytes)
        explicit_bzero(bytes, capacity);
    free(bytes);
}

static int grow(char **bytes, size_t *capacity)
{
    size_t doubled = 2 * *capacity;
    char *larger = doubled > 4 * CONTROL_SOCKET_ANSWER_BYTES ? NULL : malloc(doubled);
    if (!larger)
        return -ENOMEM;
    memcpy(larger, *bytes, *capacity);
    give(*bytes, *capacity);
    *bytes = larger;
    *capacity = doubled;
    return 0;
}

static int receive_answer(int fd, int64_t deadline_ms, char **answer, size_t *len)
{
    size_t capacity = 4096, got = 0;
    char *bytes = malloc(capacity);
    int result = bytes ? 0 : -ENOMEM;
    while (result == 0) {
        ssize_t some = recv(fd, bytes + got, capacity - got - 1, 0);
        if (some == 0)
            break;
        if (some < 0) {
            result = errno == EINTR    ? 0
                     : errno == EAGAIN ? wait_for(fd, POLLIN, deadline_ms)
                                       : -errno;
            continue;
        }
        got += (size_t)some;
        if (capacity - got > 1)
            continue;
        result = grow(&bytes, &capacity);
    }
    if (result < 0) {
        give(bytes, capacity);
        return result;
    }
    bytes[got] = '\0';
    *answer = bytes;
    *len = got;
    return 0;
}

int control_client_ask(const char *path, const char *request, int passed, unsigned timeout_ms,
                       char **answer, size_t *answer_bytes, struct text *why)
{
    int64_t deadline_ms = now_ms() + timeout_ms;
    int fd = control_listener_connect(path, why);
    if (fd == -ENAMETOOLONG)
        return fd;
    int result = fd < 0 ? fd : send_request(fd, request, strlen(request), passed, deadline_ms);
    if (result == 0)
        result = send_request(fd, "\n", 1, -1, deadline_ms);
    if (result == 0)
        shutdown(fd, SHUT_WR);
    if (result == 0)
        result = receive_answer(fd, deadline_ms, answer, answer_bytes);
    if (fd >= 0)
        close(fd);
    if (result == -ENOENT || result == -ECONNREFUSED)
        text_append(why, "nobody listens on %s: is the network up?", path);
    else if (result < 0)
        text_append(why, "no answer on %s: %s", path, strerror(-result));
    return result;
}

pid_t control_client_listener(const char *path)
{
    struct ucred listener = {0};
    socklen_t len = sizeof(listener);
    int fd = control_listener_connect(path, TEXT_UNHEARD);
    if (fd < 0)
        return fd;
    bool is_known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &listener, &len) == 0;
    close(fd);
    return is_known ? listener.pid : 0;
}
