/* SPDX-License-Identifier: MIT */
#include "cli/readiness.h"

#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>

#include "cli/ask.h"
#include "cli/command.h"
#include "config/config.h"

#define LOOK_MS 50 /* for a network that is to come up */
#define ANSWER_MS 5000 /* beyond the time that the daemon waits itself */

static long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Until then, or until it listens. */
static json_t *ask(const char *network, const char *tunnel, long long deadline_ms, bool starts)
{
    for (;;) {
        char request[TUNNEL_NAME_BYTES + 64];
        long long left_ms = deadline_ms - now_ms();
        /* One that is up and ends is not waited for to come up again. */
        bool is_last = !starts || left_ms <= LOOK_MS || ask_process(network), is_up = true;
        left_ms = left_ms < 0 ? 0 : left_ms;
        snprintf(request, sizeof(request), "wait %lld%s%s", left_ms, tunnel ? " " : "",
                 tunnel ? tunnel : "");
        json_t *answer = ask_patiently(network, request, (unsigned)left_ms + ANSWER_MS,
                                       is_last ? NULL : &is_up);
        if (answer || is_last || is_up)
            return answer;
        poll(NULL, 0, LOOK_MS);
    }
}

static int print(const char *network, const json_t *answer, unsigned seconds)
{
    size_t index;
    json_t *line;
    if (json_is_true(json_object_get(answer, "ready"))) {
        printf("%s: ready after %.2f s\n", network,
               (double)ask_number(answer, "milliseconds") / 1000);
        return COMMAND_DONE;
    }
    json_array_foreach(json_object_get(answer, "failing"), index, line)
        fprintf(stderr, "hopwire: %s: not ready within %u s: %s\n", network, seconds,
                json_is_string(line) ? json_string_value(line) : "?");
    return COMMAND_REFUSED;
}

int readiness_wait(const char *network, const char *tunnel, unsigned seconds, bool starts)
{
    json_t *answer = ask(network, tunnel, now_ms() + seconds * 1000LL, starts);
    int result = answer ? print(network, answer, seconds) : COMMAND_REFUSED;
    json_decref(answer);
    return result;
}
