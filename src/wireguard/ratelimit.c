/* SPDX-License-Identifier: MIT */
/* Theory of operation. A token bucket is one instant: when it will be full again. A packet costs
 * one interval, and passes if the bucket is then not emptier than a burst allows. A bucket that is
 * full again says nothing, so its place is free: there is nothing to collect. A source has
 * RATELIMIT_WAYS possible places, told by a keyed hash. When all are taken, the one soonest full
 * makes room: an attacker with many addresses gains no more than the burst that any new address
 * has, and nobody is ever refused because others filled the table. */
#include "wireguard/ratelimit.h"

#include <string.h>

#include "base/bytes.h"
#include "crypto/blake2s.h"

struct ratelimit_entry {
    instant_ns full_at;
    uint8_t network[9]; /* family and the limited bits */
};

#define TABLE_BYTES (sizeof(struct ratelimit_entry) * RATELIMIT_SETS * RATELIMIT_WAYS)

void ratelimit_init(struct ratelimit *limit, const struct memory *memory,
                    const struct random_source *random)
{
    *limit = (struct ratelimit){.memory = memory, .random = random};
}

void ratelimit_wipe(struct ratelimit *limit)
{
    if (limit->entries)
        bytes_wipe(limit->entries, TABLE_BYTES);
    memory_give(limit->memory, limit->entries, TABLE_BYTES);
    limit->entries = NULL;
}

static bool has_table(struct ratelimit *limit)
{
    if (limit->entries)
        return true;
    limit->entries = memory_take(limit->memory, TABLE_BYTES);
    if (limit->entries)
        random_fill(limit->random, limit->hash_key, sizeof(limit->hash_key));
    return limit->entries;
}

/* The source's bucket, if need be a new and full one. */
static struct ratelimit_entry *find_entry(struct ratelimit *limit, const struct address *source,
                                          instant_ns now)
{
    uint8_t network[9] = {source->family}, hash[BLAKE2S_MAC_BYTES];
    memcpy(network + 1, source->bytes, source->family == FAMILY_IPV4 ? 4 : 8);
    blake2s_mac(limit->hash_key, sizeof(limit->hash_key), network, sizeof(network), hash);
    struct ratelimit_entry *set =
        &limit->entries[load_le32(hash) % RATELIMIT_SETS * RATELIMIT_WAYS];
    struct ratelimit_entry *victim = set;
    for (unsigned way = 0; way < RATELIMIT_WAYS; way++) {
        if (set[way].full_at > now && memcmp(set[way].network, network, sizeof(network)) == 0)
            return &set[way];
        if (set[way].full_at < victim->full_at)
            victim = &set[way];
    }
    memcpy(victim->network, network, sizeof(network));
    victim->full_at = now;
    return victim;
}

bool ratelimit_allow(struct ratelimit *limit, const struct address *source, instant_ns now)
{
    if (!has_table(limit))
        return false;
    struct ratelimit_entry *entry = find_entry(limit, source, now);
    duration_ns debt = entry->full_at - now;
    if (debt > (RATELIMIT_BURST - 1) * RATELIMIT_INTERVAL_NS)
        return false;
    entry->full_at += RATELIMIT_INTERVAL_NS;
    return true;
}
