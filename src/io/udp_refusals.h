/* SPDX-License-Identifier: MIT */
/* What the kernel refused for a while: endpoints that take no segments (RULES E5), sources that are
 * gone. Few and soon forgotten; the oldest makes room. */
#ifndef IO_UDP_REFUSALS_H
#define IO_UDP_REFUSALS_H

#include "base/address.h"
#include "base/clock.h"

#define UDP_REFUSALS_MOST 16

struct udp_refusals {
    size_t count;
    size_t next; /* to be overwritten */
    struct {
        struct endpoint endpoint;
        instant_ns until;
    } entries[UDP_REFUSALS_MOST];
};

/* All zero: empty. */
void udp_refusals_add(struct udp_refusals *refusals, const struct endpoint *endpoint,
                      instant_ns until);
bool udp_refusals_has(const struct udp_refusals *refusals, const struct endpoint *endpoint,
                      instant_ns now);
/* It is taken again. */
void udp_refusals_forget(struct udp_refusals *refusals, const struct endpoint *endpoint);

#endif
