/* SPDX-License-Identifier: MIT */
/* What a crashed run of a network left, by its state file: its rules stay until the next run's
 * stand (RULES A7), or until `down` (F7). */
#ifndef DAEMON_CRASHED_H
#define DAEMON_CRASHED_H

#include "host/netlink.h"
#include "host/state.h"

/* For a start that failed where another run's protection stands: the network's name, twice. */
#define CRASHED_STANDS                                                                             \
    "what keeps its destinations from leaving another way stands: `hopwire up %s` tries again, "   \
    "`hopwire down %s` puts the host back"

/* Of a run that lives no more (life_begin). 0: *has_crashed tells whether *crashed is such a run's;
 * what lay in a network namespace that is gone is gone too. Refused with a sentence: -EXDEV: it lay
 * in another namespace that still is; -EBADMSG. */
int crashed_read(const char *network, struct state *crashed, bool *has_crashed, struct text *why);

/* Whether `down` may run the network's hooks here, whether it lives or crashed. 0, or -EXDEV and a
 * sentence: what they undo lies in another network namespace, which still is. */
int crashed_refuse_elsewhere(const char *network, struct text *why);

/* Of a crashed run that came after another crash: the one that keeps the prefixes stays, the other
 * goes, so that there are never more than two. Under the lock, and before the next one's state is
 * written. 0, or -errno and a sentence. */
int crashed_reduce(struct netlink *netlink, const char *network, struct state *crashed,
                   struct text *why);

/* Rules and routes of the run, and of the one before it. 0, or the first failure and its
 * sentence. */
int crashed_undo_routing(struct netlink *netlink, const struct state *state, struct text *why);

/* `down` after a crash: all of it. 0, also if repeated; -ENOENT: no state; or -errno and a
 * sentence, and the state stays. */
int crashed_clean_up(const char *network, struct text *why);

#endif
