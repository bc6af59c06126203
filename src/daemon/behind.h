/* SPDX-License-Identifier: MIT */
/* What of the host does not stand as the engine has it, since the kernel refused it when it was
 * tried last: it is tried again, after 1 s, then each time after twice as long, up to 64 s. */
#ifndef DAEMON_BEHIND_H
#define DAEMON_BEHIND_H

#include "base/text.h"
#include "base/clock.h"
#include "daemon/log.h"

#define BEHIND_BYTES 512

struct behind { /* zeroed: nothing */
    char said[BEHIND_BYTES]; /* "": all stands */
    duration_ns pause_ns;
};

/* One more thing that a round of following could not do. */
void behind_add(struct text *failed, int result, const char *why);
/* The round is over: logs what is news, once, and that all stands again. The time until the next
 * try; 0: none is needed. */
duration_ns behind_end(struct behind *behind, const struct text *failed, struct log *log);

#endif
