/* SPDX-License-Identifier: MIT */
/* Literal IPv4 endpoints of roots on a network that has only IPv6: where the host has no way to
 * one, the uplink's name servers are asked for the network's NAT64 prefix (RFC 7050), and the peer
 * is reached inside it, until there is a way again. Nothing else waits for it. */
#ifndef DAEMON_NAT64_ENDPOINTS_H
#define DAEMON_NAT64_ENDPOINTS_H

#include "daemon/names.h"

struct nat64_endpoints;

/* Some such endpoint has no way: then a question has to leave. */
bool nat64_endpoints_is_wanted(const struct names_options *options);
/* *made is NULL when no root has a literal IPv4 endpoint. Of the options those that names take. 0,
 * or -errno and a sentence; nat64_endpoints_stop follows either way. */
int nat64_endpoints_start(struct nat64_endpoints **made, const struct names_options *options,
                          struct text *why);
/* What is configured changed: those that stay are where they were sent. As nat64_endpoints_start.
 */
int nat64_endpoints_follow(struct nat64_endpoints **translation,
                           const struct names_options *options, struct text *why);
void nat64_endpoints_stop(struct nat64_endpoints *translation); /* NULL does nothing */
/* Why the peer's literal endpoint cannot be reached; NULL: it can, is being looked for, or is none.
 * Borrowed until the next round of the loop. */
const char *nat64_endpoints_cause(const struct nat64_endpoints *translation, uint32_t tunnel,
                                  uint32_t peer);
/* The host's routes changed; `has_moved`: it may be in another network, with another prefix. */
void nat64_endpoints_routes_changed(struct nat64_endpoints *translation, bool has_moved);

#endif
