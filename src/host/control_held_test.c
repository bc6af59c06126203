/* SPDX-License-Identifier: MIT */
/* An answer that comes later, from outside of the dispatch. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/control_socket.h"
#include "tap.h"

static char directory[96], path[108];

struct held {
    struct control_answer *answer; /* NULL: none waits */
    unsigned lines, ends;
};

static void hold_line(void *context, char *line, struct control_answer *answer)
{
    struct held *held = context;
    held->ends += !line;
    held->lines += line != NULL;
    if (!line && held->answer == answer)
        held->answer = NULL;
    if (!line || strcmp(line, "later") != 0) {
        if (line)
            control_answer_format(answer, "%s\n", line);
        return;
    }
    held->answer = answer;
    control_answer_hold(answer);
}

static struct control_socket *start(struct held *held)
{
    struct text why = TEXT_ROOM(256);
    struct control_socket *server = NULL;
    *held = (struct held){0};
    tap_make_directory(directory, sizeof(directory), "held");
    snprintf(path, sizeof(path), "%s/net.sock", directory);
    const struct control_options options = {
        .request = hold_line, .context = held, .memory = tap_memory()};
    CHECK_EQUAL(control_socket_open(path, &options, &server, &why), 0);
    return server;
}

static void end(struct control_socket *server)
{
    control_socket_close(server);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
    CHECK_EQUAL(rmdir(directory), 0);
}

static int ask(const char *lines)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK_EQUAL(connect(fd, (const void *)&address, sizeof(address)), 0);
    CHECK_EQUAL(send(fd, lines, strlen(lines), MSG_NOSIGNAL), (long long)strlen(lines));
    return fd;
}

/* How often there was something to do, up to 50 times. */
static unsigned turn(struct control_socket *server)
{
    unsigned turns = 0;
    for (; turns < 50; turns++) {
        struct pollfd poller = {.fd = control_socket_fd(server), .events = POLLIN};
        if (poll(&poller, 1, 0) <= 0)
            break;
        control_socket_dispatch(server);
    }
    return turns;
}

static void expect(int fd, const char *text)
{
    char heard[64] = "";
    ssize_t got = recv(fd, heard, sizeof(heard) - 1, 0);
    CHECK(got >= 0 || errno == EAGAIN);
    CHECK_TEXT(heard, text);
}

static void an_answer_comes_later_and_nobody_else_waits(void)
{
    struct held held;
    struct control_socket *server = start(&held);
    int late = ask("later\nnext\n");
    shutdown(late, SHUT_WR);
    CHECK(turn(server) < 50); /* it does not spin */
    int other = ask("now\n");
    turn(server);
    expect(other, "now\n");
    expect(late, "");
    CHECK(held.answer);
    if (held.answer) {
        control_answer_format(held.answer, "done\n");
        control_answer_release(held.answer);
    }
    turn(server);
    expect(late, "done\nnext\n");
    CHECK_EQUAL(recv(late, &(char){0}, 1, 0), 0); /* ended */
    CHECK_EQUAL(held.lines, 3);
    close(late);
    close(other);
    turn(server);
    CHECK_EQUAL(held.ends, 2);
    end(server);
}

static void who_hangs_up_while_waiting_is_told_of(void)
{
    struct held held;
    struct control_socket *server = start(&held);
    for (unsigned shuts_first = 0; shuts_first < 2; shuts_first++) {
        int late = ask("later\n");
        if (shuts_first)
            shutdown(late, SHUT_WR);
        turn(server);
        CHECK(held.answer);
        close(late);
        CHECK(turn(server) < 50);
        CHECK(!held.answer);
        CHECK_EQUAL(held.ends, shuts_first + 1);
    }
    int late = ask("later\n"); /* and one that waits when the server ends */
    turn(server);
    CHECK(held.answer);
    end(server);
    CHECK_EQUAL(held.ends, 3);
    close(late);
}

static void nobody_s_place_is_taken_who_waits(void)
{
    struct held held;
    struct control_socket *server = start(&held);
    int clients[CONTROL_SOCKET_CLIENTS_MOST], more;
    for (unsigned i = 0; i < CONTROL_SOCKET_CLIENTS_MOST; i++) {
        clients[i] = ask("later\n");
        turn(server);
    }
    usleep(1100000); /* the server's second: whoever else is idle could go now */
    turn(server);
    more = ask("now\n");
    turn(server);
    CHECK_EQUAL(held.ends, 0);
    expect(more, ""); /* it waits for a place */
    for (unsigned i = 0; i < CONTROL_SOCKET_CLIENTS_MOST; i++)
        close(clients[i]);
    turn(server);
    expect(more, "now\n");
    close(more);
    turn(server);
    CHECK_EQUAL(held.ends, CONTROL_SOCKET_CLIENTS_MOST + 1);
    end(server);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, an_answer_comes_later_and_nobody_else_waits);
    TAP_RUN(argc, argv, who_hangs_up_while_waiting_is_told_of);
    TAP_RUN(argc, argv, nobody_s_place_is_taken_who_waits);
    return tap_done();
}
