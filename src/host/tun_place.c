/* SPDX-License-Identifier: MIT */
/* Theory: namespaces have numbers for each other, once somebody asked for one; with that number an
 * interface can be asked for from where we are, and its events are heard. */
#include "host/tun_place.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_tun.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/netns.h"

/* Younger than the headers of some systems (Linux 5.5). */
#ifndef TUNGETDEVNETNS
#define TUNGETDEVNETNS _IO('T', 227)
#endif

static int keep_number(void *context, const struct nlmsghdr *message)
{
    int *number = context;
    const struct nlattr *attribute;
    mnl_attr_for_each(attribute, message, sizeof(struct rtgenmsg))
    {
        if (mnl_attr_get_type(attribute) == NETNSA_NSID &&
            mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
            *number = (int)mnl_attr_get_u32(attribute);
    }
    return 0;
}

static int ask_number(struct netlink *netlink, uint16_t type, int namespace, int *number)
{
    uint8_t bytes[NETLINK_REQUEST_BYTES] __attribute__((aligned(8)));
    struct nlmsghdr *request = netlink_request(bytes, type, 0);
    mnl_nlmsg_put_extra_header(request, sizeof(struct rtgenmsg));
    mnl_attr_put_u32(request, NETNSA_FD, (uint32_t)namespace);
    if (type == RTM_NEWNSID)
        mnl_attr_put_u32(request, NETNSA_NSID, (uint32_t)-1); /* any */
    return netlink_ask(netlink, request, type == RTM_GETNSID ? keep_number : NULL, number);
}

/* *number -1: our own. */
static int find_namespace(const struct tun_place *place, struct netlink *netlink, int tun,
                          int *number)
{
    struct stat found;
    *number = -1;
    int namespace = ioctl(tun, TUNGETDEVNETNS);
    if (namespace < 0)
        return errno == EINVAL || errno == ENOTTY ? 0 : -errno; /* an old kernel does not tell */
    int result = fstat(namespace, &found) < 0 ? -errno : 0;
    if (result == 0 && found.st_ino != place->own) {
        result = ask_number(netlink, RTM_GETNSID, namespace, number);
        if (result == 0 && *number < 0)
            result = ask_number(netlink, RTM_NEWNSID, namespace, NULL);
        if (result == 0 && *number < 0)
            result = ask_number(netlink, RTM_GETNSID, namespace, number);
    }
    close(namespace);
    return result;
}

void tun_place_init(struct tun_place *place)
{
    place->own = netns_of_self();
}

int tun_place_link(const struct tun_place *place, struct netlink *netlink, int tun,
                   struct link *found, struct text *why)
{
    struct ifreq request = {0};
    int number;
    if (ioctl(tun, TUNGETIFF, &request) < 0) {
        int error = errno;
        text_append(why, "the interface cannot be found: %s", strerror(error));
        return -error;
    }
    int result = find_namespace(place, netlink, tun, &number);
    if (result == 0)
        return link_by_name_in(netlink, number, request.ifr_name, found, why);
    text_append(why, "the namespace of the interface %s cannot be found: %s", request.ifr_name,
                strerror(-result));
    return result;
}
