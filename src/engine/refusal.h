/* SPDX-License-Identifier: MIT */
/* A packet from the TUN is refused aloud: counted, and answered with ICMP (RULES A4, A7, D1 to
 * D4). */
#ifndef ENGINE_REFUSAL_H
#define ENGINE_REFUSAL_H

#include "engine/core.h"
#include "packet/ip.h"

struct refusal {
    struct node *node;    /* NULL: no route */
    const uint8_t *bytes; /* the packet as the application sent it */
    size_t len;
    const struct ip_view *view;
    enum verdict verdict;
    uint32_t mtu_bytes; /* of VERDICT_TOO_BIG: what would fit */
};

/* The answer, when one may be sent, is a write to the TUN. */
void refusal_answer(struct core *core, const struct refusal *refusal, instant_ns now,
                    struct actions *actions);

#endif
