/* SPDX-License-Identifier: MIT */
/* Descriptors kept free: undoing needs some (a socket to nftables, the state's file, programs that
 * set the DNS), also where a start failed for want of them; what runs needs some for a while. */
#ifndef DAEMON_SPARE_DESCRIPTORS_H
#define DAEMON_SPARE_DESCRIPTORS_H

#include <stddef.h>

#include "base/text.h"

#define SPARE_DESCRIPTORS_MOST 40

struct spare_descriptors {
    int fds[SPARE_DESCRIPTORS_MOST];
    size_t count;
};

/* All of them, before the host is touched. 0, or -errno and a sentence. */
int spare_descriptors_take(struct spare_descriptors *reserve, struct text *why);
/* The start is over: most of them are for clients, look-ups and repairs now. */
void spare_descriptors_started(struct spare_descriptors *reserve);
/* The end begins. */
void spare_descriptors_give(struct spare_descriptors *reserve);

#endif
