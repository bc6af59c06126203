/* SPDX-License-Identifier: MIT */
/* What stands in an nftables table of the family inet, asked of the kernel itself: libnftables
 * would make text of all of it. */
#ifndef HOST_NFT_TABLE_H
#define HOST_NFT_TABLE_H

#include "host/netlink.h"

/* A number for all that the table does: its chains with their hooks and policies, its rules in
 * their order, its named sets with their elements. Whoever deletes, adds or replaces one of them
 * gets another number, also with the same text again; counters have no part in it. 0, -ENOENT: no
 * such table, or another -errno, and netlink->reason. */
int nft_table_read(struct netlink *netlink, const char *table, uint64_t *print);

/* Of a text. */
uint64_t nft_table_hash(const char *text);

/* How often nftables was changed in this network namespace, by anybody. The same. */
int nft_table_generation(struct netlink *netlink, uint32_t *generation);

struct nft_table_counter {
    uint64_t packets, bytes;
};
/* All 0 where the table or its counter is missing. */
struct nft_table_counter nft_table_counter(struct netlink *netlink, const char *table,
                                           const char *counter);

#endif
