/* SPDX-License-Identifier: MIT */
/* Datagrams of our own sockets that the host routes into the interface again (RULES H6, TRAPS
 * 18). */
#ifndef ENGINE_RIDING_H
#define ENGINE_RIDING_H

#include "engine/core.h"

/* Judges a packet from the TUN that is about to take `peer`. LOOP: it is a datagram to a root's
 * peer, and the way of `peer` leads to that same peer again. Remembers who rides whom. */
enum verdict riding_judge(struct core *core, const struct peer *peer, const uint8_t *bytes,
                          const struct ip_view *view, instant_ns now);

/* The WireGuard message, of which 8 bytes are there, is one that we sent to this peer: by its
 * index. */
bool riding_is_from_us(const struct peer *peer, const uint8_t *message);

#endif
