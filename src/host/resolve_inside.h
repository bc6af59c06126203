/* SPDX-License-Identifier: MIT */
/* The sockets that c-ares uses for a name inside a carrier (RULES G1): not the host's, but the
 * engine's own in that tunnel. Each has an eventfd as its descriptor, readable while answers wait, so
 * an epoll can hold it like any other. UDP alone: names of endpoints have short answers, and a
 * truncated one is taken as it is. Private to resolve.c. */
#ifndef HOST_RESOLVE_INSIDE_H
#define HOST_RESOLVE_INSIDE_H

#include <ares.h>

#include "engine/engine.h"

struct resolve_sockets;

/* Makes the channel ask inside the tunnel. The sockets live until resolve_inside_free, which follows
 * ares_destroy. NULL: no memory. */
struct resolve_sockets *resolve_inside_use(ares_channel channel, struct engine *engine,
                                           uint32_t tunnel);
void resolve_inside_free(struct resolve_sockets *sockets); /* NULL does nothing */

#endif
