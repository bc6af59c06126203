/* SPDX-License-Identifier: MIT */
/* The system's name servers, from start to end of a network: the daemon asks the keeper. */
#ifndef DAEMON_HOST_DNS_H
#define DAEMON_HOST_DNS_H

#include "daemon/daemon_state.h"

/* Sets them, or puts back what an earlier run left where there are none to set. 0, or -errno and a
 * sentence in daemon->why. */
int host_dns_start(struct daemon *daemon);
/* A sentence for each server that the system does not use, or cannot ask. */
void host_dns_tell(struct daemon *daemon, struct log_sink log);
/* What host_dns_change would meet, as dns_look says. */
int host_dns_look(const struct config *config, struct text *why);
/* Asks the keeper for the configuration's, or for none where it names none; daemon->dns_answered is
 * called later, with 0, or -errno and a sentence, -EPIPE: nobody knows what was set. From now on
 * there may be something to undo. 0, or -errno and a sentence: nobody was asked. */
int host_dns_change(struct daemon *daemon, const struct config *config, struct text *why);
/* What stays is logged, and noted in the record for `down`, which has the rights where the keeper
 * lacks them: daemon->is_dns_left. */
void host_dns_undo(struct daemon *daemon);

#endif
