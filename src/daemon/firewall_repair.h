/* SPDX-License-Identifier: MIT */
/* The firewall's table laid again when others delete it (`nft flush ruleset`, which most ways of
 * loading another firewall begin with, takes all tables), empty it, or change anything in it: what
 * stands is what was laid (RULES F4). */
#ifndef DAEMON_FIREWALL_REPAIR_H
#define DAEMON_FIREWALL_REPAIR_H

#include "daemon/daemon_state.h"

/* From now on, once the table is laid; where there is none, does nothing. That nobody can be heard
 * deleting it is a warning. 0, or -errno. */
int firewall_repair_start(struct daemon *daemon);

#endif
