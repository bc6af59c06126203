/* SPDX-License-Identifier: MIT */
/* The network's hooks in the daemon's life: what it waits for before it starts and before it ends.
 * `hopwire down` runs PreDown and PostDown itself, where its caller sees them. */
#ifndef DAEMON_OWN_HOOKS_H
#define DAEMON_OWN_HOOKS_H

#include "daemon/daemon_state.h"

/* PreDown of a run that is to be replaced; the context is the daemon. 0, or -errno and a
 * sentence. */
int own_hooks_end_earlier(void *context);
/* What is left of an earlier run's end, then PreUp, before anything of the network stands. The
 * same. */
int own_hooks_pre_up(struct daemon *daemon);
/* PostUp, once packets flow; should one fail, the network ends. 0 or -errno. */
int own_hooks_post_up(struct daemon *daemon);
/* A process that runs them comes with a reload, and takes the place of the one before, which knows
 * those of the old file; unless that one runs some. `socket` -1: nothing. */
void own_hooks_take_attendant(struct daemon *daemon, int socket);
/* Somebody has removed the network's files: what its end runs is written again, or said to be
 * lost. */
void own_hooks_keep(struct daemon *daemon);
/* Somebody ends the daemon by a signal: PreDown first, then the loop stops; a second one waits no
 * longer. */
void own_hooks_end(struct daemon *daemon);
/* The host is as before: PostDown, if nobody called `down`. */
void own_hooks_post_down(struct daemon *daemon);

#endif
