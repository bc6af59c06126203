/* SPDX-License-Identifier: MIT */
/* A packet from the TUN that goes no further, as the plan has found: counted, and answered with
 * ICMP (RULES A4, A7, D1 to D4). */
#ifndef ENGINE_ICMP_ANSWER_H
#define ENGINE_ICMP_ANSWER_H

#include "engine/core.h"
#include "packet/ip.h"

struct icmp_answer {      /* to what */
    struct node *node;    /* NULL: no route */
    const uint8_t *bytes; /* the packet as the application sent it */
    size_t len;
    const struct ip_view *view;
    enum verdict verdict;
    uint32_t mtu_bytes; /* of VERDICT_TOO_BIG: what would fit */
};

/* The answer, when one may be sent, is a write to the TUN. */
void icmp_answer_write(struct core *core, const struct icmp_answer *answer, instant_ns now,
                       struct actions *actions);

#endif
