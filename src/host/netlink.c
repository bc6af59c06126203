/* SPDX-License-Identifier: MIT */
#include "host/netlink.h"

#include <assert.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#define ANSWER_BYTES 65536
#define WAIT_S 10
#define LIST_TRIES 8

static int open_bus(struct netlink *netlink, int bus, struct text *why)
{
    struct mnl_socket *socket = mnl_socket_open2(bus, SOCK_CLOEXEC);
    if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
        int error = errno;
        text_append(why, "cannot open a netlink socket: %s", strerror(error));
        if (socket)
            mnl_socket_close(socket);
        return -error;
    }
    /* Old kernels lack some: then refusals are tersely worded and dumps longer, nothing else. */
    int on = 1;
    mnl_socket_setsockopt(socket, NETLINK_EXT_ACK, &on, sizeof(on));
    mnl_socket_setsockopt(socket, NETLINK_CAP_ACK, &on, sizeof(on));
    mnl_socket_setsockopt(socket, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
    struct timeval wait = {.tv_sec = WAIT_S};
    setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    *netlink = (struct netlink){.socket = socket};
    return 0;
}

int netlink_open(struct netlink *netlink, struct text *why)
{
    return open_bus(netlink, NETLINK_ROUTE, why);
}

int netlink_open_netfilter(struct netlink *netlink, struct text *why)
{
    return open_bus(netlink, NETLINK_NETFILTER, why);
}

void netlink_close(struct netlink *netlink)
{
    if (netlink->socket)
        mnl_socket_close(netlink->socket);
    netlink->socket = NULL;
}

struct nlmsghdr *netlink_request(void *bytes, uint16_t type, uint16_t flags)
{
    memset(bytes, 0, NETLINK_REQUEST_BYTES);
    struct nlmsghdr *request = mnl_nlmsg_put_header(bytes);
    request->nlmsg_type = type;
    request->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    return request;
}

static int find_text(const struct nlattr *attribute, void *found)
{
    if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MSG &&
        mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
        *(const char **)found = mnl_attr_get_str(attribute);
    return MNL_CB_OK;
}

/* Words for -errno, and the kernel's own where it gives some (extended acknowledgement). */
static void keep_reason(struct netlink *netlink, int error, const struct nlmsghdr *message)
{
    const char *said = NULL;
    const struct nlmsgerr *body = message ? mnl_nlmsg_get_payload(message) : NULL;
    if (body && (message->nlmsg_flags & NLM_F_ACK_TLVS)) {
        size_t offset = sizeof(*body);
        if (!(message->nlmsg_flags & NLM_F_CAPPED) && body->msg.nlmsg_len >= sizeof(body->msg))
            offset += body->msg.nlmsg_len - sizeof(body->msg);
        if (offset <= mnl_nlmsg_get_payload_len(message))
            mnl_attr_parse(message, (unsigned)offset, find_text, &said);
    }
    const char *advice = "";
    if (error == EPERM)
        advice = "; run it as root, or give it CAP_NET_ADMIN";
    snprintf(netlink->reason, sizeof(netlink->reason), "%s%s%s%s%s", strerror(error),
             said ? " (the kernel says: " : "", said ? said : "", said ? ")" : "", advice);
}

static int send_all(struct netlink *netlink, const void *bytes, size_t len)
{
    if (mnl_socket_sendto(netlink->socket, bytes, len) >= 0)
        return 0;
    int error = errno;
    keep_reason(netlink, error, NULL);
    return -error;
}

/* Reads one datagram of answers; its length or -errno. */
static ssize_t receive_answer(struct netlink *netlink, uint8_t *bytes)
{
    ssize_t len;
    do
        len = mnl_socket_recvfrom(netlink->socket, bytes, ANSWER_BYTES);
    while (len < 0 && errno == EINTR);
    if (len >= 0)
        return len;
    int error = errno == EAGAIN ? ETIMEDOUT : errno;
    keep_reason(netlink, error, NULL);
    return -error;
}

static bool is_error_message(const struct nlmsghdr *message)
{
    return message->nlmsg_type == NLMSG_ERROR &&
           mnl_nlmsg_get_payload_len(message) >= sizeof(struct nlmsgerr);
}

static int error_of(const struct nlmsghdr *message)
{
    return ((const struct nlmsgerr *)mnl_nlmsg_get_payload(message))->error;
}

/* A dump's end carries an error number when the dump failed midway. */
static int end_of_dump(struct netlink *netlink, const struct nlmsghdr *message)
{
    int error = 0;
    if (mnl_nlmsg_get_payload_len(message) >= sizeof(error))
        memcpy(&error, mnl_nlmsg_get_payload(message), sizeof(error));
    if (error < 0)
        keep_reason(netlink, -error, NULL);
    return error < 0 ? error : 0;
}

int netlink_ask(struct netlink *netlink, struct nlmsghdr *request, netlink_answer answer,
                void *context)
{
    bool is_dump = (request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
    if (!is_dump)
        request->nlmsg_flags |= NLM_F_ACK;
    request->nlmsg_seq = ++netlink->sequence;
    netlink->is_torn = false;
    int result = send_all(netlink, request, request->nlmsg_len);
    if (result < 0)
        return result;

    int refused = 0;
    uint8_t bytes[ANSWER_BYTES] __attribute__((aligned(8)));
    for (;;) {
        ssize_t received = receive_answer(netlink, bytes);
        if (received < 0)
            return (int)received;
        int len = (int)received;
        for (const struct nlmsghdr *message = (void *)bytes; mnl_nlmsg_ok(message, len);
             message = mnl_nlmsg_next(message, &len)) {
            if (message->nlmsg_seq != netlink->sequence)
                continue; /* the late end of a request that timed out */
            netlink->is_torn |= is_dump && (message->nlmsg_flags & NLM_F_DUMP_INTR);
            if (is_error_message(message)) {
                if (error_of(message) < 0)
                    keep_reason(netlink, -error_of(message), message);
                return error_of(message) < 0 ? error_of(message) : refused;
            }
            if (message->nlmsg_type == NLMSG_DONE) {
                result = end_of_dump(netlink, message);
                return result < 0 ? result : refused;
            }
            if (message->nlmsg_type >= NLMSG_MIN_TYPE && answer && refused == 0) {
                refused = answer(context, message);
                if (refused < 0)
                    keep_reason(netlink, -refused, NULL);
            }
        }
    }
}

int netlink_list(struct netlink *netlink, struct nlmsghdr *request, netlink_answer answer,
                 void *context, size_t *count)
{
    const size_t before = *count;
    for (unsigned i = 0; i < LIST_TRIES; i++) {
        *count = before;
        int result = netlink_ask(netlink, request, answer, context);
        if (result < 0 || !netlink->is_torn)
            return result;
    }
    keep_reason(netlink, EINTR, NULL);
    return -EINTR;
}

bool netlink_is_passing(int error)
{
    return error == -ENOMEM || error == -ENOBUFS || error == -EBUSY || error == -EINTR ||
           error == -ETIMEDOUT;
}

/* Numbers the requests and asks for one acknowledgement, at the end: a refusal speaks up by itself.
 * Their length in bytes. */
static size_t number_requests(struct netlink *netlink, uint8_t *requests, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        struct nlmsghdr *request = (void *)(requests + len);
        request->nlmsg_seq = ++netlink->sequence;
        if (i + 1 == count)
            request->nlmsg_flags |= NLM_F_ACK;
        len += MNL_ALIGN(request->nlmsg_len);
    }
    return len;
}

int netlink_ask_all(struct netlink *netlink, uint8_t *requests, size_t count, int tolerated,
                    size_t *failed)
{
    assert(count > 0 && count <= NETLINK_BATCH_MOST);
    uint32_t first_sequence = netlink->sequence + 1;
    size_t len_bytes = number_requests(netlink, requests, count);
    *failed = 0;
    int result = send_all(netlink, requests, len_bytes);
    if (result < 0)
        return result;

    uint8_t bytes[ANSWER_BYTES] __attribute__((aligned(8)));
    for (;;) {
        ssize_t received = receive_answer(netlink, bytes);
        if (received < 0)
            return (int)received;
        int len = (int)received;
        for (const struct nlmsghdr *message = (void *)bytes; mnl_nlmsg_ok(message, len);
             message = mnl_nlmsg_next(message, &len)) {
            uint32_t place = message->nlmsg_seq - first_sequence;
            if (!is_error_message(message) || place >= count)
                continue;
            int error = error_of(message);
            if (error < 0 && error != tolerated && result == 0) {
                result = error;
                *failed = place;
                keep_reason(netlink, -error, message);
            }
            if (place + 1 == count)
                return result;
        }
    }
}

uint8_t netlink_family(enum family family)
{
    return family == FAMILY_IPV4 ? AF_INET : family == FAMILY_IPV6 ? AF_INET6 : AF_UNSPEC;
}

enum family netlink_family_from(uint8_t family)
{
    return family == AF_INET ? FAMILY_IPV4 : family == AF_INET6 ? FAMILY_IPV6 : FAMILY_NONE;
}

void netlink_put_address(struct nlmsghdr *request, uint16_t type, const struct address *address)
{
    mnl_attr_put(request, type, family_bytes(address->family), address->bytes);
}

bool netlink_get_address(const struct nlattr *attribute, enum family family,
                         struct address *address)
{
    if (family == FAMILY_NONE || mnl_attr_get_payload_len(attribute) != family_bytes(family))
        return false;
    *address = address_from_bytes(family, mnl_attr_get_payload(attribute));
    return true;
}
