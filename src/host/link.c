/* SPDX-License-Identifier: MIT */
#include "host/link.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "host/sysctl.h"

struct request {
    uint8_t bytes[NETLINK_REQUEST_BYTES] __attribute__((aligned(8)));
};

static struct nlmsghdr *link_request(struct request *space, uint16_t type, int index,
                                     struct ifinfomsg **body)
{
    struct nlmsghdr *request = netlink_request(space->bytes, type, 0);
    *body = mnl_nlmsg_put_extra_header(request, sizeof(**body));
    (*body)->ifi_index = index;
    return request;
}

static const struct nlattr *find_nested(const struct nlattr *nest, uint16_t type)
{
    const struct nlattr *attribute, *found = NULL;
    mnl_attr_for_each_nested(attribute, nest)
    {
        if (mnl_attr_get_type(attribute) == type)
            found = attribute;
    }
    return found;
}

/* TUNGETIFF does not tell: its flag for this is also one for something else. */
static bool has_packet_info(const struct nlattr *link_info)
{
    const struct nlattr *kind = find_nested(link_info, IFLA_INFO_KIND);
    const struct nlattr *data = find_nested(link_info, IFLA_INFO_DATA);
    if (!kind || mnl_attr_validate(kind, MNL_TYPE_STRING) < 0 || !data ||
        strncmp(mnl_attr_get_str(kind), "tun", mnl_attr_get_payload_len(kind)) != 0)
        return false;
    const struct nlattr *packet_info = find_nested(data, IFLA_TUN_PI);
    return packet_info && mnl_attr_validate(packet_info, MNL_TYPE_U8) >= 0 &&
           mnl_attr_get_u8(packet_info) != 0;
}

static int keep_link(void *context, const struct nlmsghdr *message)
{
    struct link *found = context;
    const struct ifinfomsg *body = mnl_nlmsg_get_payload(message);
    if (message->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(message) < sizeof(*body))
        return -EBADMSG;
    found->index = body->ifi_index;
    found->is_up = (body->ifi_flags & IFF_UP) != 0;
    found->is_loopback = (body->ifi_flags & IFF_LOOPBACK) != 0;
    const struct nlattr *attribute;
    mnl_attr_for_each(attribute, message, sizeof(*body))
    {
        if (mnl_attr_get_type(attribute) == IFLA_MTU &&
            mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
            found->mtu_bytes = mnl_attr_get_u32(attribute);
        if (mnl_attr_get_type(attribute) == IFLA_GROUP &&
            mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
            found->group = mnl_attr_get_u32(attribute);
        if (mnl_attr_get_type(attribute) == IFLA_IFNAME &&
            mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
            strncpy(found->name, mnl_attr_get_str(attribute), sizeof(found->name) - 1);
        if (mnl_attr_get_type(attribute) == IFLA_LINKINFO)
            found->has_packet_info = has_packet_info(attribute);
    }
    return 0;
}

int link_by_name(struct netlink *netlink, const char *name, struct link *found, struct text *why)
{
    return link_by_name_in(netlink, -1, name, found, why);
}

int link_by_name_in(struct netlink *netlink, int number, const char *name, struct link *found,
                    struct text *why)
{
    struct request space;
    struct ifinfomsg *body;
    struct link link = {0};
    if (strlen(name) >= IF_NAMESIZE) {
        text_append(why, "\"%s\" cannot be an interface's name: it has more than 15 bytes", name);
        return -EINVAL;
    }
    struct nlmsghdr *request = link_request(&space, RTM_GETLINK, 0, &body);
    mnl_attr_put_strz(request, IFLA_IFNAME, name);
    if (number >= 0)
        mnl_attr_put_u32(request, IFLA_TARGET_NETNSID, (uint32_t)number);
    int result = netlink_ask(netlink, request, keep_link, &link);
    if (result < 0) {
        text_append(why, "cannot look up the interface %s: %s", name, netlink->reason);
        return result;
    }
    *found = link;
    return 0;
}

int link_by_index(struct netlink *netlink, int index, struct link *found, struct text *why)
{
    struct request space;
    struct ifinfomsg *body;
    struct link link = {0};
    struct nlmsghdr *request = link_request(&space, RTM_GETLINK, index, &body);
    int result = netlink_ask(netlink, request, keep_link, &link);
    if (result < 0) {
        text_append(why, "cannot look up interface number %d: %s", index, netlink->reason);
        return result;
    }
    *found = link;
    return 0;
}

static int change_link(struct netlink *netlink, struct nlmsghdr *request, int index,
                       const char *what, struct text *why)
{
    int result = netlink_ask(netlink, request, NULL, NULL);
    if (result < 0)
        text_append(why, "cannot %s interface number %d: %s", what, index, netlink->reason);
    return result;
}

int link_set_up(struct netlink *netlink, int index, bool is_up, struct text *why)
{
    struct request space;
    struct ifinfomsg *body;
    struct nlmsghdr *request = link_request(&space, RTM_NEWLINK, index, &body);
    body->ifi_flags = is_up ? IFF_UP : 0;
    body->ifi_change = IFF_UP;
    return change_link(netlink, request, index, is_up ? "set up" : "set down", why);
}

int link_set_mtu(struct netlink *netlink, int index, uint32_t mtu_bytes, struct text *why)
{
    struct request space;
    struct ifinfomsg *body;
    struct nlmsghdr *request = link_request(&space, RTM_NEWLINK, index, &body);
    mnl_attr_put_u32(request, IFLA_MTU, mtu_bytes);
    int result = netlink_ask(netlink, request, NULL, NULL);
    if (result < 0)
        text_append(why, "cannot set the MTU of interface number %d to %u: %s", index, mtu_bytes,
                    netlink->reason);
    return result;
}

int link_set_group(struct netlink *netlink, int index, uint32_t group, struct text *why)
{
    struct request space;
    struct ifinfomsg *body;
    struct nlmsghdr *request = link_request(&space, RTM_NEWLINK, index, &body);
    mnl_attr_put_u32(request, IFLA_GROUP, group);
    return change_link(netlink, request, index, "set the group of", why);
}

int link_make_quiet(struct netlink *netlink, int index, struct text *why)
{
    struct request space;
    struct ifinfomsg *body;
    struct nlmsghdr *request = link_request(&space, RTM_NEWLINK, index, &body);
    body->ifi_change = IFF_MULTICAST;
    int result = change_link(netlink, request, index, "turn off multicast on", why);
    if (result < 0 || sysctl_ipv6(NULL) == SYSCTL_IPV6_ABSENT)
        return result;

    request = link_request(&space, RTM_NEWLINK, index, &body);
    struct nlattr *families = mnl_attr_nest_start(request, IFLA_AF_SPEC);
    struct nlattr *ipv6 = mnl_attr_nest_start(request, AF_INET6);
    mnl_attr_put_u8(request, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    mnl_attr_nest_end(request, ipv6);
    mnl_attr_nest_end(request, families);
    return change_link(netlink, request, index, "turn off made-up IPv6 addresses on", why);
}

static struct nlmsghdr *address_request(struct request *space, uint16_t type, uint16_t flags,
                                        int index, const struct address *address)
{
    struct nlmsghdr *request = netlink_request(space->bytes, type, flags);
    struct ifaddrmsg *body = mnl_nlmsg_put_extra_header(request, sizeof(*body));
    body->ifa_family = netlink_family(address->family);
    body->ifa_prefixlen = (uint8_t)family_bits(address->family);
    body->ifa_index = (uint32_t)index;
    netlink_put_address(request, IFA_LOCAL, address);
    netlink_put_address(request, IFA_ADDRESS, address);
    return request;
}

int link_remove_address(struct netlink *netlink, int index, const struct address *address,
                        struct text *why)
{
    struct request space;
    struct nlmsghdr *request = address_request(&space, RTM_DELADDR, 0, index, address);
    int result = netlink_ask(netlink, request, NULL, NULL);
    if (result >= 0 || result == -EADDRNOTAVAIL)
        return 0;
    char text[ADDRESS_TEXT_BYTES];
    text_append(why, "cannot take the address %s from interface number %d: %s",
                address_format(address, text), index, netlink->reason);
    return result;
}

int link_add_address(struct netlink *netlink, int index, const struct address *address,
                     struct text *why)
{
    struct request space;
    struct nlmsghdr *request =
        address_request(&space, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, address);
    mnl_attr_put_u32(request, IFA_FLAGS, IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
    int result = netlink_ask(netlink, request, NULL, NULL);
    if (result < 0 && result != -EEXIST) {
        char text[ADDRESS_TEXT_BYTES];
        text_append(why, "cannot give the address %s to interface number %d: %s",
                    address_format(address, text), index, netlink->reason);
        return result;
    }
    return 0;
}

struct address_list {
    int index;
    struct address *addresses;
    size_t capacity;
    size_t count;
};

static int keep_address(void *context, const struct nlmsghdr *message)
{
    struct address_list *list = context;
    const struct ifaddrmsg *body = mnl_nlmsg_get_payload(message);
    if (message->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(message) < sizeof(*body))
        return -EBADMSG;
    if (body->ifa_index != (uint32_t)list->index)
        return 0;
    /* IFA_LOCAL is the interface's own; IPv6 without a peer has only IFA_ADDRESS. */
    enum family family = netlink_family_from(body->ifa_family);
    struct address address = {0};
    bool has_local = false;
    const struct nlattr *attribute;
    mnl_attr_for_each(attribute, message, sizeof(*body))
    {
        if (mnl_attr_get_type(attribute) == IFA_LOCAL)
            has_local = netlink_get_address(attribute, family, &address) || has_local;
        if (mnl_attr_get_type(attribute) == IFA_ADDRESS && !has_local)
            netlink_get_address(attribute, family, &address);
    }
    if (address.family == FAMILY_NONE)
        return 0;
    if (list->count < list->capacity)
        list->addresses[list->count] = address;
    list->count++;
    return 0;
}

int link_list_addresses(struct netlink *netlink, int index, struct address *addresses,
                        size_t capacity, size_t *count, struct text *why)
{
    struct request space;
    struct address_list list = {.index = index, .addresses = addresses, .capacity = capacity};
    struct nlmsghdr *request = netlink_request(space.bytes, RTM_GETADDR, NLM_F_DUMP);
    mnl_nlmsg_put_extra_header(request, sizeof(struct ifaddrmsg));
    int result = netlink_ask(netlink, request, keep_address, &list);
    if (result < 0) {
        text_append(why, "cannot list the addresses of interface number %d: %s", index,
                    netlink->reason);
        return result;
    }
    *count = list.count;
    return 0;
}
