/* SPDX-License-Identifier: MIT */
/* What ICMP errors tell about the way of a carried tunnel's datagrams (RULES C6), beyond what their
 * carrier's MTU tells (mtu.c). Theory of operation. A router behind the carrier's relay that
 * cannot pass such a datagram says so, and the carrier hands us its packet-too-big. Over IPv4 the
 * router cuts the datagram itself, since DF is clear (C2); over IPv6 only the sender may. Two
 * remedies, together:
 *
 * - The tunnel inside narrows to what fits, so that nothing is cut at all: routes, MSS and too-big
 *   follow as for any other change of an MTU (E1, E2, C8). That is the fast way, and the only one
 * that passes where fragments of IPv6 do not (RFC 7872).
 * - But not below what keeps IPv6 inside (E4), in this tunnel and in those that it carries: what
 * was carried goes on being carried. Datagrams that are larger than the way for that reason leave
 * as IPv6 fragments; the far end's kernel joins them. So is what an unlucky sender still sends as
 * large.
 *
 * Worked case: the carrier takes 1440, the exit over IPv6 has 1360 inside. Its way is 1380: 1300
 * inside, nothing is cut. Its way is 1340, which would leave 1260: 1280 inside, and datagrams of
 * 1360 leave as fragments of 1336 and 80.
 *
 * Forgery. What is believed comes out of the session of the very peer that carries the datagrams,
 * and quotes one: our virtual socket, the peer's endpoint, the receiver index of a session that
 * exists. So it is that relay, or a router behind it that has seen a datagram. It gets a way of
 * 1280 at worst, for ten minutes, for datagrams that it could have dropped. Only a decrease changes
 * anything, a few times per period; then 1280 it is. The rest of a flood costs a look at a
 * header. */
#ifndef ENGINE_PATH_MTU_H
#define ENGINE_PATH_MTU_H

#include "engine/core.h"

/* As long as kernels remember (RFC 8201 4: at least 5 minutes, 10 recommended). */
#define PATH_MTU_NS (600 * NS_PER_S)

/* An ICMP error about a carried datagram came out of the session of `carrier_peer`: what it says is
 * noted with the peer that it concerns, if it can be believed. */
void path_mtu_hear(struct core *core, const struct peer *carrier_peer, const uint8_t *bytes,
                   const struct ip_view *view, instant_ns now);
/* Ways that were narrow for long enough are tried again. */
void path_mtu_tick(struct core *core, instant_ns now);

#endif
