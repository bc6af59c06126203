/* SPDX-License-Identifier: MIT */
/* What others may change of the network's own interface: its name, and the group that every kill
 * switch knows it by. All else goes by its number (RULES F4). And the host that it is on. */
#ifndef DAEMON_OWN_LINK_H
#define DAEMON_OWN_LINK_H

#include "daemon/daemon_state.h"

/* Of an event about our interface: own_link_follow has something to do. */
bool own_link_is_changed(const struct daemon *daemon, const struct watch_event *event);
/* Takes over the name that it has now, in the state too, and gives it its group back. What the log
 * should have of that is appended to `said`. */
void own_link_follow(struct daemon *daemon, struct text *said);

/* Tells the engine what the host of the interface keeps for itself (RULES F1). Of one that was
 * moved into another network namespace that is not known. */
void own_link_tell_host(struct daemon *daemon);

#endif
