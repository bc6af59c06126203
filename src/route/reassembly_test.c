/* SPDX-License-Identifier: MIT */
/* Many datagrams at once, those of others, ECN, limits, hostile fragments: nothing is kept beyond
 * the limits, and each fragment is counted once. */
#include "rigs/reassembler.h"

static void test_c5_many_datagrams_at_once(void)
{
    struct reassembler rig;
    static struct cut cuts[PIECES_MOST];
    size_t count = 0;
    struct cut like = reassembler_random_cut();
    reassembler_init(&rig);
    for (unsigned i = 0; i < 20; i++) { /* which differ in one part of the key */
        like.id = i / 4;
        like.is_ipv6 = i & 1;
        like.source = (uint8_t)(i >> 1 & 1);
        count += reassembler_cut_up(cuts + count, &like, 1408 + i * 40);
    }
    CHECK(count < PIECES_MOST);
    reassembler_shuffle(cuts, count);
    for (size_t i = 0; i < count; i++) {
        struct reassembly_result result = reassembler_put(&rig, &cuts[i], true);
        if (result.whole)
            CHECK_BYTES(result.whole->data, reassembler_datagram, result.whole->len_bytes);
        reassembler_give(&rig, &result);
    }
    CHECK_EQUAL(rig.wholes, 20);
    CHECK_EQUAL(rig.dropped, 0);
    reassembler_let_expire(&rig, 0);
    reassembler_wipe(&rig);
}

/* ---- others' ---- */

static void test_c5_others_pass_in_order_of_arrival(void)
{
    for (unsigned round = 0; round < 300; round++) {
        struct reassembler rig;
        struct cut cuts[PIECES_MOST];
        struct cut like = reassembler_random_cut();
        reassembler_init(&rig);
        size_t count = reassembler_cut_up(cuts, &like, reassembler_random_total()), first = 0;
        reassembler_shuffle(cuts, count);
        while (cuts[first].at)
            first++;
        for (size_t i = 0; i < count; i++) {
            struct reassembly_result result = reassembler_put(&rig, &cuts[i], false);
            CHECK_EQUAL(result.road, i < first ? REASSEMBLY_KEPT : REASSEMBLY_PASSES);
            CHECK_EQUAL(result.released.count, i == first ? first : 0);
            struct packet *packet = result.released.first;
            for (size_t p = 0; packet; packet = packet->next, p++) {
                size_t len;
                uint8_t *sent = reassembler_write(&cuts[p], &len);
                CHECK_EQUAL(packet->len_bytes, len);
                CHECK_BYTES(packet->data, sent, len);
                free(sent);
            }
            reassembler_give(&rig, &result);
        }
        CHECK_EQUAL(rig.passed, count);
        CHECK_EQUAL(rig.dropped, 0);
        reassembler_let_expire(&rig, 0);
        reassembler_wipe(&rig);
    }
}

static void test_c5_two_firsts_with_different_ports(void)
{
    struct reassembler rig;
    struct cut cuts[PIECES_MOST];
    struct cut like = reassembler_random_cut();
    reassembler_init(&rig);
    size_t count = reassembler_cut_up(cuts, &like, 3000);
    for (size_t i = 0; i < 2; i++) {
        struct reassembly_result result = reassembler_put(&rig, &cuts[0], i == 0);
        CHECK_EQUAL(result.road, REASSEMBLY_KEPT);
        CHECK_EQUAL(result.dropped, i ? 2 : 0);
    }
    for (size_t i = 1; i < count; i++)
        CHECK_EQUAL(reassembler_put(&rig, &cuts[i], true).dropped, 1); /* and those still to come */
    CHECK_EQUAL(rig.passed + rig.wholes, 0);
    reassembler_let_expire(&rig, 0);
    reassembler_wipe(&rig);
}

/* ---- ECN ---- */

static void test_c5_ecn_of_the_pieces(void)
{
    static const struct { uint8_t marks[2]; int whole; } cases[] = {
        {{0, 0}, 0}, {{2, 2}, 2}, {{1, 1}, 1}, {{2, 3}, 3}, {{3, 1}, 3}, {{3, 3}, 3},
        {{0, 3}, -1}, {{3, 0}, -1}, {{0, 2}, 0}, {{2, 0}, 2}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        for (unsigned order = 0; order < 2; order++) {
            struct reassembler rig;
            struct cut cuts[PIECES_MOST];
            struct cut like = reassembler_random_cut();
            reassembler_init(&rig);
            cuts[0] = cuts[1] = like;
            cuts[0].len = 1400, cuts[0].has_more = true, cuts[0].bytes = reassembler_datagram;
            cuts[1].len = 80, cuts[1].at = 1400, cuts[1].bytes = reassembler_datagram + 1400;
            cuts[0].tos = 0xb8 | cases[i].marks[0];
            cuts[1].tos = cases[i].marks[1];
            reassembler_put(&rig, &cuts[order], true);
            struct reassembly_result result = reassembler_put(&rig, &cuts[1 - order], true);
            CHECK_EQUAL(result.whole ? result.whole->tos & 3 : -1, cases[i].whole);
            CHECK_EQUAL(result.dropped, cases[i].whole < 0 ? 2 : 0);
            reassembler_give(&rig, &result);
            reassembler_let_expire(&rig, 0);
            reassembler_wipe(&rig);
        }
    }
}

/* ---- limits ---- */

static struct cut half(unsigned id, uint32_t at, uint32_t len, bool has_more)
{
    return (struct cut){.id = id,
                        .source = 9,
                        .protocol = IP_PROTOCOL_UDP,
                        .at = at,
                        .len = len,
                        .has_more = has_more,
                        .bytes = reassembler_datagram};
}

static void test_c5_the_oldest_datagram_makes_room(void)
{
    struct reassembler rig;
    reassembler_init(&rig);
    for (unsigned id = 0; id < REASSEMBLY_DATAGRAMS + 10; id++) {
        struct cut cut = half(id, 0, 80, true);
        CHECK_EQUAL(reassembler_put(&rig, &cut, true).dropped, id >= REASSEMBLY_DATAGRAMS);
    }
    for (unsigned id = 10; id < REASSEMBLY_DATAGRAMS + 10; id++) {
        struct cut cut = half(id, 80, 7, false);
        struct reassembly_result result = reassembler_put(&rig, &cut, true);
        CHECK_EQUAL(result.road, REASSEMBLY_WHOLE);
        reassembler_give(&rig, &result);
    }
    reassembler_wipe(&rig);

    reassembler_init(&rig); /* the same by their bytes */
    for (unsigned id = 0; id < 50; id++) {
        for (uint32_t at = 8; at < 88; at += 8) {
            struct cut cut = half(id, at, 8, true);
            reassembler_put(&rig, &cut, true);
        }
    }
    CHECK_EQUAL(rig.sent - rig.dropped, REASSEMBLY_HELD_MOST - REASSEMBLY_HELD_MOST % 10);
    reassembler_let_expire(&rig, rig.sent - rig.dropped);
    reassembler_wipe(&rig);
}

static void test_c5_limits_of_one_datagram(void)
{
    struct reassembler rig;
    reassembler_init(&rig);
    for (uint32_t i = 0; i < REASSEMBLY_FRAGMENTS_MOST; i++) {
        struct cut cut = half(1, i * 8, 8, true);
        CHECK_EQUAL(reassembler_put(&rig, &cut, true).dropped, 0);
    }
    struct cut cut = half(1, 4000, 8, true);
    CHECK_EQUAL(reassembler_put(&rig, &cut, true).dropped, REASSEMBLY_FRAGMENTS_MOST + 1);

    static const struct cut bad[] = {
        {.at = 0, .len = 0, .has_more = true},
        {.at = 0, .len = 12, .has_more = true},
        {.at = 8, .len = 12, .has_more = true},
        {.at = 8, .len = 0},
        {.at = REASSEMBLY_BYTES_MOST - 8, .len = 9},
        {.at = 65528, .len = 7},
        {.at = 65520, .len = 8, .has_more = true},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        for (unsigned order = 0; order < 2; order++) {
            cut = half(100 + 2 * (unsigned)i + order, bad[i].at, bad[i].len, bad[i].has_more);
            uint32_t dropped = order ? 0 : reassembler_put(&rig, &cut, true).dropped;
            struct cut first = half(cut.id, 0, 8, true);
            if (bad[i].at) {
                dropped += reassembler_put(&rig, &first, true).dropped;
                dropped += order ? reassembler_put(&rig, &cut, true).dropped : 0;
                CHECK_EQUAL(dropped, 2);
            } else if (order == 0) {
                CHECK_EQUAL(dropped, 1);
            }
        }
    }
    CHECK_EQUAL(rig.wholes + rig.passed, 0);
    reassembler_let_expire(&rig, 0);
    reassembler_wipe(&rig);
}

static void test_c5_the_longest_datagram_and_no_buffers(void)
{
    struct reassembler rig;
    struct packet *slots[SLOTS];
    struct block *blocks[BLOCKS];
    struct cut like = reassembler_random_cut(), cuts[PIECES_MOST];
    reassembler_init(&rig);
    for (unsigned round = 0; round < 2; round++) { /* the second time there is no buffer left */
        size_t count = reassembler_cut_up(cuts, &like, REASSEMBLY_BYTES_MOST);
        for (size_t i = 0; round && i < SLOTS; i++)
            slots[i] = pool_take_packet(rig.pool);
        for (size_t i = 0; round && i < BLOCKS; i++)
            blocks[i] = pool_take_block(rig.pool);
        for (size_t i = 0; i < count; i++) {
            struct reassembly_result result = reassembler_put(&rig, &cuts[i], true);
            CHECK_EQUAL(result.dropped, round && i + 1 == count ? count : 0);
            CHECK_EQUAL(result.road, !round && i + 1 == count ? REASSEMBLY_WHOLE : REASSEMBLY_KEPT);
            if (result.whole)
                CHECK_BYTES(result.whole->data, reassembler_datagram, REASSEMBLY_BYTES_MOST);
            reassembler_give(&rig, &result);
        }
    }
    like.id++;
    size_t count = reassembler_cut_up(cuts, &like, 4000);
    for (size_t i = count; i-- > 0;)
        CHECK_EQUAL(reassembler_put(&rig, &cuts[i], false).dropped, i ? 0 : count - 1);
    for (size_t i = 0; i < SLOTS; i++)
        pool_give_packet(rig.pool, slots[i]);
    for (size_t i = 0; i < BLOCKS; i++)
        pool_give_block(rig.pool, blocks[i]);
    reassembler_wipe(&rig);
}

/* ---- hostile bytes ---- */

/* Any bytes at all, of few keys; the books balance: each fragment has one end. */
static void test_c5_random_fragments_are_bounded_and_counted(void)
{
    struct reassembler rig;
    uint64_t joined = 0;
    reassembler_init(&rig);
    tap_random_bytes(reassembler_datagram, sizeof(reassembler_datagram));
    for (unsigned i = 0; i < 60000; i++) {
        struct cut cut = {.is_ipv6 = tap_random_below(2),
                          .id = (uint32_t)tap_random_below(10),
                          .source = (uint8_t)tap_random_below(3),
                          .protocol = IP_PROTOCOL_UDP,
                          .tos = (uint8_t)tap_random(),
                          .bytes = reassembler_datagram};
        bool is_wild = tap_random_below(8) == 0;
        cut.at = (uint32_t)tap_random_below(is_wild ? 8191 : 4) * 8;
        cut.len = (uint32_t)tap_random_below(is_wild ? 1600 : 5) * (is_wild ? 1 : 8);
        cut.has_more = tap_random_below(3);
        if (cut.at + cut.len > 65535 || cut.at + cut.has_more == 0)
            continue;
        uint64_t dropped = rig.dropped;
        struct reassembly_result result = reassembler_put(&rig, &cut, cut.id & 1);
        if (result.whole) /* of pieces of 8 bytes and more */
            CHECK(result.whole->len_bytes <= REASSEMBLY_BYTES_MOST);
        CHECK(rig.dropped - dropped <= REASSEMBLY_HELD_MOST + 1);
        rig.now += tap_random_below(NS_PER_S / 4);
        reassembler_give(&rig, &result);
    }
    rig.now += REASSEMBLY_TIME_NS;
    joined = rig.sent - rig.dropped - rig.passed;
    joined -= reassembly_expire(rig.reassembly, rig.now);
    CHECK(rig.wholes > 20 && rig.passed > 1000);
    CHECK(joined >= rig.wholes && joined <= rig.wholes * REASSEMBLY_FRAGMENTS_MOST);
    reassembler_wipe(&rig);
}

static void test_traps_12_the_protocol_is_in_the_key(void)
{
    struct ip_view view;
    size_t len;
    static const uint8_t others[] = {IP_PROTOCOL_TCP, IP_PROTOCOL_ICMP, IP_PROTOCOL_DSTOPTS,
                                     IP_PROTOCOL_UDPLITE};
    for (size_t i = 0; i < 2 * sizeof(others); i++) {
        struct cut cut = half(1, 80, 16, true);
        cut.is_ipv6 = i & 1;
        cut.protocol = others[i / 2];
        uint8_t *bytes = reassembler_write(&cut, &len);
        CHECK_EQUAL(ip_parse(bytes, len, &view), VERDICT_OK);
        CHECK(!reassembly_concerns(&view));
        free(bytes);
    }
}

static void test_c5_nothing_waits_for_30_s(void)
{
    struct reassembler rig;
    reassembler_init(&rig);
    CHECK_EQUAL(reassembly_deadline(rig.reassembly), INSTANT_NEVER);
    struct cut first = half(7, 0, 16, true), last = half(7, 16, 3, false);
    reassembler_put(&rig, &first, true);
    CHECK_EQUAL(reassembly_deadline(rig.reassembly), START + REASSEMBLY_TIME_NS);
    CHECK(REASSEMBLY_TIME_NS <= 30 * NS_PER_S);
    rig.now += REASSEMBLY_TIME_NS - 1;
    CHECK_EQUAL(reassembly_expire(rig.reassembly, rig.now), 0);
    rig.now++;
    /* No tick came: it knows by itself. */
    struct reassembly_result result = reassembler_put(&rig, &last, true);
    CHECK_EQUAL(result.road, REASSEMBLY_KEPT);
    CHECK_EQUAL(result.dropped, 1);
    rig.now += 3600 * NS_PER_S; /* the machine slept */
    CHECK_EQUAL(reassembly_expire(rig.reassembly, rig.now), 1);
    CHECK_EQUAL(reassembly_deadline(rig.reassembly), INSTANT_NEVER);
    reassembler_wipe(&rig);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_c5_many_datagrams_at_once);
    TAP_RUN(argc, argv, test_c5_others_pass_in_order_of_arrival);
    TAP_RUN(argc, argv, test_c5_two_firsts_with_different_ports);
    TAP_RUN(argc, argv, test_c5_ecn_of_the_pieces);
    TAP_RUN(argc, argv, test_c5_the_oldest_datagram_makes_room);
    TAP_RUN(argc, argv, test_c5_limits_of_one_datagram);
    TAP_RUN(argc, argv, test_c5_the_longest_datagram_and_no_buffers);
    TAP_RUN(argc, argv, test_c5_random_fragments_are_bounded_and_counted);
    TAP_RUN(argc, argv, test_traps_12_the_protocol_is_in_the_key);
    TAP_RUN(argc, argv, test_c5_nothing_waits_for_30_s);
    return tap_done();
}
