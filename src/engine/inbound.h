/* SPDX-License-Identifier: MIT */
/* Inbound: sort, open, accept. Datagrams of a root's socket, and again those they carry. */
#ifndef ENGINE_INBOUND_H
#define ENGINE_INBOUND_H

#include "engine/reassemblies.h"
#include "engine/inbound_entry.h"
#include "engine/train.h"
#include "packet/offload.h"

#define INBOUND_MOST 128

struct echoes;
struct handshakes;
struct outbound;
struct own_sockets;

struct inbound {
    struct core *core;
    struct handshakes *handshakes; /* where they wait, and who is told of sessions */
    struct own_sockets *own_sockets; /* whose datagrams never reach the TUN */
    struct echoes *echoes;           /* whose answers do not either */
    struct inbound_entry entries[INBOUND_MOST];
    size_t count;
    struct aead_desc opens[INBOUND_MOST];
    struct reassemblies reassemblies;
    struct coalesce coalesce;
};

/* Appends a train's datagrams to the batch, running it when it is full. Takes the train's block. */
void inbound_add(struct inbound *inbound, struct node *root, const struct udp_train *train,
                 instant_ns now, struct actions *actions);
/* Opens all of the batch, hop by hop, until each packet is written, consumed or refused. */
void inbound_run(struct inbound *inbound, instant_ns now, struct actions *actions);

/* The turn is over: runs that may not be held longer go to the TUN (RULES H4). */
void inbound_end_receive(struct inbound *inbound, struct actions *actions);
/* Nothing waits at the sockets: all runs go. */
void inbound_idle(struct inbound *inbound, struct actions *actions);

/* The node goes: its datagrams of the batch, and those out of its plaintext, are dropped. */
void inbound_let_go(struct inbound *inbound, const struct node *node);
/* Gives the buffers back. */
void inbound_wipe(struct inbound *inbound);

#endif
