/* SPDX-License-Identifier: MIT */
#include "host/bridge.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum kind {
    KIND_OTHER, /* hardware, and what leads elsewhere: bond, vlan, vxlan, ... */
    KIND_BRIDGE,
    KIND_VETH,
    KIND_VIRTUAL, /* TUN and TAP, dummy: nothing behind it but a program of this host */
};

struct device {
    struct bridge self;
    enum kind kind;
    int master;
    int peer; /* of a veth whose other end is in this namespace too, else 0 */
    bool is_guests; /* of a bridge: as far as is known */
};

struct devices {
    struct device *list;
    size_t count, capacity;
};

static enum kind kind_of(const struct nlattr *information)
{
    const struct nlattr *part;
    mnl_attr_for_each_nested(part, information)
    {
        if (mnl_attr_get_type(part) != IFLA_INFO_KIND ||
            mnl_attr_validate(part, MNL_TYPE_NUL_STRING) < 0)
            continue;
        const char *name = mnl_attr_get_str(part);
        return strcmp(name, "bridge") == 0 ? KIND_BRIDGE
               : strcmp(name, "veth") == 0 ? KIND_VETH
               : strcmp(name, "tun") == 0 || strcmp(name, "dummy") == 0 ? KIND_VIRTUAL
                                                                        : KIND_OTHER;
    }
    return KIND_OTHER;
}

static void read_device(const struct nlmsghdr *message, struct device *device)
{
    const struct ifinfomsg *body = mnl_nlmsg_get_payload(message);
    const struct nlattr *attribute;
    bool is_elsewhere = false;
    *device = (struct device){.self.index = body->ifi_index};
    mnl_attr_for_each(attribute, message, sizeof(*body))
    {
        uint16_t type = mnl_attr_get_type(attribute);
        bool is_number = mnl_attr_get_payload_len(attribute) == sizeof(uint32_t);
        if (type == IFLA_IFNAME && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
            strncpy(device->self.name, mnl_attr_get_str(attribute), IF_NAMESIZE - 1);
        else if (type == IFLA_LINKINFO)
            device->kind = kind_of(attribute);
        else if (type == IFLA_MASTER && is_number)
            device->master = (int)mnl_attr_get_u32(attribute);
        else if (type == IFLA_LINK && is_number)
            device->peer = (int)mnl_attr_get_u32(attribute);
        else if (type == IFLA_LINK_NETNSID)
            is_elsewhere = true;
    }
    if (is_elsewhere || device->kind != KIND_VETH)
        device->peer = 0;
    device->is_guests = device->kind == KIND_BRIDGE;
}

static int add_device(void *context, const struct nlmsghdr *message)
{
    struct devices *devices = context;
    if (message->nlmsg_type != RTM_NEWLINK ||
        mnl_nlmsg_get_payload_len(message) < sizeof(struct ifinfomsg))
        return -EBADMSG;
    if (devices->count == devices->capacity) {
        size_t capacity = devices->capacity ? 2 * devices->capacity : 32;
        struct device *more = realloc(devices->list, capacity * sizeof(*more));
        if (!more)
            return -ENOMEM;
        devices->list = more;
        devices->capacity = capacity;
    }
    read_device(message, &devices->list[devices->count++]);
    return 0;
}

static int compare_indices(const void *a, const void *b)
{
    const struct device *one = a, *other = b;
    return (one->self.index > other->self.index) - (one->self.index < other->self.index);
}

static struct device *find(const struct devices *devices, int index)
{
    struct device key = {.self.index = index};
    return index > 0 ? bsearch(&key, devices->list, devices->count, sizeof(key), compare_indices)
                     : NULL;
}

/* What is behind a port: guests, as far as is known, or something else. */
static bool leads_to_guests(const struct devices *devices, const struct device *port)
{
    if (port->kind != KIND_VETH)
        return port->kind == KIND_VIRTUAL;
    const struct device *peer = find(devices, port->peer);
    if (!peer || !peer->master)
        return true;
    const struct device *behind = find(devices, peer->master);
    return behind && behind->is_guests;
}

/* Until nothing changes: each round takes at least one bridge away. */
static void strike_out_others(struct devices *devices)
{
    bool has_changed = true;
    while (has_changed) {
        has_changed = false;
        for (size_t i = 0; i < devices->count; i++) {
            struct device *bridge = find(devices, devices->list[i].master);
            if (!bridge || !bridge->is_guests || leads_to_guests(devices, &devices->list[i]))
                continue;
            bridge->is_guests = false;
            has_changed = true;
        }
    }
}

int bridge_list_guests(struct netlink *netlink, struct bridge **bridges, size_t *count,
                       struct text *why)
{
    uint8_t bytes[NETLINK_REQUEST_BYTES] __attribute__((aligned(8)));
    struct devices devices = {0};
    struct nlmsghdr *request = netlink_request(bytes, RTM_GETLINK, NLM_F_DUMP);
    struct ifinfomsg *body = mnl_nlmsg_put_extra_header(request, sizeof(*body));
    body->ifi_family = AF_UNSPEC;
    *count = 0;
    *bridges = NULL;
    int result = netlink_ask(netlink, request, add_device, &devices);
    if (result == 0 && devices.count) {
        qsort(devices.list, devices.count, sizeof(*devices.list), compare_indices);
        strike_out_others(&devices);
        *bridges = calloc(devices.count, sizeof(**bridges));
        result = *bridges ? 0 : -ENOMEM;
    }
    for (size_t i = 0; result == 0 && i < devices.count; i++) {
        if (devices.list[i].is_guests)
            (*bridges)[(*count)++] = devices.list[i].self;
    }
    if (result != 0)
        text_append(why, "cannot list the host's bridges: %s", netlink->reason);
    free(devices.list);
    return result;
}
