/* SPDX-License-Identifier: MIT */
/* A packet from the TUN is refused aloud: counted, and answered with ICMP (RULES A4, A7, D1 to D4). */
#ifndef ENGINE_REFUSAL_H
#define ENGINE_REFUSAL_H

#include "engine/core.h"

/* `bytes` are the packet as the application sent it. `node` may be NULL (no route). The answer, when
 * one may be sent, is a write to the TUN. */
void refusal_answer(struct engine *engine, struct node *node, const uint8_t *bytes, size_t len,
                    const struct ip_view *view, enum verdict verdict, instant_ns now,
                    struct actions *actions);

#endif
