/* SPDX-License-Identifier: MIT */
/* Whether a network's daemon lives: it holds a lock for as long. Process numbers tell it not: one
 * of another PID namespace means nobody here, or somebody else, and may be used again. */
#ifndef HOST_LIFE_H
#define HOST_LIFE_H

#include <stdbool.h>

#include "base/text.h"

/* For the calling process and what it forks, until the last of them ends (or closes it): a
 * descriptor. -EEXIST: the network's daemon lives; or -errno. With a sentence. */
int life_begin(const char *network, struct text *why);
/* True: somebody holds the lock, also where its file or all of the directory was removed, or
 * listens to the network's socket. False as well where it cannot be found out. */
bool life_goes_on(const char *network);

/* Waits until nobody else changes the network: a descriptor, to be closed. Or -errno and a
 * sentence. */
int life_take_turn(const char *network, struct text *why);

#endif
