/* SPDX-License-Identifier: MIT */
/* A process that keeps the system's DNS with the rights that the daemon was started with, which the
 * process that parses packets gives up (RULES I5): it sets the network's name servers, lays them
 * again when others write /etc/resolv.conf, and puts back what was there. It ends with the daemon,
 * however that ends; after a kill -9 it undoes nothing. */
#ifndef DAEMON_DNS_KEEPER_H
#define DAEMON_DNS_KEEPER_H

#include <sys/types.h>

#include "config/config.h"
#include "daemon/log.h"

struct dns_keeper {
    int socket; /* to it; -1: there is none */
    pid_t process;
};

/* Forks it, with all signals blocked that are now; `forget` gives its copy of the configuration,
 * with the keys, back. Also where the system keeps its own servers: a reload may name some, and the
 * rights to set them are here alone. 0, or -errno and a sentence. */
int dns_keeper_start(struct dns_keeper *keeper, struct config *config,
                     void (*forget)(struct config *config), struct text *why);

/* As dns_set says, with the servers of the configuration, and dns_undo; each waits for the keeper,
 * which waits for nothing without a bound. `log` is told what it has to say meanwhile. -EPIPE: it
 * has ended. */
int dns_keeper_set(struct dns_keeper *keeper, const struct config *config, struct log *log,
                   struct text *why);
int dns_keeper_undo(struct dns_keeper *keeper, struct log *log, struct text *why);
/* Asks for the configuration's servers instead, or for none, and waits for nothing: dns_keeper_hear
 * says DNS_KEEPER_CHANGED when it is done, or the system is as before. */
int dns_keeper_change(struct dns_keeper *keeper, const struct config *config, struct text *why);

/* When its socket is readable: tells `log` what it says. DNS_KEEPER_CHANGED: *result is 0, or
 * -errno and a sentence. DNS_KEEPER_ENDED: dns_keeper_end follows. */
enum dns_keeper_heard { DNS_KEEPER_TOLD, DNS_KEEPER_CHANGED, DNS_KEEPER_ENDED };
enum dns_keeper_heard dns_keeper_hear(struct dns_keeper *keeper, struct log *log, int *result,
                                      struct text *why);

/* Ends it, as it stands. Without one does nothing. */
void dns_keeper_end(struct dns_keeper *keeper);

#endif
