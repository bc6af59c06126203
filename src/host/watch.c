/* SPDX-License-Identifier: MIT */
#include "host/watch.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/netconf.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "host/kernel_route.h"
#include "host/kernel_rule.h"
#include "host/netlink.h"

#define DATAGRAM_BYTES 65536

static int open_groups(struct watch *watch, int bus, const int *groups, size_t count,
                       const char *what, struct text *why)
{
    struct mnl_socket *socket = mnl_socket_open2(bus, SOCK_CLOEXEC | SOCK_NONBLOCK);
    bool is_open = socket && mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) >= 0;
    for (size_t i = 0; is_open && i < count; i++) {
        int group = groups[i];
        is_open = mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) >= 0;
    }
    if (!is_open) {
        int error = errno;
        text_append(why, "cannot listen to changes of the host's %s: %s", what, strerror(error));
        if (socket)
            mnl_socket_close(socket);
        return -error;
    }
    watch->socket = socket;
    return 0;
}

int watch_open(struct watch *watch, struct text *why)
{
    static const int groups[] = {RTNLGRP_LINK, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
                                 RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, RTNLGRP_IPV4_IFADDR,
                                 RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_NETCONF};
    return open_groups(watch, NETLINK_ROUTE, groups, sizeof(groups) / sizeof(*groups), "network",
                       why);
}

/* Where another namespace may not be listened to (the right is CAP_NET_BROADCAST, at this moment),
 * its links are not followed. */
int watch_open_ways(struct watch *watch, struct text *why)
{
    static const int groups[] = {RTNLGRP_LINK, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
                                 RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE};
    int on = 1, result = open_groups(watch, NETLINK_ROUTE, groups,
                                     sizeof(groups) / sizeof(*groups), "network", why);
    if (result == 0)
        mnl_socket_setsockopt(watch->socket, NETLINK_LISTEN_ALL_NSID, &on, sizeof(on));
    return result;
}

int watch_open_tables(struct watch *watch, struct text *why)
{
    static const int group = NFNLGRP_NFTABLES;
    return open_groups(watch, NETLINK_NETFILTER, &group, 1, "nftables", why);
}

void watch_close(struct watch *watch)
{
    if (watch->socket)
        mnl_socket_close(watch->socket);
    watch->socket = NULL;
}

int watch_fd(const struct watch *watch)
{
    return mnl_socket_get_fd(watch->socket);
}

static bool link_event(const struct nlmsghdr *message, struct watch_event *event)
{
    const struct ifinfomsg *body = mnl_nlmsg_get_payload(message);
    if (mnl_nlmsg_get_payload_len(message) < sizeof(*body))
        return false;
    *event = (struct watch_event){.kind = WATCH_LINK,
                                  .interface_index = body->ifi_index,
                                  .is_up = (body->ifi_flags & IFF_UP) != 0,
                                  .is_gone = message->nlmsg_type == RTM_DELLINK};
    const struct nlattr *attribute;
    mnl_attr_for_each(attribute, message, sizeof(*body))
    {
        if (mnl_attr_get_type(attribute) == IFLA_GROUP &&
            mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
            event->group = mnl_attr_get_u32(attribute);
        if (mnl_attr_get_type(attribute) == IFLA_MASTER &&
            mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
            event->master_index = (int)mnl_attr_get_u32(attribute);
        if (mnl_attr_get_type(attribute) == IFLA_IFNAME &&
            mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
            strncpy(event->name, mnl_attr_get_str(attribute), sizeof(event->name) - 1);
    }
    return true;
}

static bool route_event(const struct nlmsghdr *message, struct watch_event *event)
{
    const struct rtmsg *body = mnl_nlmsg_get_payload(message);
    if (mnl_nlmsg_get_payload_len(message) < sizeof(*body) ||
        (body->rtm_flags & RTM_F_CLONED))
        return false;
    enum family family = netlink_family_from(body->rtm_family);
    *event = (struct watch_event){
        .kind = WATCH_ROUTE,
        .is_gone = message->nlmsg_type == RTM_DELROUTE,
        .table = body->rtm_table,
        .prefix = {.address.family = (uint8_t)family, .len_bits = body->rtm_dst_len}};
    event->is_hopwires = body->rtm_protocol == KERNEL_ROUTE_PROTOCOL;
    if (event->is_hopwires && !event->is_gone)
        return false;
    const struct nlattr *attribute;
    mnl_attr_for_each(attribute, message, sizeof(*body))
    {
        uint16_t type = mnl_attr_get_type(attribute);
        if (type == RTA_DST)
            netlink_get_address(attribute, family, &event->prefix.address);
        if (type == RTA_TABLE && mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
            event->table = mnl_attr_get_u32(attribute);
        if (type == RTA_OIF && mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
            event->interface_index = (int)mnl_attr_get_u32(attribute);
    }
    return true;
}

static void rule_event(const struct nlmsghdr *message, struct watch_event *event)
{
    const struct nlattr *attribute;
    *event =
        (struct watch_event){.kind = WATCH_RULE, .is_gone = message->nlmsg_type == RTM_DELRULE};
    mnl_attr_for_each(attribute, message, sizeof(struct fib_rule_hdr))
    {
        if (mnl_attr_get_type(attribute) == FRA_PROTOCOL &&
            mnl_attr_validate(attribute, MNL_TYPE_U8) >= 0)
            event->is_hopwires = kernel_rule_is_hopwires(mnl_attr_get_u8(attribute));
    }
}

static bool filter_event(const struct nlmsghdr *message, struct watch_event *event)
{
    const struct nlattr *attribute;
    mnl_attr_for_each(attribute, message, sizeof(struct netconfmsg))
    {
        if (mnl_attr_get_type(attribute) == NETCONFA_RP_FILTER) {
            *event = (struct watch_event){.kind = WATCH_FILTER};
            return true;
        }
    }
    return false;
}

/* In every message of nftables about a table or what is in it the first attribute is its name. */
static bool table_event(const struct nlmsghdr *message, struct watch_event *event)
{
    static const char prefix[] = "hopwire_";
    const struct nlattr *attribute;
    if (mnl_nlmsg_get_payload_len(message) < sizeof(struct nfgenmsg))
        return false;
    mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg))
    {
        if (mnl_attr_get_type(attribute) == NFTA_TABLE_NAME &&
            mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0 &&
            strncmp(mnl_attr_get_str(attribute), prefix, sizeof(prefix) - 1) == 0) {
            *event = (struct watch_event){
                .kind = WATCH_TABLE,
                .is_gone = (message->nlmsg_type & 0xff) == NFT_MSG_DELTABLE};
            return true;
        }
    }
    return false;
}

/* False: nothing that anybody waits for. The types of both sockets' messages differ. */
static bool event_of(const struct nlmsghdr *message, struct watch_event *event)
{
    const struct ifaddrmsg *address = mnl_nlmsg_get_payload(message);
    size_t len = mnl_nlmsg_get_payload_len(message);
    switch (message->nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
        return link_event(message, event);
    case RTM_NEWADDR:
    case RTM_DELADDR:
        if (len < sizeof(*address))
            return false;
        *event = (struct watch_event){.kind = WATCH_ADDRESS,
                                      .interface_index = (int)address->ifa_index,
                                      .is_gone = message->nlmsg_type == RTM_DELADDR};
        return true;
    case RTM_NEWNETCONF:
        return len >= sizeof(struct netconfmsg) && filter_event(message, event);
    case RTM_NEWRULE:
    case RTM_DELRULE:
        if (len < sizeof(struct fib_rule_hdr))
            return false;
        rule_event(message, event);
        return true;
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
        return route_event(message, event);
    default:
        return message->nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES &&
               (message->nlmsg_type & 0xff) != NFT_MSG_NEWGEN && table_event(message, event);
    }
}

int watch_read(struct watch *watch, void (*tell)(void *context, const struct watch_event *event),
               void *context)
{
    uint8_t bytes[DATAGRAM_BYTES] __attribute__((aligned(8)));
    struct watch_event event;
    for (;;) {
        ssize_t received = mnl_socket_recvfrom(watch->socket, bytes, sizeof(bytes));
        if (received < 0 && errno == EINTR)
            continue;
        if (received < 0 && (errno == ENOBUFS || errno == ENOSPC)) {
            event = (struct watch_event){.kind = WATCH_LOST};
            tell(context, &event);
            continue;
        }
        if (received <= 0)
            return received == 0 || errno == EAGAIN ? 0 : -errno;
        int len = (int)received;
        for (const struct nlmsghdr *message = (void *)bytes; mnl_nlmsg_ok(message, len);
             message = mnl_nlmsg_next(message, &len))
            if (event_of(message, &event))
                tell(context, &event);
    }
}
