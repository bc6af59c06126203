/* SPDX-License-Identifier: MIT */
/* A kernel of our own answers: libmnl's two calls are ours here. */
#include "host/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "tap.h"

#define LISTED 3 /* what each list has */

/* Its lists, in turn: the place of the message that says that it changed (LISTED: at its end). */
enum { WHOLE = -1 };
static struct {
    int torn_at[16];
    int end_error; /* of each list */
    int late;      /* messages of an earlier request that come first */
    unsigned asked;
    uint32_t sequence;
} kernel;

ssize_t mnl_socket_sendto(const struct mnl_socket *socket, const void *bytes, size_t len)
{
    (void)socket;
    kernel.sequence = ((const struct nlmsghdr *)bytes)->nlmsg_seq;
    kernel.asked++;
    return (ssize_t)len;
}

static struct nlmsghdr *put(uint8_t *bytes, size_t *len, int type, int number, bool is_torn)
{
    struct nlmsghdr *message = mnl_nlmsg_put_header(bytes + *len);
    message->nlmsg_type = (uint16_t)type;
    message->nlmsg_flags = (uint16_t)(NLM_F_MULTI | (is_torn ? NLM_F_DUMP_INTR : 0));
    message->nlmsg_seq = kernel.sequence;
    *(int *)mnl_nlmsg_put_extra_header(message, sizeof(int)) = number;
    *len += MNL_ALIGN(message->nlmsg_len);
    return message;
}

ssize_t mnl_socket_recvfrom(const struct mnl_socket *socket, void *bytes, size_t capacity)
{
    (void)socket;
    (void)capacity;
    size_t len = 0;
    int torn_at = kernel.torn_at[kernel.asked - 1];
    for (int i = 0; i < kernel.late; i++)
        put(bytes, &len, RTM_NEWROUTE, 99, true)->nlmsg_seq--;
    for (int i = 0; i < LISTED; i++)
        put(bytes, &len, RTM_NEWROUTE, (int)kernel.asked * 10 + i, torn_at == i);
    put(bytes, &len, NLMSG_DONE, kernel.end_error, torn_at == LISTED);
    return (ssize_t)len;
}

struct kept {
    int numbers[64];
    size_t count;
    int refuses_at; /* this number; 0: none */
};

static int keep(void *context, const struct nlmsghdr *message)
{
    struct kept *kept = context;
    int number = *(const int *)mnl_nlmsg_get_payload(message);
    if (number == kept->refuses_at)
        return -ENOMEM;
    kept->numbers[kept->count++] = number;
    return 0;
}

static int list(struct netlink *netlink, struct kept *kept)
{
    uint8_t bytes[NETLINK_REQUEST_BYTES] __attribute__((aligned(8)));
    struct nlmsghdr *request = netlink_request(bytes, RTM_GETROUTE, NLM_F_DUMP);
    kernel.asked = 0;
    return netlink_list(netlink, request, keep, kept, &kept->count);
}

/* Wherever it is torn, what was read of it is forgotten, and what the caller had before stays. */
static void test_a_torn_list_is_read_anew(void)
{
    for (int at = 0; at <= LISTED; at++) {
        struct netlink netlink = {0};
        struct kept kept = {.numbers = {7}, .count = 1};
        kernel.late = at;
        for (int i = 0; i < 16; i++)
            kernel.torn_at[i] = i < 2 ? at : WHOLE;
        CHECK_EQUAL(list(&netlink, &kept), 0);
        CHECK_EQUAL(kernel.asked, 3);
        CHECK_EQUAL(kept.count, 1 + LISTED);
        CHECK_EQUAL(kept.numbers[0], 7);
        for (int i = 0; i < LISTED; i++)
            CHECK_EQUAL(kept.numbers[1 + i], 30 + i);
    }
    kernel.late = 0;
}

static void test_a_list_that_never_holds_still_is_refused(void)
{
    struct netlink netlink = {0};
    struct kept kept = {.count = 0};
    memset(kernel.torn_at, 0, sizeof(kernel.torn_at));
    CHECK_EQUAL(list(&netlink, &kept), -EINTR);
    CHECK(kernel.asked > 1 && kernel.asked < 16);
    CHECK_TEXT(netlink.reason, strerror(EINTR));
    CHECK(netlink_is_passing(-EINTR));
}

/* The refusal counts, also of a list that is torn: nobody asks for what has no room. */
static void test_what_has_no_room_is_not_asked_again(void)
{
    struct netlink netlink = {0};
    struct kept kept = {.refuses_at = 11};
    kernel.torn_at[0] = 0;
    CHECK_EQUAL(list(&netlink, &kept), -ENOMEM);
    CHECK_EQUAL(kernel.asked, 1);
    CHECK_TEXT(netlink.reason, strerror(ENOMEM));
    kept = (struct kept){.count = 0};
    kernel.end_error = -EBUSY; /* the kernel's own, midway */
    CHECK_EQUAL(list(&netlink, &kept), -EBUSY);
    CHECK_EQUAL(kernel.asked, 1);
    kernel.end_error = 0;
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_a_torn_list_is_read_anew);
    TAP_RUN(argc, argv, test_a_list_that_never_holds_still_is_refused);
    TAP_RUN(argc, argv, test_what_has_no_room_is_not_asked_again);
    return tap_done();
}
