/* SPDX-License-Identifier: MIT */
/* Descriptors kept free: undoing needs some (a socket to nftables, the state's file, programs that
 * set the DNS), also where a start failed for want of them; what runs needs some for a while. */
#ifndef DAEMON_RESERVE_H
#define DAEMON_RESERVE_H

#include <stddef.h>

#include "base/text.h"

#define RESERVE_MOST 40

struct reserve {
    int fds[RESERVE_MOST];
    size_t count;
};

/* All of them, before the host is touched. 0, or -errno and a sentence. */
int reserve_take(struct reserve *reserve, struct text *why);
/* The start is over: most of them are for clients, look-ups and repairs now. */
void reserve_started(struct reserve *reserve);
/* The end begins. */
void reserve_give(struct reserve *reserve);

#endif
