/* SPDX-License-Identifier: MIT */
/* A local stream socket that takes lines and gives answers: /run/hopwire/NAME.sock, those of `wg`;
 * 0600. The server never blocks and is bounded: 16 clients, 4096 bytes a line, 8 MiB of answer; who
 * is idle or does not take an answer for 30 s is dropped, and when somebody new needs his place,
 * who has been idle longest. It owns one epoll descriptor, to be put into the caller's loop for
 * EPOLLIN. One thread. */
#ifndef HOST_CONTROL_SOCKET_H
#define HOST_CONTROL_SOCKET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/memory.h"
#include "base/text.h"

#define CONTROL_SOCKET_CLIENTS_MOST 16
#define CONTROL_SOCKET_LINE_BYTES 4096 /* with the newline */
#define CONTROL_SOCKET_ANSWER_BYTES (8u << 20)

struct control_socket;
struct control_answer; /* one client's; valid from its first line to its NULL line */

/* One line without its newline, empty ones too, NUL-terminated, which may be changed and is wiped
 * afterwards; more lines may follow on the same connection. NULL: the client is gone, free what
 * control_answer_slot holds. */
typedef void (*control_request)(void *context, char *line, struct control_answer *answer);

struct control_options {
    control_request request;
    void *context;
    /* Lines and answers are wiped before they are given back. Outlives the server. */
    const struct memory *memory;
    /* The last that a client hears whose line is too long or no text, or whose request is only half
     * there when he stops or is dropped; NULL: nothing. */
    const char *unreadable;
};

/* Replaces a stale socket; -EADDRINUSE: a live one (or a file that is no socket) is there.
 * 0, or -errno and a sentence. */
int control_socket_open(const char *path, const struct control_options *options,
                        struct control_socket **made, struct text *why);
/* The same with a socket that listens there already. It is the server's from now on, also when this
 * is refused. */
int control_socket_adopt(const char *path, int listening, const struct control_options *options,
                         struct control_socket **made, struct text *why);
int control_socket_fd(const struct control_socket *server);
/* Handles whatever is ready. */
void control_socket_dispatch(struct control_socket *server);
/* True: the socket's file is still ours at its path (`wg` users remove it to end a daemon). */
bool control_socket_stands(const struct control_socket *server);
/* Closes and removes the file if it is still ours. NULL does nothing. */
void control_socket_close(struct control_socket *server);

/* Appends to the client's answer, which is written as the client takes it; one that grows past
 * the bound drops the client. */
void control_answer_bytes(struct control_answer *answer, const void *bytes, size_t len);
void control_answer_format(struct control_answer *answer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* An answer in pieces, one a dispatch and only as the client takes them: `more` appends the next
 * one and says whether it was not the last. No line is taken until then. */
typedef bool (*control_more)(void *context, struct control_answer *answer);
void control_answer_continue(struct control_answer *answer, control_more more);
/* Ends the connection once the answer is written. Otherwise it ends when the client has shut down
 * its side, which control_client_ask does. */
void control_answer_end(struct control_answer *answer);
/* The answer comes later: no line is taken meanwhile, and who waits is not idle. Released from
 * wherever, with what was appended; a client that goes before has its NULL line. */
void control_answer_hold(struct control_answer *answer);
void control_answer_release(struct control_answer *answer);
/* The last descriptor that came with the client's lines so far, the caller's to close; -1: none. */
int control_answer_take_passed(struct control_answer *answer);
/* Whether the lines so far are only half a request. */
void control_answer_half(struct control_answer *answer, bool is_half);
/* A pointer of the caller's, kept per client, NULL at first (for requests of several lines). */
void **control_answer_slot(struct control_answer *answer);

#endif
