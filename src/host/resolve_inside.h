/* SPDX-License-Identifier: MIT */
/* The sockets that c-ares uses for a name inside a carrier (RULES G1): not the host's, but the
 * engine's own in that tunnel. Each has an eventfd as its descriptor, readable while answers wait,
 * so an epoll can hold it like any other. UDP alone: names of endpoints have short answers, and of
 * a truncated one the addresses that it has are taken. Private to resolve.c. */
#ifndef HOST_RESOLVE_INSIDE_H
#define HOST_RESOLVE_INSIDE_H

#include <ares.h>

#include "engine/engine.h"

/* The longest answer that c-ares reads. */
#define RESOLVE_INSIDE_ROOM_MOST_BYTES 4096

struct resolve_sockets;

/* Makes the channel ask inside the tunnel, while that is there. The sockets live until
 * resolve_inside_free, which follows ares_destroy. NULL: no memory. */
struct resolve_sockets *resolve_inside_use(ares_channel channel, struct engine *engine,
                                           struct tunnel_handle tunnel);
/* An answer came that was truncated before its first record: with more room it may have some. */
bool resolve_inside_was_cut_to_nothing(const struct resolve_sockets *sockets); /* NULL: false */
void resolve_inside_free(struct resolve_sockets *sockets); /* NULL does nothing */

#endif
