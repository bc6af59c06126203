/* SPDX-License-Identifier: MIT */
#include "cli/peer_state.h"

#include <stdlib.h>

#include "engine/status.h"
#include "tap.h"

/* Of a peer as the daemon's answer has it. */
static void check(const char *peer_text, const char *expected)
{
    char *printed = NULL;
    size_t len;
    json_t *peer = json_loads(peer_text, 0, NULL);
    FILE *to = open_memstream(&printed, &len);
    if (CHECK(peer != NULL) && CHECK(to != NULL))
        peer_state_print(to, peer);
    fclose(to);
    CHECK_TEXT(printed, expected);
    free(printed);
    json_decref(peer);
}

static void check_endpoint(const char *peer_text, const char *expected)
{
    json_t *peer = json_loads(peer_text, 0, NULL);
    CHECK_TEXT(peer_state_endpoint(peer), expected);
    json_decref(peer);
}

static void test_a_peer_that_answers_says_since_when(void)
{
    check("{\"state\": \"up\", \"since_s\": 12}", "up 12 s");
    /* A name that could not be asked anew says nothing of a session that works. */
    check("{\"state\": \"up\", \"since_s\": 0, \"endpoint_error\": \"no answer from 192.0.2.53\"}",
          "up 0 s");
}

static void test_which_hop_fails_and_for_how_long(void)
{
    check("{\"state\": \"no answer\", \"unanswered_s\": 40, \"attempts\": 8}",
          "no answer for 40 s, 8 tries");
    check("{\"state\": \"no answer\", \"unanswered_s\": 5, \"attempts\": 1}",
          "no answer for 5 s, 1 try");
    check("{\"state\": \"gave up\", \"unanswered_s\": 95, \"attempts\": 18}",
          "gave up, no answer for 95 s, 18 tries");
    /* It is the carrier that must be looked at. */
    check("{\"state\": \"no answer\", \"unanswered_s\": 9, \"attempts\": 2, "
          "\"waits_for\": \"entry\"}",
          "no answer for 9 s, 2 tries (its carrier entry does not work)");
    check("{\"state\": \"unroutable\", \"obstacle\": \"entry has no route to 192.0.2.1\"}",
          "unroutable: entry has no route to 192.0.2.1");
    check("{\"state\": \"idle\"}", "idle");
}

static void test_why_a_name_is_not_resolved(void)
{
    check("{\"state\": \"no endpoint\"}", "no endpoint yet");
    check("{\"state\": \"no endpoint\", \"endpoint_error\": \"no such name\"}",
          "no endpoint yet: no such name");
    check("{\"state\": \"idle\", \"endpoint_error\": \"no such name\"}", "idle (no such name)");
    check("{\"state\": \"gave up\", \"unanswered_s\": 95, \"attempts\": 18, "
          "\"endpoint_error\": \"no such name\"}",
          "gave up, no answer for 95 s, 18 tries (no such name)");
}

/* A word of the engine's that is none here would be printed bare, without its number. */
static void test_each_state_of_the_engine_is_known(void)
{
    static const struct {
        struct status_peer peer;
        const char *expected;
    } cases[] = {
        {{.state = STATUS_PEER_IDLE}, "idle"},
        {{.state = STATUS_PEER_IDLE, .attempts = 20}, "gave up, no answer for 7 s, 3 tries"},
        {{.state = STATUS_PEER_NO_ENDPOINT}, "no endpoint yet"},
        {{.state = STATUS_PEER_UNROUTABLE}, "unroutable: no way"},
        {{.state = STATUS_PEER_HANDSHAKE}, "no answer for 7 s, 3 tries"},
        {{.state = STATUS_PEER_UP}, "up 12 s"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char peer[256];
        snprintf(peer, sizeof(peer),
                 "{\"state\": \"%s\", \"since_s\": 12, \"unanswered_s\": 7, \"attempts\": 3, "
                 "\"obstacle\": \"no way\"}",
                 status_peer_word(&cases[i].peer));
        check(peer, cases[i].expected);
    }
}

static void test_the_endpoint_or_the_name_that_is_none_yet(void)
{
    check_endpoint("{\"endpoint\": \"192.0.2.1:51820\", "
                   "\"endpoint_name\": \"relay.example:51820\"}",
                   "192.0.2.1:51820");
    check_endpoint("{\"endpoint\": null, \"endpoint_name\": \"relay.example:51820\"}",
                   "relay.example:51820");
    check_endpoint("{\"endpoint_name\": \"relay.example:51820\"}", "relay.example:51820");
    check_endpoint("{}", "unknown");
}

/* Of another version's daemon: nothing is missing so that the rest is not shown. */
static void test_an_answer_without_members_is_shown_all_the_same(void)
{
    check("{}", "?");
    check("{\"state\": 5}", "?");
    check("{\"state\": \"unroutable\"}", "unroutable: ?");
    check("{\"state\": \"resting\"}", "resting");
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_a_peer_that_answers_says_since_when);
    TAP_RUN(argc, argv, test_which_hop_fails_and_for_how_long);
    TAP_RUN(argc, argv, test_why_a_name_is_not_resolved);
    TAP_RUN(argc, argv, test_each_state_of_the_engine_is_known);
    TAP_RUN(argc, argv, test_the_endpoint_or_the_name_that_is_none_yet);
    TAP_RUN(argc, argv, test_an_answer_without_members_is_shown_all_the_same);
    return tap_done();
}
