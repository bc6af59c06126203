/* SPDX-License-Identifier: MIT */
/* What the reassembly's tests share: a datagram's fragments, and books on what became of them. */
#ifndef TESTS_RIGS_REASSEMBLER_H
#define TESTS_RIGS_REASSEMBLER_H

#include <stdlib.h>

#include "rigs/recipe.h"
#include "rigs/sample.h"
#include "route/reassembly.h"
#include "tap.h"

#define PIECES_MOST 80
#define SLOTS 256
#define BLOCKS 4
#define START (100 * NS_PER_S)

/* One fragment as it is sent. */
struct cut {
    bool is_ipv6;
    uint32_t id;
    uint8_t source; /* last byte of its address */
    uint8_t protocol;
    uint8_t tos;
    uint32_t at;
    uint32_t len;
    bool has_more;
    size_t padding; /* options, or an extension header: 0 or 8 */
    const uint8_t *bytes;
};

struct reassembler {
    struct pool *pool;
    struct reassembly *reassembly;
    instant_ns now;
    uint64_t sent, dropped, passed, joined, wholes;
};

static inline void reassembler_init(struct reassembler *rig)
{
    const struct pool_shape shape = {.slots = SLOTS,
                                     .headroom_bytes = 64,
                                     .payload_bytes = 1500,
                                     .tailroom_bytes = 31,
                                     .receive_blocks = BLOCKS,
                                     .receive_block_bytes = 65536};
    *rig = (struct reassembler){.now = START, .pool = pool_new(tap_memory(), &shape)};
    rig->reassembly = reassembly_new(tap_memory(), rig->pool);
    CHECK(rig->reassembly != NULL);
}

static inline void reassembler_wipe(struct reassembler *rig)
{
    CHECK_EQUAL(pool_free_slots(rig->pool), SLOTS);
    CHECK_EQUAL(pool_free_blocks(rig->pool), BLOCKS);
    reassembly_free(rig->reassembly);
    pool_free(rig->pool);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

/* A heap buffer of exactly its size. */
static inline uint8_t *reassembler_write(const struct cut *cut, size_t *len)
{
    struct recipe recipe = {
        .family = cut->is_ipv6 ? FAMILY_IPV6 : FAMILY_IPV4,
        .protocol = cut->protocol,
        .source = sample_address(cut->is_ipv6 ? "2000::" : "203.0.113.0"),
        .destination = sample_address(cut->is_ipv6 ? "fc00::2" : "10.64.0.2"),
        .tos = cut->tos,
        .fragment = RECIPE_LATER,
        .id = cut->id,
        .fragment_at = cut->at,
        .is_last = !cut->has_more,
        .options_len = cut->padding,
        .has_hop_by_hop = cut->padding,
        .payload_len = cut->len,
    };
    recipe.source.bytes[family_bytes(recipe.family) - 1] = cut->source;
    memset(recipe.options, 1, cut->padding); /* NOP */
    if (cut->len)
        memcpy(recipe.payload, cut->bytes, cut->len);
    return recipe_write_new(&recipe, len);
}

/* Hands the fragment in and keeps the books; what is released is checked to be packets again. */
static inline struct reassembly_result reassembler_put(struct reassembler *rig,
                                                       const struct cut *cut, bool is_carried)
{
    size_t len;
    struct ip_view view;
    uint8_t *bytes = reassembler_write(cut, &len);
    struct packet packet = {.data = bytes, .len_bytes = (uint32_t)len, .tos = cut->tos};
    CHECK_EQUAL(ip_parse(bytes, len, &view), VERDICT_OK);
    CHECK(reassembly_concerns(&view));
    struct reassembly_result result =
        reassembly_add(rig->reassembly, &packet, &view, is_carried, rig->now);
    rig->sent++;
    rig->dropped += result.dropped;
    rig->passed += result.released.count + (result.road == REASSEMBLY_PASSES);
    rig->wholes += result.road == REASSEMBLY_WHOLE;
    CHECK_EQUAL(result.whole != NULL, result.road == REASSEMBLY_WHOLE);
    free(bytes);
    return result;
}

static inline void reassembler_give(struct reassembler *rig, struct reassembly_result *result)
{
    pool_give_queue(rig->pool, &result->released);
    pool_give_packet(rig->pool, result->whole);
}

/* What the books do not explain is still held: it goes with time, and is counted then. */
static inline void reassembler_let_expire(struct reassembler *rig, uint64_t held)
{
    if (reassembly_deadline(rig->reassembly) != INSTANT_NEVER)
        rig->now = reassembly_deadline(rig->reassembly);
    CHECK(rig->now <= instant_add(START, 30 * NS_PER_S));
    rig->now += REASSEMBLY_TIME_NS;
    CHECK_EQUAL(reassembly_expire(rig->reassembly, rig->now), held);
    CHECK_EQUAL(reassembly_deadline(rig->reassembly), INSTANT_NEVER);
}

/* ---- a datagram cut at random ---- */

static uint8_t reassembler_datagram[REASSEMBLY_BYTES_MOST + 8];

static inline size_t reassembler_cut_up(struct cut *cuts, const struct cut *like, uint32_t total)
{
    size_t count = 0;
    uint32_t at = 0, left_least = total / (REASSEMBLY_FRAGMENTS_MOST / 2) + 8;
    while (at < total) {
        uint32_t len = (uint32_t)(left_least + tap_random_below(1400 - left_least)) / 8 * 8;
        len = total - at < len ? total - at : len;
        cuts[count] = *like;
        cuts[count].at = at;
        cuts[count].len = len;
        cuts[count].bytes = reassembler_datagram + at;
        cuts[count].padding = tap_random_below(2) * 8;
        at += len;
        cuts[count++].has_more = at < total;
    }
    return count;
}

static inline void reassembler_shuffle(struct cut *cuts, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t other = tap_random_below(i);
        struct cut kept = cuts[other];
        cuts[other] = cuts[i - 1];
        cuts[i - 1] = kept;
    }
}

static inline struct cut reassembler_random_cut(void)
{
    tap_random_bytes(reassembler_datagram, sizeof(reassembler_datagram));
    return (struct cut){.is_ipv6 = tap_random_below(2),
                        .id = (uint32_t)tap_random(),
                        .source = 9,
                        .protocol = IP_PROTOCOL_UDP,
                        .tos = 2};
}

/* Of a size that occurs, more than one fragment. */
static inline uint32_t reassembler_random_total(void)
{
    return (uint32_t)(tap_random_below(4) ? 1408 + tap_random_below(200)
                                          : 1408 + tap_random_below(REASSEMBLY_BYTES_MOST - 1407));
}

#endif
