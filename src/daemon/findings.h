/* SPDX-License-Identifier: MIT */
/* What of a network that is up does not work, or may surprise, beside hops that do not answer: the
 * host it stands on, its ways, its names. */
#ifndef DAEMON_FINDINGS_H
#define DAEMON_FINDINGS_H

#include "daemon/daemon_state.h"

/* A line each, with what to write: warnings do not work, notices are worth knowing, and the rest is
 * how it works here. */
void findings_tell(struct daemon *daemon, struct log_sink sink);

#endif
