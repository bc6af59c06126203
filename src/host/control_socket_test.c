/* SPDX-License-Identifier: MIT */
#include "host/control_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/control_client.h"
#include "tap.h"

static char directory[96], path[108], said[512];
static struct text why;

#define PIECES 300
#define PIECE_BYTES 10000

/* What the server under test heard. */
struct heard {
    unsigned lines, ends, pieces;
    char last[CONTROL_SOCKET_LINE_BYTES];
};

static bool append_piece(void *context, struct control_answer *answer)
{
    struct heard *heard = context;
    control_answer_format(answer, "%*u\n", PIECE_BYTES - 1, ++heard->pieces);
    return heard->pieces < PIECES;
}

static void answer_line(void *context, char *line, struct control_answer *answer)
{
    struct heard *heard = context;
    unsigned **count = (unsigned **)control_answer_slot(answer);
    if (!line) {
        heard->ends++;
        free(*count);
        return;
    }
    if (!*count)
        *count = calloc(1, sizeof(**count));
    ++**count;
    heard->lines++;
    snprintf(heard->last, sizeof(heard->last), "%s", line);
    if (strcmp(line, "large") == 0) {
        static const char block[10000] = {[0 ... 9999] = 'x'};
        for (unsigned i = 0; i < 300; i++)
            control_answer_bytes(answer, block, sizeof(block));
    } else if (strcmp(line, "endless") == 0) {
        for (unsigned i = 0; i < 200; i++)
            control_answer_format(answer, "%100000d", 1);
    } else if (strcmp(line, "pieces") == 0) {
        control_answer_continue(answer, append_piece);
        return;
    } else if (strcmp(line, "bye") == 0) {
        control_answer_end(answer);
    }
    control_answer_format(answer, "%u:%s\n", **count, line);
}

static int open_server(const char *at, struct heard *heard, struct control_socket **server)
{
    const struct control_options options = {.request = answer_line,
                                            .context = heard,
                                            .memory = tap_memory(),
                                            .unreadable = "no line\n"};
    return control_socket_open(at, &options, server, &why);
}

static struct control_socket *start(struct heard *heard)
{
    struct control_socket *server = NULL;
    *heard = (struct heard){0};
    tap_make_directory(directory, sizeof(directory), "control");
    snprintf(path, sizeof(path), "%s/net.sock", directory);
    text_init(&why, said, sizeof(said));
    CHECK_EQUAL(open_server(path, heard, &server), 0);
    return server;
}

static void end(struct control_socket *server)
{
    control_socket_close(server);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
    CHECK_EQUAL(access(path, F_OK), -1);
    CHECK_EQUAL(rmdir(directory), 0);
}

static int connect_client(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK_EQUAL(connect(fd, (const void *)&address, sizeof(address)), 0);
    return fd;
}

/* Lets the server do all that is ready. */
static void turn(struct control_socket *server)
{
    for (unsigned i = 0; i < 50; i++) {
        struct pollfd poller = {.fd = control_socket_fd(server), .events = POLLIN};
        if (poll(&poller, 1, 0) <= 0)
            return;
        control_socket_dispatch(server);
    }
}

static void say(int fd, const char *text)
{
    CHECK_EQUAL(send(fd, text, strlen(text), MSG_NOSIGNAL), (long long)strlen(text));
}

/* -1: nothing yet; 0: closed. */
static ssize_t hear(int fd, char *bytes, size_t capacity)
{
    ssize_t got = recv(fd, bytes, capacity - 1, 0);
    bytes[got > 0 ? got : 0] = '\0';
    return got < 0 && errno == ECONNRESET ? 0 : got;
}

/* Asks from another process, since asking blocks; 0 when the answer is `expected`. */
static int ask_meanwhile(struct control_socket *server, const char *request, const char *expected)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        char *answer;
        size_t len;
        if (control_client_ask(path, request, -1, 5000, &answer, &len, &why) < 0)
            _exit(2);
        bool is_right = expected ? strcmp(answer, expected) == 0 : len > 3000000;
        free(answer);
        _exit(!is_right);
    }
    while (waitpid(child, &status, WNOHANG) == 0) {
        struct pollfd poller = {.fd = control_socket_fd(server), .events = POLLIN};
        poll(&poller, 1, 10);
        control_socket_dispatch(server);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_a_request_is_answered_to_its_end(void)
{
    struct heard heard;
    struct control_socket *server = start(&heard);
    struct stat found;
    CHECK(stat(path, &found) == 0 && (found.st_mode & 0777) == 0600);
    CHECK(control_socket_stands(server));
    CHECK_EQUAL(ask_meanwhile(server, "status", "1:status\n"), 0);
    CHECK_EQUAL(ask_meanwhile(server, "set=1\na=b\n", "1:set=1\n2:a=b\n3:\n"), 0);
    CHECK_EQUAL(ask_meanwhile(server, "large", NULL), 0);
    CHECK_EQUAL(heard.lines, 5);
    turn(server);
    CHECK_EQUAL(heard.ends, 3);
    end(server);
}

static void test_lines_come_in_pieces_and_in_heaps(void)
{
    struct heard heard;
    struct control_socket *server = start(&heard);
    char bytes[256];
    int fd = connect_client();
    static const char pieces[] = "first\nsecond\n";
    for (unsigned i = 0; i < sizeof(pieces) - 1; i++) {
        char one[2] = {pieces[i], '\0'};
        say(fd, one);
        turn(server);
        CHECK_EQUAL(heard.lines, (unsigned)(i >= 5) + (i >= 12));
    }
    say(fd, "a\nb\n\nc");
    turn(server);
    CHECK_EQUAL(heard.lines, 5);
    hear(fd, bytes, sizeof(bytes));
    CHECK_TEXT(bytes, "1:first\n2:second\n3:a\n4:b\n5:\n");
    say(fd, "\nbye\nmore\n");
    turn(server);
    hear(fd, bytes, sizeof(bytes));
    CHECK_TEXT(bytes, "6:c\n7:bye\n");
    CHECK_EQUAL(hear(fd, bytes, sizeof(bytes)), 0);
    CHECK_EQUAL(heard.ends, 1);
    close(fd);
    end(server);
}

static void test_a_line_too_long_or_with_a_nul_ends_the_client(void)
{
    struct heard heard;
    struct control_socket *server = start(&heard);
    static char line[CONTROL_SOCKET_LINE_BYTES + 1];
    char bytes[CONTROL_SOCKET_LINE_BYTES + 16];
    memset(line, 'x', CONTROL_SOCKET_LINE_BYTES);
    int longest = connect_client();
    line[CONTROL_SOCKET_LINE_BYTES - 1] = '\n';
    say(longest, line);
    turn(server);
    CHECK_EQUAL(hear(longest, bytes, sizeof(bytes)), CONTROL_SOCKET_LINE_BYTES + 2);
    int longer = connect_client();
    line[CONTROL_SOCKET_LINE_BYTES - 1] = 'x';
    say(longer, line);
    turn(server);
    hear(longer, bytes, sizeof(bytes));
    CHECK_TEXT(bytes, "no line\n");
    CHECK_EQUAL(hear(longer, bytes, sizeof(bytes)), 0);
    int nul = connect_client();
    CHECK_EQUAL(send(nul, "a\0b\n", 4, 0), 4);
    turn(server);
    hear(nul, bytes, sizeof(bytes));
    CHECK_TEXT(bytes, "no line\n");
    CHECK_EQUAL(hear(nul, bytes, sizeof(bytes)), 0);
    CHECK_EQUAL(heard.lines, 1);
    CHECK_EQUAL(heard.ends, 2);
    close(longest);
    close(longer);
    close(nul);
    end(server);
}

static void test_more_clients_than_fit_wait(void)
{
    struct heard heard;
    struct control_socket *server = start(&heard);
    int fds[CONTROL_SOCKET_CLIENTS_MOST + 1], *late = &fds[CONTROL_SOCKET_CLIENTS_MOST];
    char bytes[64];
    for (unsigned i = 0; i <= CONTROL_SOCKET_CLIENTS_MOST; i++) {
        fds[i] = connect_client();
        turn(server);
    }
    say(*late, "x\n");
    turn(server);
    CHECK_EQUAL(hear(*late, bytes, sizeof(bytes)), -1);
    close(fds[3]);
    turn(server);
    hear(*late, bytes, sizeof(bytes));
    CHECK_TEXT(bytes, "1:x\n");
    for (unsigned i = 0; i <= CONTROL_SOCKET_CLIENTS_MOST; i++)
        if (i != 3)
            close(fds[i]);
    turn(server);
    CHECK_EQUAL(heard.ends, CONTROL_SOCKET_CLIENTS_MOST + 1);
    end(server);
}

/* Half a sentence holds no place that somebody else needs, and has an answer; until somebody is
 * idle, who comes waits, and nobody is busy with him. */
static void test_who_is_idle_makes_room(void)
{
    struct heard heard;
    struct control_socket *server = start(&heard);
    int fds[CONTROL_SOCKET_CLIENTS_MOST + 1], *late = &fds[CONTROL_SOCKET_CLIENTS_MOST];
    char bytes[64];
    struct pollfd poller = {.fd = control_socket_fd(server), .events = POLLIN};
    for (unsigned i = 0; i <= CONTROL_SOCKET_CLIENTS_MOST; i++) {
        fds[i] = connect_client();
        say(fds[i], &fds[i] == late ? "x\n" : "half a ");
        turn(server);
    }
    CHECK_EQUAL(hear(*late, bytes, sizeof(bytes)), -1);
    CHECK_EQUAL(poll(&poller, 1, 0), 0);
    CHECK_EQUAL(poll(&poller, 1, 5000), 1); /* the tick */
    turn(server);
    hear(*late, bytes, sizeof(bytes));
    CHECK_TEXT(bytes, "1:x\n");
    hear(fds[0], bytes, sizeof(bytes));
    CHECK_TEXT(bytes, "no line\n");
    CHECK_EQUAL(hear(fds[0], bytes, sizeof(bytes)), 0);
    shutdown(fds[1], SHUT_WR);
    turn(server);
    hear(fds[1], bytes, sizeof(bytes));
    CHECK_TEXT(bytes, "no line\n");
    for (unsigned i = 2; i < CONTROL_SOCKET_CLIENTS_MOST; i++)
        CHECK_EQUAL(hear(fds[i], bytes, sizeof(bytes)), -1);
    for (unsigned i = 0; i <= CONTROL_SOCKET_CLIENTS_MOST; i++)
        close(fds[i]);
    turn(server);
    end(server);
}

static void test_an_answer_in_pieces_waits_for_its_reader(void)
{
    struct heard heard;
    struct control_socket *server = start(&heard);
    static char bytes[PIECE_BYTES * 4];
    int fd = connect_client();
    say(fd, "pieces\nafter\n");
    turn(server);
    CHECK(heard.pieces > 0 && heard.pieces < 60); /* what the socket takes, and a little more */
    CHECK_EQUAL(heard.lines, 1);
    CHECK(tap_memory_balance_bytes() < 200000);
    unsigned before = heard.pieces;
    turn(server);
    CHECK_EQUAL(heard.pieces, before);
    size_t total = 0, tail = sizeof("300\n1:after\n") - 1;
    for (ssize_t got;
         total < PIECES * PIECE_BYTES + 8 && (got = hear(fd, bytes, sizeof(bytes))) != 0;) {
        unsigned pieces = heard.pieces;
        total += got > 0 ? (size_t)got : 0;
        if (total == PIECES * PIECE_BYTES + 8 && CHECK((size_t)got > tail))
            CHECK_TEXT(bytes + got - tail, "300\n2:after\n");
        control_socket_dispatch(server);
        CHECK(heard.pieces <= pieces + 1); /* others get their turn in between */
    }
    CHECK_EQUAL(total, PIECES * PIECE_BYTES + 8);
    CHECK_EQUAL(heard.pieces, PIECES);
    CHECK_EQUAL(heard.lines, 2);
    /* Whoever goes in the midst leaves nothing. */
    heard.pieces = 0;
    say(fd, "pieces\n");
    turn(server);
    close(fd);
    turn(server);
    CHECK_EQUAL(heard.ends, 1);
    end(server);
}

static void test_who_asks_without_reading_is_stopped_and_bounded(void)
{
    struct heard heard;
    struct control_socket *server = start(&heard);
    char bytes[70000];
    int fd = connect_client();
    for (unsigned i = 0; i < 100; i++)
        send(fd, "large\n", 6, MSG_NOSIGNAL);
    turn(server);
    CHECK_EQUAL(heard.lines, 1); /* the next waits until the first answer is taken */
    size_t total = 0;
    for (unsigned i = 0; i < 100000 && heard.lines < 3; i++) {
        ssize_t got = hear(fd, bytes, sizeof(bytes));
        total += got > 0 ? (size_t)got : 0;
        turn(server);
    }
    CHECK(total > 3000000);
    CHECK_EQUAL(heard.lines, 3);
    int greedy = connect_client();
    say(greedy, "endless\n");
    turn(server);
    while (hear(greedy, bytes, sizeof(bytes)) > 0)
        turn(server);
    CHECK_EQUAL(heard.ends, 1);
    say(connect_client(), "x\n"); /* left open: closing the server ends it */
    turn(server);
    close(fd);
    close(greedy);
    end(server);
    CHECK_EQUAL(heard.ends, 3);
}

static void test_a_stale_socket_is_replaced_a_live_one_refused(void)
{
    struct heard heard;
    struct control_socket *server = start(&heard), *second = NULL;
    char other[sizeof(path)];
    CHECK_EQUAL(open_server(path, &heard, &second), -EADDRINUSE);
    CHECK(control_socket_stands(server));
    snprintf(other, sizeof(other), "%s/stale", directory);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", other);
    int stale = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_EQUAL(bind(stale, (const void *)&address, sizeof(address)), 0);
    close(stale);
    CHECK_EQUAL(open_server(other, &heard, &second), 0);
    control_socket_close(second);
    int file = open(other, O_WRONLY | O_CREAT, 0600);
    close(file);
    CHECK_EQUAL(open_server(other, &heard, &second), -EADDRINUSE);
    CHECK_EQUAL(access(other, F_OK), 0); /* not ours to remove */
    unlink(other);
    end(server);
}

static void test_a_socket_that_is_not_ours_any_more_stays(void)
{
    struct heard heard;
    struct control_socket *server = start(&heard), *second = NULL;
    unlink(path);
    CHECK(!control_socket_stands(server));
    CHECK_EQUAL(open_server(path, &heard, &second), 0);
    control_socket_close(server);
    CHECK_EQUAL(access(path, F_OK), 0);
    end(second);
}

static void test_who_listens_is_told_by_its_process(void)
{
    struct heard heard;
    struct control_socket *server = start(&heard);
    char too_long[300];
    memset(too_long, 'x', sizeof(too_long) - 1);
    too_long[sizeof(too_long) - 1] = '\0';
    CHECK_EQUAL(control_client_listener(path), getpid());
    CHECK_EQUAL(control_client_listener(too_long), -ENAMETOOLONG);
    end(server);
    CHECK_EQUAL(control_client_listener(path), -ENOENT); /* and is not one that is hidden */
}

static void test_asking_nobody_or_a_mute_is_a_sentence(void)
{
    struct heard heard;
    struct control_socket *server = start(&heard);
    char *answer;
    size_t len;
    /* Nobody dispatches: connected, but never answered. */
    CHECK_EQUAL(control_client_ask(path, "status", -1, 100, &answer, &len, &why), -ETIMEDOUT);
    turn(server);
    end(server);
    text_init(&why, said, sizeof(said));
    CHECK_EQUAL(control_client_ask(path, "status", -1, 100, &answer, &len, &why), -ENOENT);
    CHECK(strstr(said, "is the network up?") != NULL);
    static char long_path[200];
    memset(long_path, 'x', sizeof(long_path) - 1);
    CHECK_EQUAL(control_client_ask(long_path, "status", -1, 100, &answer, &len, &why),
                -ENAMETOOLONG);
}

static void test_random_bytes_and_hangups_break_nothing(void)
{
    struct heard heard;
    struct control_socket *server = start(&heard);
    int fds[24];
    memset(fds, -1, sizeof(fds));
    for (unsigned i = 0; i < 4000; i++) {
        int *fd = &fds[tap_random_below(24)];
        char bytes[300];
        uint64_t choice = tap_random_below(8);
        if (*fd < 0) {
            *fd = connect_client();
        } else if (choice == 0) {
            close(*fd);
            *fd = -1;
        } else if (choice == 1) {
            shutdown(*fd, SHUT_WR);
        } else if (choice == 2) {
            hear(*fd, bytes, sizeof(bytes));
        } else {
            size_t count = tap_random_below(sizeof(bytes));
            tap_random_bytes(bytes, count);
            for (size_t b = 0; b < count; b++)
                bytes[b] = (char)(bytes[b] & 7 ? (bytes[b] | 0x20) : '\n');
            send(*fd, bytes, count, MSG_NOSIGNAL);
        }
        turn(server);
    }
    for (unsigned i = 0; i < 24; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    turn(server);
    CHECK(heard.lines > 100);
    int fd = connect_client();
    char bytes[64];
    say(fd, "alive\n");
    turn(server);
    hear(fd, bytes, sizeof(bytes));
    CHECK_TEXT(bytes, "1:alive\n");
    close(fd);
    end(server);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_a_request_is_answered_to_its_end);
    TAP_RUN(argc, argv, test_lines_come_in_pieces_and_in_heaps);
    TAP_RUN(argc, argv, test_a_line_too_long_or_with_a_nul_ends_the_client);
    TAP_RUN(argc, argv, test_more_clients_than_fit_wait);
    TAP_RUN(argc, argv, test_who_is_idle_makes_room);
    TAP_RUN(argc, argv, test_an_answer_in_pieces_waits_for_its_reader);
    TAP_RUN(argc, argv, test_who_asks_without_reading_is_stopped_and_bounded);
    TAP_RUN(argc, argv, test_a_stale_socket_is_replaced_a_live_one_refused);
    TAP_RUN(argc, argv, test_a_socket_that_is_not_ours_any_more_stays);
    TAP_RUN(argc, argv, test_who_listens_is_told_by_its_process);
    TAP_RUN(argc, argv, test_asking_nobody_or_a_mute_is_a_sentence);
    TAP_RUN(argc, argv, test_random_bytes_and_hangups_break_nothing);
    return tap_done();
}
