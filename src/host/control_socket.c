/* SPDX-License-Identifier: MIT */
/* A line is taken while less than PENDING_BYTES of its client's answer waits, so who asks without
 * reading is stopped by his own socket. The timer runs once a second while there are clients; who
 * has moved no byte for IDLE_S ticks goes. A client is never closed inside a call of the request
 * function, which may go on using its answer. */
#include "host/control_socket.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/bytes.h"
#include "host/control_listener.h"
#include "host/control_passed.h"

#define IDLE_S 30
#define PENDING_BYTES 65536
#define ACCEPTS_MOST 16 /* a dispatch */

struct control_answer {
    struct control_socket *server;
    int fd;
    unsigned idle_s;
    uint32_t awaited;  /* what epoll watches for */
    bool input_ended;  /* the client says no more: its last lines are still answered */
    bool is_ended;     /* we take no more lines; closed once the answer is written */
    bool is_condemned; /* closed at once */
    bool is_half;      /* the lines so far are no whole request */
    bool is_held;      /* its answer comes later */
    void *slot;
    int passed; /* a descriptor that came with its lines; -1: none */
    control_more more; /* of the answer; NULL: it is whole */
    char *bytes; /* the answer: from `written` to `len` waits */
    size_t len, written, capacity;
    size_t line_len;
    char line[CONTROL_SOCKET_LINE_BYTES];
};

struct control_socket {
    int epoll, listener, timer;
    struct control_options options;
    dev_t device;
    ino_t inode;
    unsigned client_count;
    struct sockaddr_un address;
    struct control_answer *clients[CONTROL_SOCKET_CLIENTS_MOST]; /* NULL: this place is free */
};

static int watch(const struct control_socket *server, int fd, uint32_t events, void *data)
{
    struct epoll_event event = {.events = events, .data.ptr = data};
    return epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event);
}

static int start(struct control_socket *server)
{
    struct stat made;
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    server->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (server->epoll < 0 || server->timer < 0 ||
        watch(server, server->listener, EPOLLIN, NULL) < 0 ||
        watch(server, server->timer, EPOLLIN, &server->timer) < 0 ||
        lstat(server->address.sun_path, &made) < 0)
        return -errno;
    server->device = made.st_dev;
    server->inode = made.st_ino;
    return 0;
}

static int make_server(const struct sockaddr_un *address, int listener,
                 const struct control_options *options, struct control_socket **made,
                 struct text *why)
{
    struct control_socket *server = calloc(1, sizeof(*server));
    if (!server) {
        text_append(why, "no memory for the socket %s", address->sun_path);
        unlink(address->sun_path);
        close(listener);
        return -ENOMEM;
    }
    server->options = *options;
    server->address = *address;
    server->epoll = server->timer = -1;
    server->listener = listener;
    int result = start(server);
    if (result < 0) {
        text_append(why, "cannot listen on %s: %s", address->sun_path, strerror(-result));
        unlink(address->sun_path);
        control_socket_close(server);
        return result;
    }
    *made = server;
    return 0;
}

int control_socket_open(const char *path, const struct control_options *options,
                        struct control_socket **made, struct text *why)
{
    struct sockaddr_un address;
    int result = control_listener_address(path, &address, why);
    if (result == 0)
        result = control_listener_remove_stale(path, why);
    if (result < 0)
        return result;
    int listener = control_listener_open(&address);
    if (listener < 0) {
        text_append(why, "cannot listen on %s: %s", path, strerror(-listener));
        return listener;
    }
    return make_server(&address, listener, options, made, why);
}

int control_socket_adopt(const char *path, int listening, const struct control_options *options,
                         struct control_socket **made, struct text *why)
{
    struct sockaddr_un address;
    int result = control_listener_address(path, &address, why);
    if (result == 0)
        result = control_listener_check(listening, why);
    if (result == 0)
        return make_server(&address, listening, options, made, why);
    close(listening);
    return result;
}

int control_socket_fd(const struct control_socket *server)
{
    return server->epoll;
}

bool control_socket_stands(const struct control_socket *server)
{
    struct stat found;
    return lstat(server->address.sun_path, &found) == 0 && found.st_dev == server->device &&
           found.st_ino == server->inode;
}

static void set_timer(struct control_socket *server, bool runs)
{
    struct itimerspec time = {.it_interval.tv_sec = runs, .it_value.tv_sec = runs};
    timerfd_settime(server->timer, 0, &time, NULL);
}

static void set_full(struct control_socket *server, bool is_full)
{
    struct epoll_event event = {.events = is_full ? 0u : EPOLLIN};
    epoll_ctl(server->epoll, EPOLL_CTL_MOD, server->listener, &event);
}

static void wipe_and_give(const struct memory *memory, void *bytes, size_t capacity)
{
    if (bytes)
        bytes_wipe(bytes, capacity);
    memory_give(memory, bytes, capacity);
}

static void drop(struct control_answer *client)
{
    struct control_socket *server = client->server;
    const struct memory *memory = server->options.memory;
    server->options.request(server->options.context, NULL, client);
    close(client->fd);
    if (client->passed >= 0)
        close(client->passed);
    for (unsigned i = 0; i < CONTROL_SOCKET_CLIENTS_MOST; i++)
        if (server->clients[i] == client)
            server->clients[i] = NULL;
    wipe_and_give(memory, client->bytes, client->capacity);
    wipe_and_give(memory, client, sizeof(*client));
    set_full(server, false);
    if (--server->client_count == 0)
        set_timer(server, false);
}

void control_socket_close(struct control_socket *server)
{
    if (!server)
        return;
    for (unsigned i = 0; i < CONTROL_SOCKET_CLIENTS_MOST; i++)
        if (server->clients[i])
            drop(server->clients[i]);
    if (server->inode && control_socket_stands(server))
        unlink(server->address.sun_path);
    const int fds[] = {server->listener, server->timer, server->epoll};
    for (unsigned i = 0; i < 3; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    free(server);
}

/* Room for `len` bytes more; false: there is no memory. */
static bool make_room(struct control_answer *answer, size_t len)
{
    const struct memory *memory = answer->server->options.memory;
    size_t capacity = answer->capacity ? answer->capacity : 4096;
    if (answer->len + len <= answer->capacity)
        return true;
    while (capacity < answer->len + len)
        capacity *= 2;
    char *larger = memory_take(memory, capacity);
    if (!larger)
        return false;
    if (answer->len)
        memcpy(larger, answer->bytes, answer->len);
    wipe_and_give(memory, answer->bytes, answer->capacity);
    answer->bytes = larger;
    answer->capacity = capacity;
    return true;
}

void control_answer_bytes(struct control_answer *answer, const void *bytes, size_t len)
{
    if (answer->is_condemned || len == 0)
        return;
    if (answer->len - answer->written + len > CONTROL_SOCKET_ANSWER_BYTES) {
        answer->is_condemned = true;
        return;
    }
    if (answer->written) {
        memmove(answer->bytes, answer->bytes + answer->written, answer->len - answer->written);
        answer->len -= answer->written;
        answer->written = 0;
    }
    if (!make_room(answer, len)) {
        answer->is_condemned = true;
        return;
    }
    memcpy(answer->bytes + answer->len, bytes, len);
    answer->len += len;
}

void control_answer_format(struct control_answer *answer, const char *format, ...)
{
    char *text;
    va_list arguments;
    va_start(arguments, format);
    int len = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (len < 0) {
        answer->is_condemned = true;
        return;
    }
    control_answer_bytes(answer, text, (size_t)len);
    free(text);
}

void control_answer_continue(struct control_answer *answer, control_more more)
{
    answer->more = more;
}

void control_answer_end(struct control_answer *answer)
{
    answer->is_ended = true;
}

void control_answer_hold(struct control_answer *answer)
{
    answer->is_held = true;
    answer->idle_s = 0;
}

/* The dispatch does the rest. */
void control_answer_release(struct control_answer *answer)
{
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = answer};
    answer->is_held = false;
    epoll_ctl(answer->server->epoll, EPOLL_CTL_MOD, answer->fd, &event);
    answer->awaited = event.events;
}

void control_answer_half(struct control_answer *answer, bool is_half)
{
    answer->is_half = is_half;
}

void **control_answer_slot(struct control_answer *answer)
{
    return &answer->slot;
}

int control_answer_take_passed(struct control_answer *answer)
{
    int passed = answer->passed;
    answer->passed = -1;
    return passed;
}

static size_t pending_bytes(const struct control_answer *client)
{
    return client->len - client->written;
}

static bool has_line(const struct control_answer *client)
{
    return memchr(client->line, '\n', client->line_len) != NULL;
}

static bool may_take_line(const struct control_answer *client)
{
    return !client->is_ended && !client->is_condemned && !client->is_held &&
           !client->more && pending_bytes(client) < PENDING_BYTES && has_line(client);
}

static void refuse_line(struct control_answer *client)
{
    const char *unreadable = client->server->options.unreadable;
    if (unreadable)
        control_answer_bytes(client, unreadable, strlen(unreadable));
    control_answer_end(client);
}

static void take_line(struct control_answer *client)
{
    struct control_socket *server = client->server;
    char *newline = memchr(client->line, '\n', client->line_len);
    size_t len = (size_t)(newline - client->line);
    *newline = '\0';
    if (strlen(client->line) != len)
        refuse_line(client); /* a NUL inside: not text */
    else
        server->options.request(server->options.context, client->line, client);
    client->line_len -= len + 1;
    memmove(client->line, newline + 1, client->line_len);
    bytes_wipe(client->line + client->line_len, len + 1);
}

/* The next piece of an answer. */
static void go_on(struct control_answer *client)
{
    if (!client->more || client->is_condemned || pending_bytes(client) >= PENDING_BYTES)
        return;
    if (!client->more(client->server->options.context, client))
        client->more = NULL;
}

static void read_client(struct control_answer *client)
{
    size_t room = sizeof(client->line) - client->line_len;
    if (room == 0 || client->input_ended)
        return;
    ssize_t got = control_passed_receive(client->fd, client->line + client->line_len, room,
                                         &client->passed);
    if (got > 0) {
        client->line_len += (size_t)got;
        client->idle_s = 0;
    } else if (got == 0) {
        client->input_ended = true;
    } else if (errno != EAGAIN && errno != EINTR) {
        client->is_condemned = true;
    }
}

static void write_client(struct control_answer *client)
{
    while (pending_bytes(client) > 0) {
        ssize_t put =
            send(client->fd, client->bytes + client->written, pending_bytes(client), MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0) {
            client->is_condemned |= errno != EAGAIN;
            return;
        }
        client->written += (size_t)put;
        client->idle_s = 0;
    }
}

/* What to wait for; false: it is over. */
static bool may_stay(struct control_answer *client)
{
    bool is_full = client->line_len == sizeof(client->line), holds_line = has_line(client);
    bool is_done = !client->is_held &&
                   (client->is_ended || (client->input_ended && !holds_line && !client->more));
    if (client->is_condemned || (is_done && pending_bytes(client) == 0))
        return false;
    bool may_read = !is_done && !client->input_ended && !is_full;
    bool may_write = pending_bytes(client) || client->more;
    struct epoll_event event = {
        .events = (may_read ? EPOLLIN : 0u) | (may_write ? EPOLLOUT : 0u),
        .data.ptr = client,
    };
    if (event.events != client->awaited)
        epoll_ctl(client->server->epoll, EPOLL_CTL_MOD, client->fd, &event);
    client->awaited = event.events;
    return true;
}

/* What is only half there has an answer, too. */
static void drop_unheard(struct control_answer *client)
{
    if ((client->line_len || client->is_half) && !client->is_ended && !client->is_condemned) {
        refuse_line(client);
        write_client(client);
    }
    drop(client);
}

/* Lines, answers, lines that waited for an answer to be taken. */
static void serve(struct control_answer *client, uint32_t events)
{
    /* Who closed both sides waits for nothing, and epoll would tell of it for ever. */
    client->is_condemned |= client->is_held && (events & (EPOLLHUP | EPOLLERR));
    read_client(client);
    write_client(client);
    go_on(client);
    while (may_take_line(client)) {
        take_line(client);
        write_client(client);
    }
    if (client->line_len == sizeof(client->line) && !has_line(client) && !client->is_ended)
        refuse_line(client);
    write_client(client);
    if (!may_stay(client))
        drop_unheard(client);
}

/* A free place, or that of who has been idle longest; NULL: nobody has been for a second. */
static struct control_answer **find_place(struct control_socket *server)
{
    struct control_answer **place = &server->clients[0];
    for (unsigned i = 0; i < CONTROL_SOCKET_CLIENTS_MOST; i++) {
        struct control_answer **at = &server->clients[i];
        if (!*at)
            return at;
        place = (*at)->idle_s > (*place)->idle_s ? at : place;
    }
    return (*place)->idle_s ? place : NULL;
}

static void accept_clients(struct control_socket *server)
{
    for (unsigned i = 0; i < ACCEPTS_MOST; i++) {
        struct control_answer **place = find_place(server);
        if (!place)
            set_full(server, true); /* who comes waits in the kernel's queue */
        int fd = place ? accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK) : -1;
        if (fd < 0)
            return;
        if (*place)
            drop_unheard(*place);
        struct control_answer *client = memory_take(server->options.memory, sizeof(*client));
        if (!client || watch(server, fd, EPOLLIN, client) < 0) {
            memory_give(server->options.memory, client, sizeof(*client));
            close(fd);
            continue;
        }
        client->server = server;
        client->fd = fd;
        client->passed = -1;
        client->awaited = EPOLLIN;
        *place = client;
        if (server->client_count++ == 0)
            set_timer(server, true);
    }
}

static void drop_idle(struct control_socket *server)
{
    uint64_t ticks;
    if (read(server->timer, &ticks, sizeof(ticks)) != sizeof(ticks))
        return;
    for (unsigned i = 0; i < CONTROL_SOCKET_CLIENTS_MOST; i++) {
        struct control_answer *client = server->clients[i];
        if (client && !client->is_held && ++client->idle_s > IDLE_S)
            drop_unheard(client);
    }
    set_full(server, false); /* somebody may be idle now */
}

void control_socket_dispatch(struct control_socket *server)
{
    struct epoll_event events[CONTROL_SOCKET_CLIENTS_MOST + 2];
    int count = epoll_wait(server->epoll, events, CONTROL_SOCKET_CLIENTS_MOST + 2, 0);
    bool has_new = false, has_tick = false;
    /* Who goes to make room for others goes last: an event of his may still lie in this batch. */
    for (int i = 0; i < count; i++) {
        struct control_answer *client = events[i].data.ptr;
        if (!client)
            has_new = true;
        else if (events[i].data.ptr == &server->timer)
            has_tick = true;
        else
            serve(client, events[i].events);
    }
    if (has_tick)
        drop_idle(server);
    if (has_new)
        accept_clients(server);
}
