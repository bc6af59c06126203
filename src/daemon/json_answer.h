/* SPDX-License-Identifier: MIT */
/* The last that a client of the control socket hears. */
#ifndef DAEMON_JSON_ANSWER_H
#define DAEMON_JSON_ANSWER_H

#include "host/control_socket.h"

/* Takes the JSON, which is malloc's; NULL: there was no memory for it, and the client is told. */
void json_answer_give(struct control_answer *to, char *json);

#endif
