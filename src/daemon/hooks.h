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

/* False: no memory; nothing is left to wipe. */
bool hooks_copy(struct hooks *hooks, const struct config *config);
void hooks_wipe(struct hooks *hooks);
/* Wipes the one at this place, or those of a kind, and takes them out of the list. */
void hooks_drop_at(struct hooks *hooks, size_t place);
void hooks_drop(struct hooks *hooks, enum config_hook_kind kind);

/* Who waits for commands, which nobody may bound. */
struct hooks_waiter {
    /* A socket or the like, and a pipe; -1: none. A command is ended once there is something to
     * read from the first, or one's other end is closed. */
    int wanted[2];
    const char *way_out; /* how somebody who waits goes on: the end of a sentence */
    void (*tell)(const char *sentence); /* NULL: on standard error */
};

/* Runs those of the kind, each after its line on standard error. True: all were well. False: one
 * was not, `why` says which, and the ones behind it did not run. One that takes long is told.
 * `waiter` NULL: the command that the user called, and nobody else. Behind PreDown the file is
 * saved. */
bool hooks_run(const struct hooks *hooks, enum config_hook_kind kind,
               const struct hooks_waiter *waiter, struct text *why);

#endif
