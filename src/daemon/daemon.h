/* SPDX-License-Identifier: MIT */
/* One network's process: brings the host to it, runs it, and puts the host back. */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include "daemon/daemon_options.h"

/* Runs until `down`, SIGTERM or SIGINT (in the foreground also SIGHUP, which is passed over
 * otherwise), then undoes what it did. The process's exit status: 0, or 1 after a sentence on
 * standard error and the host exactly as before. */
int daemon_run(const struct daemon_options *options);

#endif
