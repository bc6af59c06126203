/* SPDX-License-Identifier: MIT */
#include "io/own_netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
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

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (write(fd, text, strlen(text)) < 0)
        printf("# %s: %s\n", path, strerror(errno));
    close(fd);
}

static bool enter_user_namespace(void)
{
    char map[32];
    unsigned uid = getuid(), gid = getgid();
    if (unshare(CLONE_NEWUSER) < 0)
        return false;
    write_file("/proc/self/setgroups", "deny");
    snprintf(map, sizeof(map), "0 %u 1", uid);
    write_file("/proc/self/uid_map", map);
    snprintf(map, sizeof(map), "0 %u 1", gid);
    write_file("/proc/self/gid_map", map);
    return true;
}

bool own_netns_enter(void)
{
    if (unshare(CLONE_NEWNET) < 0 && (!enter_user_namespace() || unshare(CLONE_NEWNET) < 0))
        return false;
    return own_netns_set_up("lo", true);
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
