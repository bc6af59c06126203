/* SPDX-License-Identifier: MIT */
/* What several networks' processes do one at a time; the locks lie beside their states. */
#ifndef HOST_STATE_LOCK_H
#define HOST_STATE_LOCK_H

#include "base/text.h"

/* One `up` at a time: held from routing_choose to routing_lay, waits up to 10 s for another. A
 * descriptor, to be closed when done, or -errno. */
int state_lock(struct text *why);

/* One at a time among processes that arrange rules: held for some milliseconds, waited for no
 * longer than 100. A descriptor, or -1: then without, which may take a second look. */
int state_lock_rules(void);

#endif
