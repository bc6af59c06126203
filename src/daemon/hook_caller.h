/* SPDX-License-Identifier: MIT */
/* Whether a hook of a network calls us: `up` and `down` wait for its hooks, so a hook that waited
 * for them would wait for itself. The hook's environment says whose it is. */
#ifndef DAEMON_HOOK_CALLER_H
#define DAEMON_HOOK_CALLER_H

#include <stdbool.h>

#define HOOK_CALLER_REFUSED \
    "a hook of its own calls `hopwire %s` here, which would wait for that hook; leave it out there"

/* What this process starts in between is a hook of the network, beside what it is already. */
void hook_caller_begin(const char *network);
void hook_caller_end(void);
/* A process that runs the network's hooks is above ours: what a hook has left behind, to which it
 * is no parent any more, may call what it likes. */
bool hook_caller_is_of(const char *network);

#endif
