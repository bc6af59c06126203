/* SPDX-License-Identifier: MIT */
/* Inbound: sort, open, accept. Datagrams of a root's socket, and again those they carry. */
#ifndef ENGINE_INBOUND_H
#define ENGINE_INBOUND_H

#include "engine/core.h"

/* Appends a train's datagrams to engine->inbound, running the batch whenever it is full. Takes the
 * train's block. */
void inbound_add(struct engine *engine, struct node *root, const struct udp_train *train,
                 instant_ns now, struct actions *actions);
/* Opens all of engine->inbound, hop by hop, until each packet is written, consumed or refused. */
void inbound_run(struct engine *engine, instant_ns now, struct actions *actions);

/* The turn is over: runs that may not be held longer go to the TUN (RULES H4). */
void inbound_end_receive(struct engine *engine, struct actions *actions);
/* Nothing waits at the sockets: all runs go. */
void inbound_idle(struct engine *engine, struct actions *actions);

#endif
