/* SPDX-License-Identifier: MIT */
/* What the daemon is asked through its control socket. */
#ifndef DAEMON_REQUESTS_H
#define DAEMON_REQUESTS_H

#include "host/control_socket.h"

/* A line of the control socket, answered; `context` is the struct daemon. */
void requests_answer(void *context, const char *line, struct control_answer *to);

#endif
