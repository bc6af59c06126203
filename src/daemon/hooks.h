/* SPDX-License-Identifier: MIT */
/* A network's hooks (PreUp, PostUp, PreDown, PostDown): commands for bash, run one after the other
 * as wg-quick runs them, with the rights, the environment and the terminal of whoever calls
 * this. */
#ifndef DAEMON_HOOKS_H
#define DAEMON_HOOKS_H

#include "config/config.h"

/* Those of a network, without its keys: for a process that forgets the configuration. */
struct hooks {
    char *network;
    char *interface; /* what `%i` stands for */
    struct config_hook *list;
    size_t count;
    char *file;  /* where they stand, for messages */
    char *saved; /* the file that is written back after PreDown (SaveConfig); NULL: none */
};

/* There are some, or a run of the network's before this one has left some. */
bool hooks_are_wanted(const struct config *config);
/* False: no memory; nothing is left to wipe. */
bool hooks_copy(struct hooks *hooks, const struct config *config);
void hooks_wipe(struct hooks *hooks);

/* Runs those of the kind, each after its line on standard error. True: all were well. False: one
 * was not, `why` says which, and the ones behind it did not run. `wanted`: a socket and a pipe, or
 * -1, whose other ends want them; when one closes, the command is ended; NULL: none. Behind PreDown
 * the file is saved. */
bool hooks_run(const struct hooks *hooks, enum config_hook_kind kind, const int wanted[2],
               struct text *why);

/* ---- "/run/hopwire/NAME.hooks": PreDown and PostDown of a network that is up or crashed ---- */

/* 0, or -errno and a sentence. */
int hooks_record_write(const struct hooks *hooks, struct text *why);
/* Those of another file take their place while the network runs; one that ends is left alone. 0, or
 * -errno and a sentence. */
int hooks_record_replace(const struct hooks *hooks, struct text *why);
/* Takes it, so that nobody else runs them: a descriptor, to be closed, with *hooks to be wiped;
 * -ENOENT: there is none; or -errno and a sentence. Who else has it is waited for; or, unless
 * `waits`, -EWOULDBLOCK. */
int hooks_record_take(const char *network, bool waits, struct hooks *hooks, struct text *why);
/* From now on a kind is not in the taken record any more; without any it is removed. */
int hooks_record_forget(int record, struct hooks *hooks, enum config_hook_kind kind,
                        struct text *why);
/* Of a start that is undone: nothing of it is to be run. */
void hooks_record_drop(const char *network);
/* What a run before it left, before another one starts: PreDown, then PostDown, whatever becomes of
 * them; what failed is told to `why`. True: they were well, or there are none. */
bool hooks_end_earlier(const char *network, const int wanted[2], struct text *why);

#endif
