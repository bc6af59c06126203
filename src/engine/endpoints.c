/* SPDX-License-Identifier: MIT */
/* Theory of operation. The hash is a sum with secret factors (Carter and Wegman, 1979): whoever may
 * choose a peer's endpoint, a remote that roams, cannot choose which chain it gets into. The sum
 * alone would follow where ports follow each other, so its bits are mixed. */
#include "engine/endpoints.h"

#include <assert.h>

#include "base/bytes.h"
#include "engine/hop.h"

static size_t place(const struct endpoints *endpoints, const struct address *address, uint16_t port)
{
    const uint64_t *secrets = endpoints->secrets;
    uint64_t sum = port * secrets[ENDPOINT_WORDS - 1];
    for (size_t i = 0; i < ENDPOINT_WORDS - 1; i++)
        sum += load_le32(address->bytes + 4 * i) * secrets[i];
    sum = (sum ^ sum >> 32) * UINT64_C(0x9e3779b97f4a7c15); /* odd: no two sums become one */
    sum = (sum ^ sum >> 29) * UINT64_C(0x9e3779b97f4a7c15);
    return sum >> (64 - endpoints->bits);
}

static struct hop **chain_of(const struct endpoints *endpoints, const struct hop *hop)
{
    const struct endpoint *endpoint = &hop->peer->endpoint;
    return &endpoints->chains[place(endpoints, &endpoint->address, endpoint->port)];
}

bool endpoints_init(struct endpoints *endpoints, const struct memory *memory,
                    const struct random_source *random, size_t peers)
{
    *endpoints = (struct endpoints){.memory = memory, .bits = 4};
    while ((size_t)1 << endpoints->bits < peers)
        endpoints->bits++;
    random_fill(random, endpoints->secrets, sizeof(endpoints->secrets));
    endpoints->chains = memory_take(memory, sizeof(struct hop *) << endpoints->bits);
    return endpoints->chains != NULL;
}

bool endpoints_reserve(struct endpoints *endpoints, size_t peers)
{
    struct endpoints larger = *endpoints;
    if ((size_t)1 << endpoints->bits >= peers)
        return true;
    while ((size_t)1 << larger.bits < peers)
        larger.bits++;
    larger.chains = memory_take(larger.memory, sizeof(struct hop *) << larger.bits);
    if (!larger.chains)
        return false;
    for (size_t i = 0; i < (size_t)1 << endpoints->bits; i++) {
        while (endpoints->chains[i]) {
            struct hop *hop = endpoints->chains[i];
            endpoints->chains[i] = hop->next_at_endpoint;
            endpoints_add(&larger, hop);
        }
    }
    endpoints_wipe(endpoints);
    *endpoints = larger;
    return true;
}

void endpoints_wipe(struct endpoints *endpoints)
{
    memory_give(endpoints->memory, endpoints->chains, sizeof(struct hop *) << endpoints->bits);
    *endpoints = (struct endpoints){.memory = endpoints->memory};
}

void endpoints_add(struct endpoints *endpoints, struct hop *hop)
{
    struct hop **chain = chain_of(endpoints, hop);
    hop->next_at_endpoint = *chain;
    *chain = hop;
}

void endpoints_remove(struct endpoints *endpoints, struct hop *hop)
{
    struct hop **link = chain_of(endpoints, hop);
    while (*link != hop) {
        assert(*link);
        link = &(*link)->next_at_endpoint;
    }
    *link = hop->next_at_endpoint;
}

struct hop *endpoints_chain(const struct endpoints *endpoints, const struct address *address,
                            uint16_t port)
{
    return endpoints->chains[place(endpoints, address, port)];
}
