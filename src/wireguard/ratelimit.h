/* SPDX-License-Identifier: MIT */
/* Handshakes per source under load: 20 a second and 5 at once, for each IPv4 /32 and IPv6 /64
 * (whitepaper 5.3). A table of fixed size, taken from memory when the first source is asked about.
 */
#ifndef WIREGUARD_RATELIMIT_H
#define WIREGUARD_RATELIMIT_H

#include "base/address.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"

#define RATELIMIT_INTERVAL_NS (NS_PER_S / 20)
#define RATELIMIT_BURST 5
#define RATELIMIT_SETS 256
#define RATELIMIT_WAYS 8

struct ratelimit_entry;

struct ratelimit {
    const struct memory *memory; /* outlives the limit */
    const struct random_source *random;
    struct ratelimit_entry *entries; /* RATELIMIT_SETS × RATELIMIT_WAYS, or NULL: not needed yet */
    uint8_t hash_key[16];
};

void ratelimit_init(struct ratelimit *limit, const struct memory *memory,
                    const struct random_source *random);
void ratelimit_wipe(struct ratelimit *limit);
/* True, and counted, when the source may go on. False also when there is no memory for the table.
 */
bool ratelimit_allow(struct ratelimit *limit, const struct address *source, instant_ns now);

#endif
