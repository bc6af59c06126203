/* SPDX-License-Identifier: MIT */
/* A network that takes the place of another run of it, which crashed or is made to leave: what that
 * laid stays until ours stands (RULES A7). */
#ifndef DAEMON_SUCCESSION_H
#define DAEMON_SUCCESSION_H

#include "daemon/daemon_state.h"

/* Whoever runs under the name is in the way, or is made to leave; what it or a crash left stays. 0,
 * or -errno and a sentence in daemon->why. */
int succession_begin(struct daemon *daemon, const char *aead_backend);
/* What a crash left goes only now, when nothing of ours can fail any more; what does not go is left
 * to `down`. The same. */
int succession_end(struct daemon *daemon);
/* Back to what the crashed run left, the table and the switch being the network's. 0, or -errno and
 * a sentence. */
int succession_restore(struct daemon *daemon, struct text *why);

#endif
