/* SPDX-License-Identifier: MIT */
/* What comes with a request's bytes: one open file, never one that nobody closes. */
#include "host/control_passed.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/control_client.h"
#include "host/control_socket.h"
#include "tap.h"

static char directory[96], path[108], said[512];

static int open_count(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static int make_file(const char *text)
{
    int file = memfd_create("passed", MFD_CLOEXEC);
    CHECK_EQUAL(write(file, text, strlen(text)), (long long)strlen(text));
    return file;
}

static void test_of_several_the_last_stays_and_none_leaks(void)
{
    int ends[2], before, passed = -1;
    char bytes[16], text[16] = {0};
    CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    before = open_count();
    for (int i = 0; i < 3; i++) {
        snprintf(text, sizeof(text), "file %d", i);
        int file = make_file(text);
        CHECK_EQUAL(control_passed_send(ends[0], "x", 1, file), 1);
        close(file);
        CHECK_EQUAL(control_passed_receive(ends[1], bytes, sizeof(bytes), &passed), 1);
    }
    CHECK(passed >= 0 && (fcntl(passed, F_GETFD) & FD_CLOEXEC));
    CHECK_EQUAL(open_count(), before + 1);
    CHECK_EQUAL(pread(passed, text, sizeof(text), 0), 6);
    CHECK_TEXT(text, "file 2");
    CHECK_EQUAL(control_passed_send(ends[0], "y", 1, -1), 1);
    CHECK_EQUAL(control_passed_receive(ends[1], bytes, sizeof(bytes), &passed), 1);
    CHECK_EQUAL(open_count(), before + 1);
    close(passed);
    close(ends[0]);
    close(ends[1]);
}

/* Many in one message: eight are taken, of which one stays. */
static void test_a_heap_of_them_is_closed(void)
{
    int ends[2], many[32], passed = -1;
    char bytes[16];
    CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    for (int i = 0; i < 32; i++)
        many[i] = ends[0];
    struct iovec part = {.iov_base = bytes, .iov_len = 1};
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(many))];
    } control = {.head = {.cmsg_len = CMSG_LEN(sizeof(many)), .cmsg_level = SOL_SOCKET,
                          .cmsg_type = SCM_RIGHTS}};
    memcpy(CMSG_DATA(&control.head), many, sizeof(many));
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    int before = open_count();
    CHECK_EQUAL(sendmsg(ends[0], &message, 0), 1);
    CHECK_EQUAL(control_passed_receive(ends[1], bytes, sizeof(bytes), &passed), 1);
    CHECK_EQUAL(open_count(), before + 1);
    close(passed);
    close(ends[0]);
    close(ends[1]);
}

static void answer_with_file(void *context, char *line, struct control_answer *answer)
{
    char text[64] = "nothing";
    (void)context;
    if (!line)
        return;
    int passed = strcmp(line, "leave it") == 0 ? -1 : control_answer_take_passed(answer);
    if (passed >= 0) {
        ssize_t len = pread(passed, text, sizeof(text) - 1, 0);
        text[len > 0 ? len : 0] = '\0';
        close(passed);
    }
    control_answer_format(answer, "%s: %s", line, text);
    control_answer_end(answer);
}

static bool is_answered(struct control_socket *server, const char *request, const char *text,
                        const char *expected)
{
    int status = -1, file = text ? make_file(text) : -1;
    pid_t child = fork();
    if (child == 0) {
        char *answer;
        size_t len;
        struct text why;
        text_init(&why, said, sizeof(said));
        _exit(control_client_ask(path, request, file, 5000, &answer, &len, &why) < 0 ||
              strcmp(answer, expected) != 0);
    }
    if (file >= 0)
        close(file);
    while (waitpid(child, &status, WNOHANG) == 0) {
        struct pollfd poller = {.fd = control_socket_fd(server), .events = POLLIN};
        poll(&poller, 1, 10);
        control_socket_dispatch(server);
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void test_a_request_has_its_file(void)
{
    struct control_socket *server = NULL;
    struct text why;
    const struct control_options options = {.request = answer_with_file, .memory = tap_memory()};
    text_init(&why, said, sizeof(said));
    tap_make_directory(directory, sizeof(directory), "passed");
    snprintf(path, sizeof(path), "%s/net.sock", directory);
    CHECK_EQUAL(control_socket_open(path, &options, &server, &why), 0);
    int before = open_count();
    CHECK(is_answered(server, "read", "secret", "read: secret"));
    CHECK(is_answered(server, "read", NULL, "read: nothing"));
    CHECK(is_answered(server, "leave it", "secret", "leave it: nothing"));
    control_socket_dispatch(server);
    CHECK_EQUAL(open_count(), before);
    control_socket_close(server);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
    CHECK_EQUAL(rmdir(directory), 0);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_of_several_the_last_stays_and_none_leaks);
    TAP_RUN(argc, argv, test_a_heap_of_them_is_closed);
    TAP_RUN(argc, argv, test_a_request_has_its_file);
    return tap_done();
}
