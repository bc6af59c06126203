/* SPDX-License-Identifier: MIT */
/* What the host must learn of a network again and again: its roots' ways, the firewall's table, the
 * routes. First laid by daemon.c in its order, then kept up with events and endpoints. */
#ifndef DAEMON_SETTLE_H
#define DAEMON_SETTLE_H

#include "daemon/daemon_state.h"

/* Reads every root's way again: true when one leads elsewhere now. The first time no root is told
 * that its network changed. What cannot be read is told to `failed`, and stays. */
bool settle_roots(struct daemon *daemon, bool is_first, struct text *failed);
/* What the host has beside it, as `check` says it. */
void settle_tell_beside(struct daemon *daemon);
/* 0, or -errno and a sentence in daemon->why. Without nftables only a kill switch is refused. */
int settle_firewall(struct daemon *daemon);

/* Sets the timers; from now on routes and links are followed when settle_soon is called, endpoints
 * at once when names or NAT64 find another one, and every second. What the kernel refuses is tried
 * again (behind.h). */
void settle_start(struct daemon *daemon);
void settle_soon(struct daemon *daemon);
/* At once: until then something passes that should not. */
void settle_now(struct daemon *daemon);
/* Lays again what was taken of the rules and routes, or what others now stand in front of, at once:
 * until then packets pass them by. */
void settle_losses(struct daemon *daemon);
/* What is configured changed in the engine: the daemon's description of it is an old one. Does the
 * host have to follow? It does so at once, unless following took more than a fifth of the time of
 * late. Urgent is what names and NAT64 must hear of before they do anything else. */
void settle_configured(struct daemon *daemon, bool concerns_host, bool is_urgent);
/* The same whatever it takes, before it returns. */
void settle_at_once(struct daemon *daemon);
/* The daemon's description is the engine's of now; false: no memory, and it is an old one. */
bool settle_describe(struct daemon *daemon);
/* What whoever finds endpoints needs, and tells. */
struct names_options settle_names_options(struct daemon *daemon);

#endif
