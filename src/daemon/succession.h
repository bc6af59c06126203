/* SPDX-License-Identifier: MIT */
/* A network that takes the place of another run of it, which crashed or is made to leave: what that
 * laid stays until ours stands (RULES A7). */
#ifndef DAEMON_SUCCESSION_H
#define DAEMON_SUCCESSION_H

#include "daemon/daemon_state.h"

/* Refuses what can be refused before a hook runs, or a run that is to be replaced is asked to
 * leave. Where none runs the network's life is ours from now on. Under the start's lock. 0, or
 * -errno and a sentence in daemon->why. */
int succession_look(struct daemon *daemon, const char *aead_backend);
/* Whoever runs under the name is made to leave, its hooks run, then PreUp. Without the lock, as
 * hooks may take their time, and start other networks. The same. */
int succession_take_over(struct daemon *daemon);
/* What another run or a crash left stays, but never that of more than one. Under the lock. The
 * same. */
int succession_begin(struct daemon *daemon);
/* What a crash left goes only now, when nothing of ours can fail any more; what does not go is left
 * to `down`. The same. */
int succession_end(struct daemon *daemon);
/* Back to what the crashed run left, the table and the switch being the network's. 0, or -errno and
 * a sentence. */
int succession_restore(struct daemon *daemon, struct text *why);

#endif
