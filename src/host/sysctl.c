/* SPDX-License-Identifier: MIT */
#include "host/sysctl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/small_file.h"

#define PATH_BYTES 320 /* a name of 255 bytes is what readdir(3) may give */
#define NUMBER_BYTES_MOST 64

/* The first number of /proc/sys/net/FAMILY/conf/NAME/KEY, or -errno. */
static long read_number(const char *family, const char *name, const char *key)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, name, key);
    char *text = small_file_read(path, NUMBER_BYTES_MOST);
    if (!text)
        return -errno;
    long number = *text ? strtol(text, NULL, 10) : -EIO;
    free(text);
    return number;
}

enum sysctl_ipv6 sysctl_ipv6(const char *interface_name)
{
    /* Not by /proc, which a container may hide: then IPv6 would leak. */
    int probe = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (probe < 0 && errno == EAFNOSUPPORT)
        return SYSCTL_IPV6_ABSENT;
    if (probe >= 0)
        close(probe);
    long disabled =
        read_number("ipv6", interface_name ? interface_name : "default", "disable_ipv6");
    /* The kernel gives an interface no IPv6 configuration at all when its MTU is under 1280. */
    return disabled == 0 || disabled == -ENOENT ? SYSCTL_IPV6_USABLE : SYSCTL_IPV6_DISABLED;
}

const char *sysctl_ipv6_notice(enum sysctl_ipv6 ipv6)
{
    if (ipv6 == SYSCTL_IPV6_ABSENT)
        return "this host has no IPv6: IPv6 addresses and routes are passed over";
    if (ipv6 == SYSCTL_IPV6_DISABLED)
        return "IPv6 is switched off on this host (net.ipv6.conf.*.disable_ipv6): IPv6 addresses "
               "are passed over, IPv6 destinations of the tunnels are unreachable";
    return NULL;
}

static bool write_ipv4(const char *name, const char *key, char digit)
{
    char path[PATH_BYTES], text[2] = {digit, '\n'};
    snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/%s", name, key);
    int file = open(path, O_WRONLY | O_CLOEXEC);
    bool is_written = file >= 0 && write(file, text, sizeof(text)) == sizeof(text);
    int error = errno;
    if (file >= 0)
        close(file);
    errno = error;
    return is_written;
}

bool sysctl_loosen_rp_filter(const char *interface_name, struct text *why)
{
    if (read_number("ipv4", interface_name, "rp_filter") == 2 ||
        write_ipv4(interface_name, "rp_filter", '2'))
        return true;
    text_append(why,
                "cannot set net.ipv4.conf.%s.rp_filter to 2 (%s): if IPv4 replies get lost, "
                "set it by hand or run where /proc/sys can be written",
                interface_name, strerror(errno));
    return false;
}

bool sysctl_has_src_valid_mark(void)
{
    return read_number("ipv4", "all", "src_valid_mark") == 1;
}

bool sysctl_lacks_src_valid_mark(void)
{
    long all = read_number("ipv4", "all", "rp_filter");
    DIR *links = opendir("/proc/sys/net/ipv4/conf");
    bool is_strict = false;
    for (struct dirent *entry; links && !is_strict && (entry = readdir(links));) {
        const char *name = entry->d_name;
        if (name[0] == '.' || strcmp(name, "all") == 0 || strcmp(name, "lo") == 0)
            continue;
        long own = read_number("ipv4", name, "rp_filter");
        is_strict = (own > all ? own : all) == 1; /* the kernel takes the larger */
    }
    if (links)
        closedir(links);
    return is_strict && read_number("ipv4", "all", "src_valid_mark") == 0;
}

bool sysctl_set_src_valid_mark(bool is_on, struct text *why)
{
    if (write_ipv4("all", "src_valid_mark", is_on ? '1' : '0'))
        return true;
    text_append(why,
                "cannot set net.ipv4.conf.all.src_valid_mark to %d (%s): %s", is_on,
                strerror(errno),
                is_on ? "a link with rp_filter 1 may drop the relays' answers; set it by hand, or "
                        "rp_filter to 2"
                      : "set it by hand");
    return false;
}

uint32_t sysctl_ipv6_mtu_bytes(const char *interface_name)
{
    long mtu_bytes = read_number("ipv6", interface_name, "mtu");
    return mtu_bytes > 0 ? (uint32_t)mtu_bytes : 0;
}
