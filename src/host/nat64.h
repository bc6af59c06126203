/* SPDX-License-Identifier: MIT */
/* IPv4 addresses as a network that has only IPv6 and translates shows them: inside an IPv6 prefix
 * of its own (RFC 6052), which it tells in the answer to a well-known question (RFC 7050). */
#ifndef HOST_NAT64_H
#define HOST_NAT64_H

#include "base/prefix.h"

/* Its IPv4 addresses are known; an IPv6 one shows where a prefix puts them. */
#define NAT64_QUESTION "ipv4only.arpa"

/* The prefix in one of the answer's IPv6 addresses; false: this is none such. */
bool nat64_find_prefix(const struct address *answer, struct prefix *prefix);
/* The IPv4 address inside the prefix, which nat64_find_prefix found. */
struct address nat64_synthesize(const struct prefix *prefix, const struct address *ipv4);

#endif
