/* SPDX-License-Identifier: MIT */
/* A network that runs goes over to what another configuration says, and the host follows, so that
 * nothing that protects goes before its successor stands (RULES I2). All of it or nothing. */
#ifndef DAEMON_SWITCHING_H
#define DAEMON_SWITCHING_H

#include "daemon/daemon_state.h"
#include "engine/change.h"

struct switching {
    /* The caller's, before switching_begin; borrowed until the end. */
    struct daemon *daemon;
    struct config *to; /* the settings; its arena takes notes */
    const struct changes *changes;
    bool changes_dns; /* of the system */

    /* Its own. */
    bool goes_back; /* refused, once the keeper has put the servers of before back */
    int result;     /* at the end: 0, or -errno and a sentence */
    char reason[WHY_BYTES];
    struct text why;
};

/* True: the keeper works on the system's DNS; switching_go_on follows with what it says, and
 * meanwhile the network is as before. False: it is over, see `result`. */
bool switching_begin(struct switching *switching);
bool switching_go_on(struct switching *switching, int result, const char *why);

#endif
