/* SPDX-License-Identifier: MIT */
/* For the tests of this room: a network namespace of the test's own, as root or as anybody, with a
 * TUN device in it. Nothing of the host is touched. */
#ifndef HOST_NAMESPACE_FIXTURE_H
#define HOST_NAMESPACE_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

static inline bool namespace_write(const char *path, const char *text)
{
    int file = open(path, O_WRONLY | O_CLOEXEC);
    bool is_written = file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text);
    if (file >= 0)
        close(file);
    return is_written;
}

/* Leaves for new namespaces of that kind, as root there: with a user namespace where needed. */
static inline bool namespace_unshare(int kind)
{
    char users[64], groups[64];
    snprintf(users, sizeof(users), "0 %u 1", (unsigned)geteuid());
    snprintf(groups, sizeof(groups), "0 %u 1", (unsigned)getegid());
    if (geteuid() == 0 && unshare(kind) == 0)
        return true;
    return unshare(CLONE_NEWUSER | kind) == 0 && namespace_write("/proc/self/uid_map", users) &&
           namespace_write("/proc/self/setgroups", "deny") &&
           namespace_write("/proc/self/gid_map", groups);
}

/* Moves the whole program into a network namespace, once; false: skip the test, it is said why. */
static inline bool namespace_enter(void)
{
    static int state; /* 0: not tried, 1: inside, -1: refused */
    if (state == 0)
        state = namespace_unshare(CLONE_NEWNET) ? 1 : -1;
    if (state < 0)
        tap_skip("no network namespace of its own is allowed here (unshare)");
    return state > 0;
}

/* Runs a shell command made like printf; its output with a NUL, or "failed" on a bad exit. */
static inline char *__attribute__((format(printf, 3, 4)))
namespace_run(char *output, size_t capacity, const char *format, ...)
{
    char command[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof(command), format, arguments);
    va_end(arguments);
    FILE *pipe = popen(command, "r");
    size_t len = pipe ? fread(output, 1, capacity - 1, pipe) : 0;
    output[len] = '\0';
    if (!pipe || pclose(pipe) != 0)
        snprintf(output, capacity, "failed: %.40s", command);
    return output;
}

static inline bool namespace_has_ip_command(void)
{
    char output[64];
    if (strncmp(namespace_run(output, sizeof(output), "ip -V"), "failed", 6) != 0)
        return true;
    tap_skip("no `ip` command (Debian package iproute2)");
    return false;
}

/* A TUN device that lives as long as the descriptor; -1: skip, it is said why. */
static inline int namespace_tun(const char *name, int *index)
{
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0) {
        if (fd >= 0)
            close(fd);
        tap_skip("no TUN device can be made here (/dev/net/tun)");
        return -1;
    }
    *index = (int)if_nametoindex(name);
    return fd;
}

#endif
