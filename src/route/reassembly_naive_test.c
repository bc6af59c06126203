/* SPDX-License-Identifier: MIT */
/* Datagrams cut at random, mixed up, repeated and overlapped come out as a naive reassembler says,
 * which starts anew with each fragment and marks byte by byte. */
#include "rigs/reassembler.h"

struct naive {
    bool has_first, is_refused, is_done;
    size_t held;
    struct cut cuts[PIECES_MOST];
};

enum naive_bit { NAIVE_ABSENT, NAIVE_HERE };

/* Does the last of `count` cuts overlap with what the others cover, or end beyond the end? */
static enum fit_naive { NAIVE_FITS, NAIVE_REPEATS, NAIVE_CLASHES } naive_fit(
    const struct cut *cuts, size_t count, const struct cut *last)
{
    static uint8_t map[65536 + 8];
    memset(map, NAIVE_ABSENT, sizeof(map));
    uint32_t end = 0, reach = 0;
    if ((last->has_more && last->len % 8) || last->at + last->len > REASSEMBLY_BYTES_MOST)
        return NAIVE_CLASHES;
    for (size_t i = 0; i < count; i++) {
        if (cuts[i].at == last->at && cuts[i].len == last->len &&
            cuts[i].has_more == last->has_more && !memcmp(cuts[i].bytes, last->bytes, last->len))
            return NAIVE_REPEATS;
        memset(map + cuts[i].at, NAIVE_HERE, cuts[i].len);
        end = cuts[i].has_more ? end : cuts[i].at + cuts[i].len;
        reach = cuts[i].at + cuts[i].len > reach ? cuts[i].at + cuts[i].len : reach;
    }
    for (uint32_t i = last->at; i < last->at + last->len; i++)
        if (map[i])
            return NAIVE_CLASHES;
    if (end && (!last->has_more || last->at + last->len > end))
        return NAIVE_CLASHES;
    return !last->has_more && reach > last->at + last->len ? NAIVE_CLASHES : NAIVE_FITS;
}

static bool naive_is_complete(const struct naive *naive)
{
    uint32_t sum = 0, end = 0;
    for (size_t i = 0; i < naive->held; i++) {
        sum += naive->cuts[i].len;
        if (!naive->cuts[i].has_more)
            end = naive->cuts[i].at + naive->cuts[i].len;
    }
    return end && sum == end;
}

/* Returns how many fragments are refused. */
static uint32_t naive_add(struct naive *naive, const struct cut *cut)
{
    uint32_t dropped = 0;
    if (naive->is_refused)
        return 1;
    naive->cuts[naive->held++] = *cut;
    naive->has_first |= cut->at == 0;
    if (!naive->has_first)
        return 0;
    /* From the beginning, all anew. */
    size_t count = naive->held;
    naive->held = 0;
    for (size_t i = 0; i < count; i++) {
        enum fit_naive fit = naive_fit(naive->cuts, naive->held, &naive->cuts[i]);
        dropped += fit == NAIVE_REPEATS;
        naive->is_refused |= fit == NAIVE_CLASHES;
        if (fit == NAIVE_FITS)
            naive->cuts[naive->held++] = naive->cuts[i];
        if (naive->is_refused) {
            dropped += (uint32_t)(naive->held + count - i);
            naive->held = 0;
            break;
        }
    }
    naive->is_done = !naive->is_refused && naive_is_complete(naive);
    return dropped;
}

/* Repeats some, lets some overlap, ends some elsewhere. */
static size_t disturb(struct cut *cuts, size_t count)
{
    size_t extra = tap_random_below(3);
    for (size_t i = 0; i < extra; i++) {
        struct cut *bad = &cuts[count];
        *bad = cuts[tap_random_below(count)];
        count++;
        switch (tap_random_below(5)) {
        case 0:
            bad->bytes = reassembler_datagram + 8;
            break;
        case 1: bad->at += bad->at >= 8 ? -8u : 8u; break;
        case 2: bad->len = bad->len > 16 ? bad->len / 2 / 8 * 8 : bad->len; break;
        case 3: bad->has_more = !bad->has_more && bad->len % 8 == 0; break;
        default: break;
        }
        bad->has_more |= bad->at == 0; /* else it is no fragment */
    }
    return count;
}

static void test_c5_equals_a_naive_reassembler(void)
{
    unsigned done = 0, refused = 0;
    for (unsigned round = 0; round < 3000; round++) {
        struct reassembler rig;
        struct cut cuts[PIECES_MOST];
        struct naive naive = {0};
        struct cut like = reassembler_random_cut();
        reassembler_init(&rig);
        uint32_t total = reassembler_random_total();
        size_t count = disturb(cuts, reassembler_cut_up(cuts, &like, total));
        if (tap_random_below(4))
            reassembler_shuffle(cuts, count);
        for (size_t i = 0; i < count && !naive.is_done; i++) {
            uint32_t expected = naive_add(&naive, &cuts[i]);
            struct reassembly_result result = reassembler_put(&rig, &cuts[i], true);
            CHECK_EQUAL(result.dropped, expected);
            CHECK_EQUAL(result.road, naive.is_done ? REASSEMBLY_WHOLE : REASSEMBLY_KEPT);
            if (result.whole && naive.is_done) {
                uint8_t whole[REASSEMBLY_BYTES_MOST];
                uint32_t end = 0;
                for (size_t p = 0; p < naive.held; end += naive.cuts[p++].len)
                    memcpy(whole + naive.cuts[p].at, naive.cuts[p].bytes, naive.cuts[p].len);
                CHECK_EQUAL(result.whole->len_bytes, end);
                CHECK_BYTES(result.whole->data, whole, end);
            }
            reassembler_give(&rig, &result);
        }
        done += naive.is_done;
        refused += naive.is_refused;
        reassembler_let_expire(&rig, naive.is_done ? 0 : naive.held);
        reassembler_wipe(&rig);
    }
    CHECK(done > 500 && refused > 200); /* both sorts are tried */
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_c5_equals_a_naive_reassembler);
    return tap_done();
}
