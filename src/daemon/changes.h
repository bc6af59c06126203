/* SPDX-License-Identifier: MIT */
/* Changes of the living network: the engine takes all of them or none, then the host follows. */
#ifndef DAEMON_CHANGES_H
#define DAEMON_CHANGES_H

#include "daemon/daemon_state.h"
#include "engine/change.h"

/* 0, or -errno and a sentence, and all is as before. When it returns, the host follows the change,
 * or in a heap of changes that costs more than a fifth of the time, soon. */
int changes_apply(struct daemon *daemon, const struct changes *changes, struct text *why);
/* What changes_apply would refuse now; changes nothing. */
int changes_try(struct daemon *daemon, const struct changes *changes, struct text *why);

/* The same in two steps, for who has more for the host to follow: the engine takes them, or none;
 * then the host follows at once, whatever they are. */
int changes_take(struct daemon *daemon, const struct changes *changes, struct text *why);
void changes_follow(struct daemon *daemon, const struct changes *changes);

#endif
