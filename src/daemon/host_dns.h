/* SPDX-License-Identifier: MIT */
/* The system's name servers, from start to end of a network: the daemon asks the keeper. */
#ifndef DAEMON_HOST_DNS_H
#define DAEMON_HOST_DNS_H

#include "daemon/daemon_state.h"

/* Sets them, or puts back what an earlier run left where there are none to set. 0, or -errno and a
 * sentence in daemon->why. */
int host_dns_start(struct daemon *daemon);
/* What stays is logged, and noted in the record for `down`, which has the rights where the keeper
 * lacks them: daemon->is_dns_left. */
void host_dns_undo(struct daemon *daemon);

#endif
