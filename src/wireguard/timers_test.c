/* SPDX-License-Identifier: MIT */
/* Timers as a table: what happens when, and exactly what is due when. */
#include "wireguard/timers.h"

#include "tap.h"
#include "wireguard/message.h"

#define S NS_PER_S
#define START (5000 * S)
#define JITTER_MOST (333 * NS_PER_MS)

enum event {
    NOTHING,
    DATA_SENT, /* each with all that the kernel does for such a packet */
    DATA_RECEIVED,
    KEEPALIVE_SENT,
    KEEPALIVE_RECEIVED,
    INITIATED,
    ANSWERED,
    PERSISTENT_25,
    PERSISTENT_OFF,
    END,
};

/* At `at` (from START) exactly `due` is due, nothing since the last step; then the event. */
struct step {
    duration_ns at;
    unsigned due;
    enum event event;
};

static void fill_zero(void *context, uint8_t *bytes, size_t len)
{
    (void)context;
    for (size_t i = 0; i < len; i++)
        bytes[i] = 0;
}

static const struct random_source no_jitter = {.fill = fill_zero};

static void happen(struct timers *timers, enum event event, instant_ns now)
{
    if (event == DATA_SENT || event == KEEPALIVE_SENT || event == INITIATED) {
        timers_any_authenticated_packet_traversal(timers, now);
        timers_any_authenticated_packet_sent(timers);
    }
    if (event == DATA_RECEIVED || event == KEEPALIVE_RECEIVED || event == ANSWERED) {
        timers_any_authenticated_packet_received(timers);
        timers_any_authenticated_packet_traversal(timers, now);
    }
    if (event == DATA_SENT)
        timers_data_sent(timers, now);
    if (event == DATA_RECEIVED)
        timers_data_received(timers, now);
    if (event == INITIATED)
        timers_handshake_initiated(timers, &no_jitter, now);
    if (event == ANSWERED) {
        timers_session_derived(timers, &no_jitter, now);
        timers_handshake_complete(timers);
    }
    if (event == PERSISTENT_25 || event == PERSISTENT_OFF)
        timers_set_persistent_keepalive(timers, event == PERSISTENT_25 ? 25 : 0, now);
}

static void play(const struct step *steps)
{
    struct timers timers;
    timers_init(&timers);
    for (unsigned i = 0; steps[i].event != END; i++) {
        instant_ns now = START + steps[i].at;
        bool is_right = true;
        if (steps[i].due) {
            is_right &= CHECK_EQUAL(timers_next(&timers), now);
            is_right &= CHECK_EQUAL(timers_take_due(&timers, now - 1), 0);
        }
        is_right &= CHECK_EQUAL(timers_take_due(&timers, now), steps[i].due);
        if (!is_right)
            CHECK_EQUAL(i, -1); /* names the step */
        happen(&timers, steps[i].event, now);
    }
    CHECK(timers_next(&timers) == INSTANT_NEVER);
}

static void test_received_is_answered(void)
{
    static const struct step steps[] = {
        {0, 0, DATA_RECEIVED},
        {4 * S, 0, NOTHING},
        {10 * S, TIMERS_DUE_KEEPALIVE, KEEPALIVE_SENT},
        {0, 0, END},
    };
    play(steps);
}

static void test_own_data_is_answer_enough(void)
{
    static const struct step steps[] = {
        {0, 0, DATA_RECEIVED},
        {9 * S, 0, DATA_SENT},
        {10 * S, 0, KEEPALIVE_RECEIVED},
        {0, 0, END},
    };
    play(steps);
}

static void test_second_data_is_owed_another(void)
{
    static const struct step steps[] = {
        /* a keepalive that waits for a session does not settle it */
        {0, 0, DATA_RECEIVED},
        {5 * S, 0, DATA_RECEIVED},
        {10 * S, TIMERS_DUE_KEEPALIVE, NOTHING},
        {20 * S, TIMERS_DUE_KEEPALIVE, KEEPALIVE_SENT},
        {0, 0, END},
    };
    play(steps);
}

static void test_keepalive_is_not_answered(void)
{
    static const struct step steps[] = {
        {0, 0, KEEPALIVE_RECEIVED},
        {60 * S, 0, NOTHING},
        {0, 0, END},
    };
    play(steps);
}

static void test_silence_after_data_is_suspicious(void)
{
    static const struct step steps[] = {
        /* from the first of them */
        {0, 0, DATA_SENT},
        {3 * S, 0, DATA_SENT},
        {15 * S, TIMERS_DUE_INITIATION | TIMERS_DUE_SILENT, INITIATED},
        {17 * S, 0, ANSWERED},
        {557 * S, TIMERS_DUE_WIPE, NOTHING},
        {0, 0, END},
    };
    play(steps);
}

static void test_anything_received_is_a_sign_of_life(void)
{
    static const struct step steps[] = {
        {0, 0, DATA_SENT},
        {14 * S, 0, KEEPALIVE_RECEIVED},
        {60 * S, 0, NOTHING},
        {0, 0, END},
    };
    play(steps);
}

static void test_keys_are_wiped_after_540_s(void)
{
    static const struct step steps[] = {
        {0, 0, ANSWERED},
        {120 * S, 0, ANSWERED},
        {660 * S, TIMERS_DUE_WIPE, NOTHING},
        {0, 0, END},
    };
    play(steps);
}

static void test_persistent_is_silent_in_traffic(void)
{
    static const struct step steps[] = {
        {0, 0, PERSISTENT_25},
        {0, TIMERS_DUE_KEEPALIVE, KEEPALIVE_SENT},
        {25 * S, TIMERS_DUE_KEEPALIVE, KEEPALIVE_SENT},
        {40 * S, 0, KEEPALIVE_RECEIVED},
        {65 * S, TIMERS_DUE_KEEPALIVE, NOTHING},
        {90 * S, TIMERS_DUE_KEEPALIVE, NOTHING},
        {91 * S, 0, PERSISTENT_25},
        {115 * S, TIMERS_DUE_KEEPALIVE, NOTHING},
        {116 * S, 0, PERSISTENT_OFF},
        {999 * S, 0, NOTHING},
        {0, 0, END},
    };
    play(steps);
}

static unsigned try_until_given_up(struct timers *timers, const struct random_source *random,
                                   instant_ns *now)
{
    unsigned tries = 0;
    for (;;) {
        CHECK(timers_may_initiate(timers, *now));
        timers_handshake_initiated(timers, random, *now);
        tries++;
        instant_ns next = timers_next(timers);
        CHECK(next - *now >= REKEY_TIMEOUT_NS && next - *now <= REKEY_TIMEOUT_NS + JITTER_MOST);
        CHECK(!timers_may_initiate(timers, *now + REKEY_TIMEOUT_NS - 1));
        *now = next;
        unsigned due = timers_take_due(timers, *now);
        if (due == TIMERS_DUE_GIVE_UP || !CHECK_EQUAL(due, TIMERS_DUE_INITIATION))
            return tries;
    }
}

static void test_handshake_gives_up_after_90_s(void)
{
    struct timers timers;
    instant_ns now = START;
    timers_init(&timers);
    CHECK_EQUAL(try_until_given_up(&timers, &no_jitter, &now), 18);
    CHECK_EQUAL(now, START + REKEY_ATTEMPT_TIME_NS);
    /* the keys go later, as the handshake has left an ephemeral one */
    CHECK_EQUAL(timers_next(&timers), now + 3 * REJECT_AFTER_TIME_NS);
    /* what is sent later tries as long */
    now += 1000 * S;
    CHECK_EQUAL(timers_take_due(&timers, now), TIMERS_DUE_WIPE);
    CHECK_EQUAL(try_until_given_up(&timers, tap_random_source(), &now), 18);
}

static void test_packet_staged_meanwhile_starts_the_count_again(void)
{
    struct timers timers;
    instant_ns now = START;
    timers_init(&timers);
    for (unsigned i = 0; i < 100; i++) {
        timers_packet_staged(&timers);
        timers_handshake_initiated(&timers, tap_random_source(), now);
        now = timers_next(&timers);
        CHECK_EQUAL(timers_take_due(&timers, now), TIMERS_DUE_INITIATION);
    }
}

static void test_jitter_differs(void)
{
    struct timers timers;
    instant_ns least = INSTANT_NEVER, most = 0;
    for (unsigned i = 0; i < 1000; i++) {
        timers_init(&timers);
        timers_handshake_initiated(&timers, tap_random_source(), START);
        duration_ns delay = timers.retransmit - START;
        least = instant_min(least, delay);
        most = delay > most ? delay : most;
        timers_session_derived(&timers, tap_random_source(), START);
        timers_data_sent(&timers, START);
        delay = timers.new_handshake - START;
        CHECK(delay >= 15 * S && delay <= 15 * S + JITTER_MOST);
    }
    CHECK(least < REKEY_TIMEOUT_NS + JITTER_MOST / 10);
    CHECK(most > REKEY_TIMEOUT_NS + JITTER_MOST / 10 * 9 && most <= REKEY_TIMEOUT_NS + JITTER_MOST);
}

/* RULES H1 */
static void test_deadlines_an_hour_late_are_due_once(void)
{
    struct timers timers;
    instant_ns now = START;
    timers_init(&timers);
    happen(&timers, PERSISTENT_25, now);
    happen(&timers, ANSWERED, now);
    happen(&timers, DATA_SENT, now);
    happen(&timers, DATA_RECEIVED, now);
    happen(&timers, DATA_SENT, now);
    happen(&timers, INITIATED, now);
    timers_data_received(&timers, now);
    timers_data_sent(&timers, now);
    now += 3600 * S;
    CHECK_EQUAL(timers_take_due(&timers, now),
                TIMERS_DUE_WIPE | TIMERS_DUE_INITIATION | TIMERS_DUE_KEEPALIVE);
    CHECK_EQUAL(timers_take_due(&timers, now), 0);
    CHECK_EQUAL(timers_next(&timers), now + 25 * S);
    CHECK(timers_may_initiate(&timers, now));
    happen(&timers, INITIATED, now);
    CHECK(!timers_may_initiate(&timers, now));
}

static void test_stop_turns_all_off_and_keeps_the_interval(void)
{
    struct timers timers;
    timers_init(&timers);
    for (enum event event = DATA_SENT; event <= PERSISTENT_25; event++)
        happen(&timers, event, START);
    timers_data_received(&timers, START);
    timers_stop(&timers);
    CHECK(timers_next(&timers) == INSTANT_NEVER);
    CHECK(timers_may_initiate(&timers, START)); /* up again: at once */
    CHECK_EQUAL(timers.persistent_interval, 25 * S);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_received_is_answered);
    TAP_RUN(argc, argv, test_own_data_is_answer_enough);
    TAP_RUN(argc, argv, test_second_data_is_owed_another);
    TAP_RUN(argc, argv, test_keepalive_is_not_answered);
    TAP_RUN(argc, argv, test_silence_after_data_is_suspicious);
    TAP_RUN(argc, argv, test_anything_received_is_a_sign_of_life);
    TAP_RUN(argc, argv, test_keys_are_wiped_after_540_s);
    TAP_RUN(argc, argv, test_persistent_is_silent_in_traffic);
    TAP_RUN(argc, argv, test_handshake_gives_up_after_90_s);
    TAP_RUN(argc, argv, test_packet_staged_meanwhile_starts_the_count_again);
    TAP_RUN(argc, argv, test_jitter_differs);
    TAP_RUN(argc, argv, test_deadlines_an_hour_late_are_due_once);
    TAP_RUN(argc, argv, test_stop_turns_all_off_and_keeps_the_interval);
    return tap_done();
}
