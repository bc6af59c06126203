/* SPDX-License-Identifier: MIT */
/* What signals mean to the daemon: an end in order, or nothing. Only a fault's own (SIGSEGV and the
 * like), SIGABRT, SIGTRAP, SIGSYS and what nobody can catch end it as a crash. */
#ifndef DAEMON_SIGNALS_H
#define DAEMON_SIGNALS_H

#include <stdbool.h>

/* From now on a signal that ends waits until all that was done can be undone; the rest is passed
 * over. */
void signals_hold(bool is_foreground);
/* True: one of those that end has come since. */
bool signals_have_come(void);
/* A descriptor that is readable when one has come; the caller closes it. Or -errno. */
int signals_open(void);

#endif
