/* SPDX-License-Identifier: MIT */
/* `up --replace`: the running network ends as a crash does, so that its rules, its unreachable
 * routes and its firewall's table stand, and the new one starts as after a crash: there is no
 * instant without one of the two (RULES F4, A7). */
#ifndef DAEMON_REPLACE_H
#define DAEMON_REPLACE_H

#include "config/config.h"

/* Whether the configuration would come up in place of the network that runs, as far as can be told
 * while that has the interface and the ports; nothing is changed. 0, also where none runs; or
 * -errno and a sentence. */
int replace_check(const struct config *config, const char *aead_backend, struct text *why);
/* Makes the network that runs leave, and waits until it has: *has_ended becomes true where one ran.
 * `before` is called when it is about to be asked, again if it did not hear: 0, or -errno and a
 * sentence, and it goes on. 0, or -errno and a sentence: only after -ETIMEDOUT it may have ended
 * all the same. */
int replace_end(const char *network, int (*before)(void *context), void *context, bool *has_ended,
                struct text *why);

#endif
