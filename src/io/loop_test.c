/* SPDX-License-Identifier: MIT */
#include "io/loop.h"

#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

struct probe {
    struct loop *loop;
    struct loop_source source;
    struct loop_timer timer;
    struct loop_hook hook;
    struct probe *victim; /* removed when this one is called */
    unsigned calls;
    unsigned rings;
    unsigned rounds;
    unsigned busy_rounds; /* that the hook asks for */
    instant_ns rung_at;
};

static void probe_ready(void *context, uint32_t events)
{
    struct probe *probe = context;
    CHECK(events & EPOLLIN);
    probe->calls++;
    if (probe->victim)
        loop_remove(probe->loop, &probe->victim->source);
}

static void probe_ring(void *context, instant_ns now)
{
    struct probe *probe = context;
    probe->rings++;
    probe->rung_at = now;
    CHECK(probe->timer.deadline == INSTANT_NEVER);
}

static bool probe_end_round(void *context)
{
    struct probe *probe = context;
    probe->rounds++;
    return probe->rounds <= probe->busy_rounds;
}

static void probe_init(struct probe *probe, struct loop *loop)
{
    *probe = (struct probe){.loop = loop};
    probe->source = (struct loop_source){.fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC),
                                         .events = EPOLLIN,
                                         .ready = probe_ready,
                                         .context = probe};
    probe->timer = (struct loop_timer){INSTANT_NEVER, .ring = probe_ring, .context = probe};
    probe->hook = (struct loop_hook){.end_round = probe_end_round, .context = probe};
}

static void test_a_ready_source_is_called_until_it_is_removed(void)
{
    struct loop *loop = NULL;
    struct probe probe;
    CHECK_EQUAL(loop_new(&loop), 0);
    probe_init(&probe, loop);
    CHECK_EQUAL(loop_add(loop, &probe.source), 0);
    loop_step(loop, 0);
    loop_step(loop, 0);
    CHECK_EQUAL(probe.calls, 2);
    CHECK_EQUAL(loop_modify(loop, &probe.source, 0), 0);
    loop_step(loop, 0);
    CHECK_EQUAL(probe.calls, 2);
    CHECK_EQUAL(loop_modify(loop, &probe.source, EPOLLIN), 0);
    loop_step(loop, 0);
    CHECK_EQUAL(probe.calls, 3);
    loop_remove(loop, &probe.source);
    loop_step(loop, 0);
    CHECK_EQUAL(probe.calls, 3);
    close(probe.source.fd);
    loop_free(loop);
}

/* Two are ready in one round; whoever is called first removes the other, which may be freed then.
 */
static void test_a_source_removed_in_a_round_is_not_called_in_it(void)
{
    struct loop *loop = NULL;
    struct probe probes[2];
    CHECK_EQUAL(loop_new(&loop), 0);
    for (int i = 0; i < 2; i++) {
        probe_init(&probes[i], loop);
        probes[i].victim = &probes[1 - i];
        CHECK_EQUAL(loop_add(loop, &probes[i].source), 0);
    }
    loop_step(loop, 0);
    CHECK_EQUAL(probes[0].calls + probes[1].calls, 1);
    close(probes[0].source.fd);
    close(probes[1].source.fd);
    loop_free(loop);
}

static void test_h1_a_timer_rings_once_at_its_deadline(void)
{
    struct loop *loop = NULL;
    struct probe probe;
    CHECK_EQUAL(loop_new(&loop), 0);
    probe_init(&probe, loop);
    loop_add_timer(loop, &probe.timer);
    loop_step(loop, 0); /* the round before the first wait */
    instant_ns deadline = loop_now() + 20 * NS_PER_MS;
    loop_set_timer(&probe.timer, deadline);
    for (int i = 0; i < 100 && probe.rings == 0; i++)
        CHECK_EQUAL(loop_step(loop, INSTANT_NEVER), 0);
    CHECK_EQUAL(probe.rings, 1);
    CHECK(probe.rung_at >= deadline);
    loop_step(loop, loop_now() + 5 * NS_PER_MS);
    CHECK_EQUAL(probe.rings, 1);
    close(probe.source.fd);
    loop_free(loop);
}

/* The timerfd stays armed for the old deadline: the round that it causes rings nothing. */
static void test_a_deadline_may_move_away_and_back(void)
{
    struct loop *loop = NULL;
    struct probe probe;
    CHECK_EQUAL(loop_new(&loop), 0);
    probe_init(&probe, loop);
    loop_add_timer(loop, &probe.timer);
    loop_step(loop, 0);
    instant_ns start = loop_now();
    loop_set_timer(&probe.timer, start + 10 * NS_PER_MS);
    loop_step(loop, start + 2 * NS_PER_MS);
    loop_set_timer(&probe.timer, start + 40 * NS_PER_MS);
    while (probe.rings == 0 && loop_now() < start + NS_PER_S)
        loop_step(loop, INSTANT_NEVER);
    CHECK(probe.rung_at >= start + 40 * NS_PER_MS);

    loop_set_timer(&probe.timer, loop_now() + 3600 * NS_PER_S);
    loop_step(loop, loop_now() + NS_PER_MS);
    loop_set_timer(&probe.timer, loop_now() + NS_PER_MS);
    loop_step(loop, loop_now() + NS_PER_S);
    loop_step(loop, loop_now() + NS_PER_MS);
    CHECK_EQUAL(probe.rings, 2);

    loop_set_timer(&probe.timer, 1); /* an hour late, as after a suspend */
    loop_step(loop, INSTANT_NEVER);
    CHECK_EQUAL(probe.rings, 3);
    loop_remove_timer(loop, &probe.timer);
    close(probe.source.fd);
    loop_free(loop);
}

static void test_a_busy_hook_keeps_the_loop_from_waiting(void)
{
    struct loop *loop = NULL;
    struct probe probe;
    CHECK_EQUAL(loop_new(&loop), 0);
    probe_init(&probe, loop);
    probe.busy_rounds = 5;
    loop_add_hook(loop, &probe.hook);
    instant_ns start = loop_now();
    for (unsigned i = 0; i < 6; i++)
        loop_step(loop, start + 3600 * NS_PER_S); /* would wait for an hour */
    CHECK_EQUAL(probe.rounds, 6);
    CHECK(loop_now() < start + 10 * NS_PER_S);
    loop_remove_hook(loop, &probe.hook);
    loop_step(loop, 0);
    CHECK_EQUAL(probe.rounds, 6);
    close(probe.source.fd);
    loop_free(loop);
}

static void test_h1_now_is_the_time_since_boot_with_suspend(void)
{
    struct timespec boot, wall;
    instant_ns before = loop_now();
    clock_gettime(CLOCK_BOOTTIME, &boot);
    instant_ns after = loop_now();
    instant_ns middle = (instant_ns)boot.tv_sec * NS_PER_S + (instant_ns)boot.tv_nsec;
    CHECK(before <= middle && middle <= after);
    clock_gettime(CLOCK_REALTIME, &wall);
    CHECK(loop_wall_ns() / NS_PER_S - (uint64_t)wall.tv_sec <= 1);
}

static void test_random_bytes_differ(void)
{
    uint8_t a[300] = {0}, b[300] = {0};
    random_fill(loop_random(), a, sizeof(a));
    random_fill(loop_random(), b, sizeof(b));
    CHECK(memcmp(a, b, sizeof(a)) != 0);
    CHECK(memcmp(a + 268, b + 268, 32) != 0);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_a_ready_source_is_called_until_it_is_removed);
    TAP_RUN(argc, argv, test_a_source_removed_in_a_round_is_not_called_in_it);
    TAP_RUN(argc, argv, test_h1_a_timer_rings_once_at_its_deadline);
    TAP_RUN(argc, argv, test_a_deadline_may_move_away_and_back);
    TAP_RUN(argc, argv, test_a_busy_hook_keeps_the_loop_from_waiting);
    TAP_RUN(argc, argv, test_h1_now_is_the_time_since_boot_with_suspend);
    TAP_RUN(argc, argv, test_random_bytes_differ);
    return tap_done();
}
