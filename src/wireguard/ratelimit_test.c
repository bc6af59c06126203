/* SPDX-License-Identifier: MIT */
/* The one-instant buckets raced against counted tokens. */
#include "wireguard/ratelimit.h"

#include "base/bytes.h"
#include "tap.h"

#define START (1000 * NS_PER_S)
#define STEP RATELIMIT_INTERVAL_NS

static struct ratelimit limit;

static bool allows(const char *source, instant_ns now)
{
    struct address address = {0};
    CHECK(address_parse(source, &address));
    return ratelimit_allow(&limit, &address, now);
}

static void begin(void)
{
    ratelimit_init(&limit, tap_memory(), tap_random_source());
}

static void end(void)
{
    ratelimit_wipe(&limit);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

static void test_burst_and_rate_are_exact_to_the_ns(void)
{
    begin();
    for (unsigned i = 0; i < RATELIMIT_BURST; i++)
        CHECK(allows("192.0.2.1", START));
    CHECK(!allows("192.0.2.1", START));
    CHECK(!allows("192.0.2.1", START + STEP - 1));
    CHECK(allows("192.0.2.1", START + STEP));
    CHECK(!allows("192.0.2.1", START + STEP));
    CHECK(!allows("192.0.2.1", START + 2 * STEP - 1));
    CHECK(allows("192.0.2.1", START + 2 * STEP));
    /* idle until one short of full, then full */
    instant_ns full = START + 2 * STEP + RATELIMIT_BURST * STEP;
    for (unsigned i = 0; i < RATELIMIT_BURST - 1; i++)
        CHECK(allows("192.0.2.1", full - 1));
    CHECK(!allows("192.0.2.1", full - 1));
    CHECK(allows("192.0.2.1", full));
    end();
}

static void test_idle_source_has_no_more_than_a_burst(void)
{
    begin();
    CHECK(allows("192.0.2.1", START));
    for (unsigned i = 0; i < RATELIMIT_BURST; i++)
        CHECK(allows("192.0.2.1", START + 3600 * NS_PER_S));
    CHECK(!allows("192.0.2.1", START + 3600 * NS_PER_S));
    end();
}

static void test_ipv6_is_limited_by_64_and_ipv4_by_32(void)
{
    begin();
    CHECK(allows("2001:db8:0:1::1", START));
    CHECK(allows("2001:db8:0:1::2", START));
    CHECK(allows("2001:db8:0:1:8000::", START));
    CHECK(allows("2001:db8:0:1:ffff:ffff:ffff:ffff", START));
    CHECK(allows("2001:db8:0:1::1", START));
    CHECK(!allows("2001:db8:0:1::3", START));
    CHECK(allows("2001:db8:0:2::1", START)); /* the next /64 */
    CHECK(allows("2001:db8:0:3::1", START));
    for (unsigned i = 0; i < RATELIMIT_BURST; i++)
        CHECK(allows("192.0.2.1", START));
    CHECK(!allows("192.0.2.1", START));
    CHECK(allows("192.0.2.0", START));
    CHECK(allows("192.0.2.2", START));
    CHECK(allows("c000:201::", START)); /* the bytes of 192.0.2.1 */
    end();
}

/* As the kernel counts: nanoseconds of credit that grow with time. */
struct naive {
    instant_ns last;
    int64_t credit_ns;
};

static bool naive_allow(struct naive *naive, instant_ns now)
{
    int64_t most = (int64_t)(RATELIMIT_BURST * STEP);
    int64_t credit = naive->credit_ns + (int64_t)(now - naive->last);
    naive->credit_ns = credit > most ? most : credit;
    naive->last = now;
    if (naive->credit_ns < (int64_t)STEP)
        return false;
    naive->credit_ns -= (int64_t)STEP;
    return true;
}

static void test_buckets_equal_counted_tokens(void)
{
    struct naive naives[8];
    begin();
    instant_ns now = START;
    for (unsigned i = 0; i < 8; i++)
        naives[i] = (struct naive){.last = now, .credit_ns = (int64_t)(RATELIMIT_BURST * STEP)};
    for (unsigned step = 0; step < 50000; step++) {
        now += tap_random_below(tap_random_below(50) ? STEP / 4 : 10 * STEP);
        unsigned i = (unsigned)tap_random_below(8);
        struct address source = {.family = FAMILY_IPV4, .bytes = {192, 0, 2, (uint8_t)i}};
        CHECK_EQUAL(ratelimit_allow(&limit, &source, now), naive_allow(&naives[i], now));
    }
    end();
}

static void test_flood_of_sources_is_bounded_and_refuses_no_newcomer(void)
{
    begin();
    struct address source = {.family = FAMILY_IPV6};
    CHECK(allows("192.0.2.1", START));
    size_t memory = tap_memory_balance_bytes();
    unsigned refused = 0, heard = 0;
    for (unsigned i = 0; i < 100000; i++) {
        instant_ns now = START + i * 10000ull;
        tap_random_bytes(source.bytes, 8);
        refused += !ratelimit_allow(&limit, &source, now);
        if (i % 10000 == 9999)
            heard += allows("192.0.2.1", now);
    }
    CHECK_EQUAL(refused, 0);
    CHECK_EQUAL(heard, 10);
    CHECK_EQUAL(tap_memory_balance_bytes(), memory);
    CHECK(memory <= 128 * 1024);
    end();
}

static void *take_nothing(void *context, size_t bytes)
{
    (void)context;
    (void)bytes;
    return NULL;
}

static void give_nothing(void *context, void *pointer, size_t bytes)
{
    (void)context;
    (void)pointer;
    (void)bytes;
}

static void test_without_memory_nobody_goes_on(void)
{
    const struct memory none = {.take = take_nothing, .give = give_nothing};
    ratelimit_init(&limit, &none, tap_random_source());
    CHECK(!allows("192.0.2.1", START));
    ratelimit_wipe(&limit);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_burst_and_rate_are_exact_to_the_ns);
    TAP_RUN(argc, argv, test_idle_source_has_no_more_than_a_burst);
    TAP_RUN(argc, argv, test_ipv6_is_limited_by_64_and_ipv4_by_32);
    TAP_RUN(argc, argv, test_buckets_equal_counted_tokens);
    TAP_RUN(argc, argv, test_flood_of_sources_is_bounded_and_refuses_no_newcomer);
    TAP_RUN(argc, argv, test_without_memory_nobody_goes_on);
    return tap_done();
}
