/* SPDX-License-Identifier: MIT */
/* Whoever waits at the control socket until a network's tunnels work: their peers with an endpoint
 * of their own, by name or address, have answered what was sent through them. It asks them, and
 * answers when the last one has, or when the time is up with the hop that fails. */
#ifndef DAEMON_READINESS_H
#define DAEMON_READINESS_H

#include "daemon/daemon_state.h"

/* What is told beside the hops that fail. */
enum readiness_kind {
    READINESS_WAIT,   /* nothing, once all work */
    READINESS_PING,   /* all hops with their round trips, once each has answered a question of the
                       * daemon's own */
    READINESS_DOCTOR, /* the same, and the findings (findings.h) */
};

/* `arguments`: milliseconds, and perhaps a blank and a tunnel's name. */
void readiness_request(struct daemon *daemon, enum readiness_kind kind, const char *arguments,
                       struct control_answer *to);
/* Whoever asked is gone, and waits for nothing. */
void readiness_forget(struct daemon *daemon, const struct control_answer *to);

#endif
