/* SPDX-License-Identifier: MIT */
#include "host/control_passed.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PASSED_MOST 8 /* taken at once; the kernel closes the rest */

ssize_t control_passed_send(int socket, const char *bytes, size_t len, int passed)
{
    struct iovec part = {.iov_base = (char *)bytes, .iov_len = len};
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (passed >= 0) {
        control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)),
                                        .cmsg_level = SOL_SOCKET,
                                        .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.head), &passed, sizeof(passed));
        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL);
}

static void keep(const struct cmsghdr *head, int *passed)
{
    size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
        if (*passed >= 0)
            close(*passed);
        memcpy(passed, CMSG_DATA(head) + i * sizeof(int), sizeof(int));
    }
}

ssize_t control_passed_receive(int socket, char *bytes, size_t room, int *passed)
{
    struct iovec part = {.iov_base = bytes, .iov_len = room};
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(PASSED_MOST * sizeof(int))];
    } control;
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    struct cmsghdr *head = got < 0 ? NULL : CMSG_FIRSTHDR(&message);
    for (; head; head = CMSG_NXTHDR(&message, head))
        if (head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS)
            keep(head, passed);
    return got;
}
