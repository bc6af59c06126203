/* SPDX-License-Identifier: MIT */
/* What came of telling resolvconf: it may exit with 0 and have done nothing (its updates are
 * switched off, a wrapper, a full disk), so what it keeps and what /etc/resolv.conf shows is looked
 * at. It may also be at it still: each waits up to 2 s for what should be there (RULES F7, G3). */
#ifndef HOST_DNS_SHOWN_H
#define HOST_DNS_SHOWN_H

#include "host/dns_record.h"

/* After it was told: the file shows one of the record's servers, or a resolver on this host, which
 * resolvconf has told of them. */
bool dns_shown_is_set(const struct dns_record *record);

/* After it was told to forget `name`: it has, and (if `are_ours`: none of the network's names is
 * left there) the file shows none of the record's servers but such as the uplink or another network
 * names too. 0; or -EIO and a sentence. */
int dns_shown_is_gone(const char *network, const struct dns_record *record, const char *name,
                      bool are_ours, struct text *why);

#endif
