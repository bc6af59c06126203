/* SPDX-License-Identifier: MIT */
/* WireGuard's userspace protocol, so that `wg` works on the network's tunnels (RULES I4): a socket for
 * each in /var/run/wireguard. What keeps one from being made is told; the network stands without it. */
#ifndef DAEMON_UAPI_H
#define DAEMON_UAPI_H

#include "daemon/daemon_state.h"

/* What the state file must name before uapi_open makes it. */
void uapi_note(struct daemon *daemon);
void uapi_open(struct daemon *daemon);
void uapi_close(struct daemon *daemon);
/* Now and then: makes again what somebody removed. */
void uapi_look(struct daemon *daemon);
/* What the tunnel is called in `wg`; NULL: it has no socket. */
const char *uapi_name(const struct uapi *uapi, const char *tunnel);

/* Removes the sockets that a crashed run left; what somebody listens on, or cannot be reached, stays.
 * 0, or -errno and a sentence. */
int uapi_clean_up(const struct state *crashed, struct text *why);

#endif
