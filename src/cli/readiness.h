/* SPDX-License-Identifier: MIT */
/* Whether a network's tunnels work, as its daemon finds out by asking their peers. */
#ifndef CLI_READINESS_H
#define CLI_READINESS_H

#include <stdbool.h>

/* Long enough for a handshake that is lost at each of two hops. */
#define READINESS_SECONDS 12
/* For one, at a hop whose other end has forgotten the session. */
#define READINESS_HEALTH_SECONDS 8
#define READINESS_SECONDS_MOST 86400

/* Prints "NETWORK: ready after 0.31 s", or on standard error which hop fails; `tunnel` NULL: all.
 * With `starts` a network that is not up yet may come up within the time. An exit status. */
int readiness_wait(const char *network, const char *tunnel, unsigned seconds, bool starts);

#endif
