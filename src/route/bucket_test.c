/* SPDX-License-Identifier: MIT */
#include "route/bucket.h"

#include "tap.h"

static void test_d3_burst_then_nothing(void)
{
    struct bucket bucket;
    bucket_init(&bucket, 10, 5);
    for (unsigned i = 0; i < 5; i++)
        CHECK(bucket_take(&bucket, 1000));
    CHECK(!bucket_take(&bucket, 1000));
}

static void test_d3_refill_is_exact_to_the_nanosecond(void)
{
    struct bucket bucket;
    bucket_init(&bucket, 3, 2);
    instant_ns start = 77;
    CHECK(bucket_take(&bucket, start) && bucket_take(&bucket, start));
    /* three a second: the n-th comes at ceil(n * 10^9 / 3) */
    CHECK(!bucket_take(&bucket, start + 333333333));
    CHECK(bucket_take(&bucket, start + 333333334));
    /* 2 of 3 parts of a nanosecond were left over and count */
    CHECK(!bucket_take(&bucket, start + 666666666));
    CHECK(bucket_take(&bucket, start + 666666667));
    CHECK(!bucket_take(&bucket, start + 999999999));
    CHECK(bucket_take(&bucket, start + 1000000000));
}

static void test_d3_idle_time_fills_up_to_the_burst_only(void)
{
    struct bucket bucket;
    bucket_init(&bucket, UINT32_MAX, 2);
    for (unsigned round = 0; round < 3; round++) {
        instant_ns now = round * (UINT64_MAX / 3);
        CHECK(bucket_take(&bucket, now));
        CHECK(bucket_take(&bucket, now));
        CHECK(!bucket_take(&bucket, now));
    }
}

static void test_d3_a_clock_that_goes_back_refills_nothing(void)
{
    struct bucket bucket;
    bucket_init(&bucket, 1, 1);
    CHECK(bucket_take(&bucket, 10 * NS_PER_S));
    CHECK(!bucket_take(&bucket, 5 * NS_PER_S));
    CHECK(!bucket_take(&bucket, 11 * NS_PER_S - 1));
    CHECK(bucket_take(&bucket, 11 * NS_PER_S));
}

static void test_d3_a_rate_of_zero_never_refills(void)
{
    struct bucket bucket;
    bucket_init(&bucket, 0, 1);
    CHECK(bucket_take(&bucket, 0));
    CHECK(!bucket_take(&bucket, INSTANT_NEVER));
    bucket_init(&bucket, 5, 0);
    CHECK(!bucket_take(&bucket, 100 * NS_PER_S));
}

/* However the questions are spread, the answers are those of an exact count. */
static void test_d3_long_run_equals_rate(void)
{
    struct bucket bucket;
    uint64_t rate = 1 + tap_random_below(1000), taken = 0;
    bucket_init(&bucket, (uint32_t)rate, 1);
    instant_ns now = 0;
    CHECK(bucket_take(&bucket, now));
    while (now < 5 * NS_PER_S) {
        now += tap_random_below(NS_PER_S / rate / 8 + 2);
        taken += bucket_take(&bucket, now);
        CHECK(taken * NS_PER_S <= now * rate);
    }
    CHECK(taken * 10 >= rate * 5 * 10 * 7 / 8);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_d3_burst_then_nothing);
    TAP_RUN(argc, argv, test_d3_refill_is_exact_to_the_nanosecond);
    TAP_RUN(argc, argv, test_d3_idle_time_fills_up_to_the_burst_only);
    TAP_RUN(argc, argv, test_d3_a_clock_that_goes_back_refills_nothing);
    TAP_RUN(argc, argv, test_d3_a_rate_of_zero_never_refills);
    TAP_RUN(argc, argv, test_d3_long_run_equals_rate);
    return tap_done();
}
