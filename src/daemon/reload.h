/* SPDX-License-Identifier: MIT */
/* The network follows its file while it runs (RULES I2): all of the change or nothing. */
#ifndef DAEMON_RELOAD_H
#define DAEMON_RELOAD_H

#include "daemon/daemon_state.h"

/* The new configuration is a recording (config/recording.h) in the file `passed`, which is closed;
 * -1: none came. `is_dry`: only what would change is told. JSON, to be freed: {"changes":
 * [LINE...], "hooks": whether those have changed, "post_up": [the new lines' numbers among the
 * configuration's hooks]}, or {"refusals": [SENTENCE...]}; NULL: no memory for it. */
char *reload_answer(struct daemon *daemon, int passed, bool is_dry);
/* Gives back what a reload has taken. */
void reload_wipe(struct daemon *daemon);

#endif
