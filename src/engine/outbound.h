/* SPDX-License-Identifier: MIT */
/* Outbound, second step: seal and emit. The batch is sealed once a hop, in place; between two hops
 * the carrier's IP and UDP headers are pushed in front of the same bytes. */
#ifndef ENGINE_OUTBOUND_H
#define ENGINE_OUTBOUND_H

#include "engine/core.h"

/* Seals all of engine->outbound through every hop and lists what is to be sent, in order; then what
 * was released, as far as the list has room. What has no session is staged, and its peer listed for
 * a handshake. */
void outbound_run(struct engine *engine, instant_ns now, struct actions *actions);

/* What waits for this peer's session, which works now, goes with the next outbound_run: all of it, in
 * order, before anything newer, in as many turns as it takes. */
void outbound_release(struct engine *engine, struct peer *peer);
/* Appends an empty packet. */
void outbound_keepalive(struct engine *engine, struct peer *peer);
/* Drops all that waits for this peer's session. */
void outbound_drop_staged(struct engine *engine, struct peer *peer, enum verdict verdict);

/* Sends a message of the tunnel itself (a handshake, a cookie) to an endpoint: as plaintext of
 * `carrier`, an entry of the batch (call outbound_run), or, where that is NULL, to the root's socket by
 * `path`, which lives until the actions are performed. */
void outbound_message(struct engine *engine, struct node *node, struct node *carrier,
                      const struct endpoint *to, const struct udp_path *path,
                      const uint8_t *bytes, size_t len, struct actions *actions);

#endif
