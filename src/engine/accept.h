/* SPDX-License-Identifier: MIT */
/* Inbound, last step: what may come out of a tunnel, and where it goes (RULES C4, C6). */
#ifndef ENGINE_ACCEPT_H
#define ENGINE_ACCEPT_H

#include "engine/core.h"

enum accept_road {
    ACCEPT_REFUSED,  /* see the verdict */
    ACCEPT_CARRIED,  /* a datagram for `child`'s virtual socket: entry's packet, node and source are set for the
                        next pass */
    ACCEPT_CONSUMED, /* the program's own: it has been handed over, the packet may go */
    ACCEPT_TUN,      /* translated, goes to the TUN with `view` */
};

/* Judges the plaintext of `peer` in entry->packet (opened, header and tag gone, not empty). `outer_tos` is
 * that of the datagram it came in. Changes the packet in place. */
enum accept_road accept_packet(struct engine *engine, struct inbound_entry *entry,
                               const struct peer *peer, uint8_t outer_tos, struct ip_view *view,
                               enum verdict *verdict);

#endif
