/* SPDX-License-Identifier: MIT */
#include "rigs/own_netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tap.h"

/* linux/ipv6.h has it, but does not go with netinet/in.h. */
struct ipv6_request {
    struct in6_addr address;
    uint32_t prefix_len;
    int index;
};

bool own_netns_write(const char *path, const char *text)
{
    int file = open(path, O_WRONLY | O_CLOEXEC);
    bool is_written = file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text);
    if (file >= 0)
        close(file);
    return is_written;
}

bool own_netns_unshare(int kind)
{
    char users[64], groups[64];
    snprintf(users, sizeof(users), "0 %u 1", (unsigned)geteuid());
    snprintf(groups, sizeof(groups), "0 %u 1", (unsigned)getegid());
    if (geteuid() == 0 && unshare(kind) == 0)
        return true;
    return unshare(CLONE_NEWUSER | kind) == 0 && own_netns_write("/proc/self/uid_map", users) &&
           own_netns_write("/proc/self/setgroups", "deny") &&
           own_netns_write("/proc/self/gid_map", groups);
}

bool own_netns_enter(void)
{
    return own_netns_unshare(CLONE_NEWNET) && own_netns_set_up("lo", true);
}

bool own_netns_enter_once(void)
{
    static int state; /* 0: not tried, 1: inside, -1: refused */
    if (state == 0)
        state = own_netns_enter() ? 1 : -1;
    if (state < 0)
        tap_skip("no network namespace of its own is allowed here (unshare)");
    return state > 0;
}

static bool ask(const char *what, int family, unsigned long code, void *request)
{
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool is_done = fd >= 0 && ioctl(fd, code, request) == 0;
    if (!is_done)
        printf("# %s: %s\n", what, strerror(errno));
    if (fd >= 0)
        close(fd);
    return is_done;
}

static struct ifreq request_for(const char *interface)
{
    struct ifreq request = {0};
    strncpy(request.ifr_name, interface, IF_NAMESIZE - 1);
    return request;
}

bool own_netns_add_address(const char *interface, const char *address, int prefix_len)
{
    struct ipv6_request ipv6 = {.prefix_len = (uint32_t)prefix_len,
                                .index = (int)if_nametoindex(interface)};
    if (inet_pton(AF_INET6, address, &ipv6.address) == 1)
        return ask(address, AF_INET6, SIOCSIFADDR, &ipv6);
    struct ifreq request = request_for(interface);
    struct sockaddr_in *ipv4 = (struct sockaddr_in *)&request.ifr_addr;
    ipv4->sin_family = AF_INET;
    if (inet_pton(AF_INET, address, &ipv4->sin_addr) != 1 ||
        !ask(address, AF_INET, SIOCSIFADDR, &request))
        return false;
    ipv4->sin_addr.s_addr = htonl(prefix_len ? ~0u << (32 - prefix_len) : 0);
    return ask(address, AF_INET, SIOCSIFNETMASK, &request);
}

bool own_netns_set_up(const char *interface, bool is_up)
{
    struct ifreq request = request_for(interface);
    request.ifr_flags = is_up ? IFF_UP : 0;
    return ask(interface, AF_INET, SIOCSIFFLAGS, &request);
}

bool own_netns_set_mtu(const char *interface, int mtu_bytes)
{
    struct ifreq request = request_for(interface);
    request.ifr_mtu = mtu_bytes;
    return ask(interface, AF_INET, SIOCSIFMTU, &request);
}

int own_netns_tun(const char *name, int *index)
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

char *own_netns_run(char *output, size_t capacity, const char *format, ...)
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

bool own_netns_has_ip_command(void)
{
    char output[64];
    if (strncmp(own_netns_run(output, sizeof(output), "ip -V"), "failed", 6) != 0)
        return true;
    tap_skip("no `ip` command (Debian package iproute2)");
    return false;
}
