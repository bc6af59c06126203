/* SPDX-License-Identifier: MIT */
/* "/run/hopwire/NAME.hooks": what ends a network that is up or crashed, PreDown, PostDown and the
 * file to be saved. Root follows it, so only root writes it (host/seal.h): not the daemon, which
 * could. Locked by whoever ends the network, from before PreDown until PostDown is over, so each
 * command runs once, and what a reload brings meanwhile comes too late and is not written. */
#ifndef DAEMON_HOOKS_RECORD_H
#define DAEMON_HOOKS_RECORD_H

#include "daemon/hooks.h"

/* There are some, or a run of the network's before this one has left some. */
bool hooks_record_is_wanted(const struct config *config);
/* Its file is there. */
bool hooks_record_stands(const char *network);
/* There is something to do at the end. */
bool hooks_record_is_needed(const struct hooks *hooks);

#define HOOKS_RECORD_ENDED "`hopwire down %s` ended it while it started"

/* Of a run that is about to be up. *written is a descriptor of it, the caller's to close; -1: there
 * is nothing to do at the end, and none is written. 0, or -errno and a sentence; -EWOULDBLOCK: a
 * `down` waits for the run's end already, and runs none of this. */
int hooks_record_write(const struct hooks *hooks, int *written, struct text *why);
/* A `down` waits for the end of a network that is starting. */
bool hooks_record_is_ended(const char *network);
/* Those of another file take their place while the network runs, or they stay. 0, or -errno and a
 * sentence; -ESTALE: it has ended meanwhile, and nothing is written. *is_sealed: false where this
 * process could not seal them, so that one with all of root's rights will not run them. */
int hooks_record_replace(const struct hooks *hooks, bool *is_sealed, struct text *why);

enum hooks_taker {
    HOOKS_TAKER_DOWN,    /* waits for who runs it, and makes it where it is missing */
    HOOKS_TAKER_SIGNAL,  /* the same, but a `down` that has it does all that there is to do */
    HOOKS_TAKER_NEXT_UP, /* waits, but not for a `down` that waits for it; makes none, and no file
                            is saved */
};
/* Takes it, so that nobody else runs them: a descriptor, to be closed, with *hooks to be wiped;
 * -ENOENT: there is none; -EWOULDBLOCK: a `down` has it; or -errno and a sentence. */
int hooks_record_take(const char *network, enum hooks_taker taker, struct hooks *hooks,
                      struct text *why);
/* From now on a kind is not in the taken record any more; behind PostDown it is removed. 0, or
 * -errno and a sentence. */
int hooks_record_forget(int record, struct hooks *hooks, enum config_hook_kind kind,
                        struct text *why);
/* Of a start that is undone: nothing of it is to be run. `record`: a descriptor of what goes,
 * unless another has taken its place; -1: whichever stands, while the network's life is ours. */
void hooks_record_drop(const char *network, int record);

#endif
