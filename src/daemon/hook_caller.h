/* SPDX-License-Identifier: MIT */
/* Which process runs a network's hooks: `up` and `down` wait for them, so a hook that waited for
 * one of these would wait for itself, and who waits for another one's hook wants to know for which.
 * The environment of each hook says whose it is. */
#ifndef DAEMON_HOOK_CALLER_H
#define DAEMON_HOOK_CALLER_H

#include "base/text.h"
#include "config/config_data.h"

#define HOOK_CALLER_REFUSED                                                                        \
    "a hook of its own calls `hopwire %s` here, which would wait for that hook; leave it out there"

/* "PreUp" and so on. */
const char *hook_caller_word(enum config_hook_kind kind);
/* What this process starts in between is the hook, beside what it is already. */
void hook_caller_begin(const char *network, const struct config_hook *hook);
void hook_caller_end(void);
/* A process that runs the network's hooks, and waits for them, is above ours: what a hook has left
 * behind, to which it is no parent any more, may call what it likes. `down` ends a PostUp. */
bool hook_caller_is_of(const char *network);
/* Appends which of the network's hooks runs now, and how to end it; false: none that can be seen
 * from here. */
bool hook_caller_tell(const char *network, struct text *text);

#endif
