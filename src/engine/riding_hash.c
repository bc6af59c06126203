/* SPDX-License-Identifier: MIT */
/* Theory of operation. The hash is a sum with secret factors (Carter and Wegman, 1979): whoever may
 * choose a peer's endpoint, a remote that roams, cannot choose which chain it gets into. The sum
 * alone would follow where ports follow each other, so its bits are mixed. */
#include "engine/riding_hash.h"

#include <assert.h>

#include "base/bytes.h"
#include "engine/hop.h"

static size_t place(const struct riding_hash *hash, const struct address *address, uint16_t port)
{
    const uint64_t *secrets = hash->secrets;
    uint64_t sum = port * secrets[RIDING_HASH_WORDS - 1];
    for (size_t i = 0; i < RIDING_HASH_WORDS - 1; i++)
        sum += load_le32(address->bytes + 4 * i) * secrets[i];
    sum = (sum ^ sum >> 32) * UINT64_C(0x9e3779b97f4a7c15); /* odd: no two sums become one */
    sum = (sum ^ sum >> 29) * UINT64_C(0x9e3779b97f4a7c15);
    return sum >> (64 - hash->bits);
}

static struct hop **chain_of(const struct riding_hash *hash, const struct hop *hop)
{
    const struct endpoint *endpoint = &hop->peer->endpoint;
    return &hash->chains[place(hash, &endpoint->address, endpoint->port)];
}

bool riding_hash_init(struct riding_hash *hash, const struct memory *memory,
                      const struct random_source *random, size_t peers)
{
    *hash = (struct riding_hash){.memory = memory, .bits = 4};
    while ((size_t)1 << hash->bits < peers)
        hash->bits++;
    random_fill(random, hash->secrets, sizeof(hash->secrets));
    hash->chains = memory_take(memory, sizeof(struct hop *) << hash->bits);
    return hash->chains != NULL;
}

bool riding_hash_reserve(struct riding_hash *hash, size_t peers)
{
    struct riding_hash larger = *hash;
    if ((size_t)1 << hash->bits >= peers)
        return true;
    while ((size_t)1 << larger.bits < peers)
        larger.bits++;
    larger.chains = memory_take(larger.memory, sizeof(struct hop *) << larger.bits);
    if (!larger.chains)
        return false;
    for (size_t i = 0; i < (size_t)1 << hash->bits; i++) {
        while (hash->chains[i]) {
            struct hop *hop = hash->chains[i];
            hash->chains[i] = hop->next_at_endpoint;
            riding_hash_add(&larger, hop);
        }
    }
    riding_hash_wipe(hash);
    *hash = larger;
    return true;
}

void riding_hash_wipe(struct riding_hash *hash)
{
    memory_give(hash->memory, hash->chains, sizeof(struct hop *) << hash->bits);
    *hash = (struct riding_hash){.memory = hash->memory};
}

void riding_hash_add(struct riding_hash *hash, struct hop *hop)
{
    struct hop **chain = chain_of(hash, hop);
    hop->next_at_endpoint = *chain;
    *chain = hop;
}

void riding_hash_remove(struct riding_hash *hash, struct hop *hop)
{
    struct hop **link = chain_of(hash, hop);
    while (*link != hop) {
        assert(*link);
        link = &(*link)->next_at_endpoint;
    }
    *link = hop->next_at_endpoint;
}

struct hop *riding_hash_chain(const struct riding_hash *hash, const struct address *address,
                              uint16_t port)
{
    return hash->chains[place(hash, address, port)];
}
