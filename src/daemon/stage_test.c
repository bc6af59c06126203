/* SPDX-License-Identifier: MIT */
#include "daemon/stage.h"

#include "tap.h"

static enum stage walk(const enum stage_event *events, size_t count)
{
    enum stage stage = STAGE_STARTING;
    for (size_t i = 0; i < count; i++)
        stage = stage_after(stage, events[i]);
    return stage;
}

#define WALK(...)                                                                                  \
    walk((const enum stage_event[]){__VA_ARGS__},                                                  \
         sizeof((const enum stage_event[]){__VA_ARGS__}) / sizeof(enum stage_event))

static void test_a_life_leads_from_its_start_to_its_end(void)
{
    CHECK_EQUAL(WALK(STAGE_HAS_STARTED), STAGE_POST_UP);
    CHECK_EQUAL(WALK(STAGE_HAS_STARTED, STAGE_HOOKS_WELL), STAGE_UP);
    CHECK_EQUAL(WALK(STAGE_HAS_STARTED, STAGE_HOOKS_WELL, STAGE_ASKED_DOWN), STAGE_DOWN);
    CHECK_EQUAL(WALK(STAGE_HAS_STARTED, STAGE_HOOKS_WELL, STAGE_SIGNAL), STAGE_PRE_DOWN);
    CHECK_EQUAL(WALK(STAGE_HAS_STARTED, STAGE_HOOKS_WELL, STAGE_SIGNAL, STAGE_HOOKS_FAILED),
                STAGE_SIGNALLED);
    CHECK_EQUAL(WALK(STAGE_HAS_STARTED, STAGE_HOOKS_WELL, STAGE_SIGNAL, STAGE_SIGNAL),
                STAGE_SIGNALLED);
}

static void test_what_was_never_up_runs_no_hook_of_its_end(void)
{
    CHECK_EQUAL(WALK(STAGE_IS_REFUSED), STAGE_REFUSED);
    CHECK_EQUAL(WALK(STAGE_HAS_STARTED, STAGE_SIGNAL), STAGE_FAILED);
    CHECK_EQUAL(WALK(STAGE_HAS_STARTED, STAGE_HOOKS_FAILED), STAGE_FAILED);
    CHECK_EQUAL(WALK(STAGE_HAS_STARTED, STAGE_HOOKS_WELL, STAGE_HOOKS_FAILED), STAGE_FAILED);
}

static void test_F2_what_nobody_asked_for_leaves_what_protects(void)
{
    CHECK_EQUAL(WALK(STAGE_ABANDONED, STAGE_IS_REFUSED), STAGE_ORPHANED);
    for (unsigned i = 0; i < 3; i++) {
        const enum stage_event events[] = {STAGE_HAS_STARTED, STAGE_HOOKS_WELL, STAGE_SIGNAL};
        CHECK_EQUAL(stage_after(walk(events, i + 1), STAGE_ABANDONED), STAGE_ORPHANED);
    }
    CHECK(stage_keeps_host(STAGE_ORPHANED));
    CHECK(!stage_keeps_host(STAGE_FAILED));
}

static void test_A7_what_fails_after_a_crash_leaves_what_protects(void)
{
    CHECK_EQUAL(WALK(STAGE_HAS_STARTED, STAGE_HOOKS_FAILED_AFTER_CRASH), STAGE_RELAPSED);
    CHECK_EQUAL(WALK(STAGE_HAS_STARTED, STAGE_HOOKS_WELL, STAGE_HOOKS_FAILED_AFTER_CRASH),
                STAGE_RELAPSED);
    CHECK(stage_keeps_host(STAGE_RELAPSED));
    CHECK(stage_has_failed(STAGE_RELAPSED));
}

static void test_an_end_is_the_end(void)
{
    for (int stage = STAGE_STARTING; stage <= STAGE_ORPHANED; stage++) {
        unsigned ways = 0;
        for (int event = 0; event < STAGE_EVENTS; event++)
            ways += stage_after((enum stage)stage, (enum stage_event)event) != (enum stage)stage;
        CHECK_EQUAL(ways == 0, stage_is_end((enum stage)stage));
    }
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_a_life_leads_from_its_start_to_its_end);
    TAP_RUN(argc, argv, test_what_was_never_up_runs_no_hook_of_its_end);
    TAP_RUN(argc, argv, test_F2_what_nobody_asked_for_leaves_what_protects);
    TAP_RUN(argc, argv, test_A7_what_fails_after_a_crash_leaves_what_protects);
    TAP_RUN(argc, argv, test_an_end_is_the_end);
    return tap_done();
}
