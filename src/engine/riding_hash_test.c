/* SPDX-License-Identifier: MIT */
/* The hash of endpoints raced against looking through all peers. */
#include "engine/riding_hash.h"

#include "engine/tree.h"
#include "tap.h"

#define PEERS 300

struct crowd {
    struct riding_hash hash;
    struct peer peers[PEERS];
    struct hop hops[PEERS];
};

/* Few distinct ones, so that several peers have the same. */
static struct endpoint random_endpoint(void)
{
    struct endpoint endpoint = {.address.family = tap_random_below(2) ? FAMILY_IPV4 : FAMILY_IPV6};
    endpoint.address.bytes[3] = (uint8_t)tap_random_below(8);
    if (endpoint.address.family == FAMILY_IPV6)
        endpoint.address.bytes[15] = (uint8_t)tap_random_below(8);
    endpoint.port = (uint16_t)(51820 + tap_random_below(4));
    return endpoint;
}

static bool has(const struct crowd *crowd, unsigned peer, const struct endpoint *endpoint)
{
    return endpoint_is_equal(&crowd->peers[peer].endpoint, endpoint);
}

static unsigned count_in_chain(const struct crowd *crowd, const struct endpoint *endpoint,
                               unsigned *passed)
{
    unsigned count = 0;
    const struct hop *hop = riding_hash_chain(&crowd->hash, &endpoint->address, endpoint->port);
    for (*passed = 0; hop; hop = hop->next_at_endpoint) {
        count += has(crowd, (unsigned)(hop - crowd->hops), endpoint);
        (*passed)++;
    }
    return count;
}

static void crowd_init(struct crowd *crowd)
{
    *crowd = (struct crowd){0};
    CHECK(riding_hash_init(&crowd->hash, tap_memory(), tap_random_source(), PEERS));
    for (unsigned i = 0; i < PEERS; i++) {
        crowd->hops[i].peer = &crowd->peers[i];
        crowd->peers[i].endpoint = random_endpoint();
        riding_hash_add(&crowd->hash, &crowd->hops[i]);
    }
}

static void every_peer_is_found_wherever_it_moved(void)
{
    static struct crowd crowd;
    crowd_init(&crowd);
    for (unsigned round = 0; round < 2000; round++) {
        unsigned mover = (unsigned)tap_random_below(PEERS), expected = 0, passed;
        riding_hash_remove(&crowd.hash, &crowd.hops[mover]);
        crowd.peers[mover].endpoint = random_endpoint();
        riding_hash_add(&crowd.hash, &crowd.hops[mover]);
        struct endpoint asked = random_endpoint();
        for (unsigned i = 0; i < PEERS; i++)
            expected += has(&crowd, i, &asked);
        CHECK_EQUAL(count_in_chain(&crowd, &asked, &passed), expected);
    }
    riding_hash_wipe(&crowd.hash);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

/* What an entry relay with many peers forwards is looked up for each packet. */
static void chains_are_short(void)
{
    static struct crowd crowd;
    unsigned longest = 0, passed;
    crowd_init(&crowd);
    for (unsigned i = 0; i < PEERS; i++) { /* neighbours, as behind one address */
        riding_hash_remove(&crowd.hash, &crowd.hops[i]);
        crowd.peers[i].endpoint = (struct endpoint){.address.family = FAMILY_IPV4,
                                                    .address.bytes = {192, 0, 2, 1},
                                                    .port = (uint16_t)(1024 + i)};
        riding_hash_add(&crowd.hash, &crowd.hops[i]);
    }
    for (unsigned i = 0; i < PEERS; i++) {
        CHECK_EQUAL(count_in_chain(&crowd, &crowd.peers[i].endpoint, &passed), 1);
        longest = passed > longest ? passed : longest;
    }
    CHECK(longest <= 20); /* 300 in 512 chains: 9 is once in 100,000 */
    riding_hash_wipe(&crowd.hash);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, every_peer_is_found_wherever_it_moved);
    TAP_RUN(argc, argv, chains_are_short);
    return tap_done();
}
