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

/* Runs those of the kind, each after its line on standard error. True: all were well. False: one
 * was not, `why` says which, and the ones behind it did not run. `wanted`: a socket and a pipe, or
 * -1, whose other ends want them; when one closes, the command is ended; NULL: none. Behind PreDown
 * the file is saved. */
bool hooks_run(const struct hooks *hooks, enum config_hook_kind kind, const int wanted[2],
               struct text *why);

#endif
