/* SPDX-License-Identifier: MIT */
/* Endpoints that are given as names: resolved when the network starts, retried with backoff, asked
 * again while handshakes fail (RULES G2). Those of carried tunnels are asked inside the carrier
 * (G1). Nothing else waits for them. */
#ifndef DAEMON_NAMES_H
#define DAEMON_NAMES_H

#include "base/log_sink.h"
#include "engine/engine.h"
#include "host/resolve.h"
#include "io/loop.h"

#define NAMES_CAUSE_BYTES 256

struct names;

struct names_options {
    struct loop *loop; /* borrowed, as all below */
    const struct network_description *network;
    struct engine *engine;
    uint32_t mark;
    /* The host has a way to the address for what the roots send. */
    bool (*has_route)(void *context, const struct address *address);
    /* An endpoint is known or changed: the roots' MTU may follow. */
    void (*changed)(void *context);
    struct log_sink log;
    void *context;
};

/* *names is NULL when no endpoint is a name. 0, or -errno and a sentence; names_stop follows either
 * way. */
int names_start(struct names **names, const struct names_options *options, struct text *why);
/* What is configured changed: those that are other names now, or other peers', are asked anew. As
 * names_start. */
int names_follow(struct names **names, const struct names_options *options, struct text *why);
void names_stop(struct names *names); /* NULL does nothing */
/* The host's network changed: ask again now (F8). */
void names_ask_again(struct names *names);
/* The host's routes changed: where the address that is used has none any more, or none of those had
 * one, another may have one now. */
void names_routes_changed(struct names *names);
/* Why the peer's endpoint, a name, could not be resolved when it was asked last, or what it has
 * been waiting for, for seconds; NULL: it could, is being asked, or is no name. Borrowed until the
 * next round of the loop. */
const char *names_cause(const struct names *names, uint32_t tunnel, uint32_t peer);

#endif
