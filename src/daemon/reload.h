/* SPDX-License-Identifier: MIT */
/* The network follows its file while it runs (RULES I2): all of the change or nothing. */
#ifndef DAEMON_RELOAD_H
#define DAEMON_RELOAD_H

#include "daemon/daemon_state.h"

/* The new configuration is a recording (config/recording.h) in the file `passed`, which is closed;
 * -1: none came. `is_dry`: only what would change, or be refused, is told. Answers, perhaps later,
 * with JSON: {"changes": [LINE...], "hooks": whether those have changed, "post_up": [the new lines'
 * numbers among the configuration's hooks], "notes": [SENTENCE...], and where the host does not
 * stand so yet, "behind": why}, or {"refusals": [SENTENCE...]}. */
void reload_request(struct daemon *daemon, int passed, bool is_dry, struct control_answer *to);
/* Whoever asked is gone; what was begun goes on. */
void reload_forget(struct daemon *daemon, const struct control_answer *to);
/* Gives back what a reload has taken. */
void reload_wipe(struct daemon *daemon);

#endif
