/* SPDX-License-Identifier: MIT */
/* Literal IPv4 endpoints of roots on a network that has only IPv6: where the host has no way to
 * one, the uplink's name servers are asked for the network's NAT64 prefix (RFC 7050), and the peer
 * is reached inside it, until there is a way again. Nothing else waits for it. */
#ifndef DAEMON_TRANSLATION_H
#define DAEMON_TRANSLATION_H

#include "daemon/names.h"

struct translation;

/* Some such endpoint has no way: then a question has to leave. */
bool translation_is_wanted(const struct names_options *options);
/* *made is NULL when no root has a literal IPv4 endpoint. Of the options those that names take. 0,
 * or -errno and a sentence; translation_stop follows either way. */
int translation_start(struct translation **made, const struct names_options *options,
                      struct text *why);
/* What is configured changed: those that stay are where they were sent. As translation_start. */
int translation_follow(struct translation **translation, const struct names_options *options,
                       struct text *why);
void translation_stop(struct translation *translation); /* NULL does nothing */
/* Why the peer's literal endpoint cannot be reached; NULL: it can, is being looked for, or is none.
 * Borrowed until the next round of the loop. */
const char *translation_cause(const struct translation *translation, uint32_t tunnel,
                              uint32_t peer);
/* The host's routes changed; `has_moved`: it may be in another network, with another prefix. */
void translation_routes_changed(struct translation *translation, bool has_moved);

#endif
