/* SPDX-License-Identifier: MIT */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/ask.h"
#include "cli/command.h"

#define COUNT 4
#define COUNT_MOST 1000000
#define INTERVAL_MS 1000
#define FIRST_MS 6000 /* a handshake that is lost once */
#define EACH_MS 2000
#define ANSWER_MS 5000 /* beyond the time that the daemon waits itself */
#define KEY_SHOWN 8

/* What became of one hop. */
struct hop {
    unsigned asked, answered;
    double least_ms, most_ms, sum_ms;
};

struct hops {
    struct hop *list; /* in the order of the daemon's answer, which a reload may change */
    size_t count;
    json_t *last;
};

/* "office peer aeovra6G…" */
static void print_name(const json_t *hop)
{
    printf("%s peer %.*s…", ask_text(hop, "tunnel", "?"), KEY_SHOWN, ask_text(hop, "peer", "?"));
}

static void count_hop(struct hop *hop, const json_t *answer)
{
    const json_t *took = json_object_get(answer, "milliseconds");
    double ms = json_number_value(took);
    hop->asked++;
    if (!json_is_number(took))
        return;
    hop->least_ms = hop->answered == 0 || ms < hop->least_ms ? ms : hop->least_ms;
    hop->most_ms = ms > hop->most_ms ? ms : hop->most_ms;
    hop->sum_ms += ms;
    hop->answered++;
}

/* One line of them all. False: no memory. */
static bool take(struct hops *hops, json_t *answer, unsigned number)
{
    const json_t *list = json_object_get(answer, "hops");
    size_t index, count = json_array_size(list);
    json_t *hop;
    if (count != hops->count) { /* the first time, or they are others now */
        free(hops->list);
        hops->list = calloc(count + 1, sizeof(*hops->list));
        hops->count = count;
    }
    if (!hops->list)
        return false;
    printf("%u:", number);
    json_array_foreach(list, index, hop)
    {
        const json_t *took = json_object_get(hop, "milliseconds");
        count_hop(&hops->list[index], hop);
        printf(index ? " · %s" : " %s", ask_text(hop, "tunnel", "?"));
        if (json_is_number(took))
            printf(" %.1f ms", json_number_value(took));
        else
            printf(" no answer");
    }
    printf("\n");
    fflush(stdout);
    json_decref(hops->last);
    hops->last = answer;
    return true;
}

/* The exit status: 1 where one never answered. */
static int summarize(const char *network, const struct hops *hops)
{
    size_t index;
    json_t *item;
    bool is_fine = true;
    json_array_foreach(json_object_get(hops->last, "hops"), index, item)
    {
        const struct hop *hop = &hops->list[index];
        print_name(item);
        printf(" at %s: %u of %u answered", ask_text(item, "endpoint", "no endpoint yet"),
               hop->answered, hop->asked);
        if (hop->answered)
            printf(", round trip %.1f ms at least, %.1f on average, %.1f at most", hop->least_ms,
                   hop->sum_ms / hop->answered, hop->most_ms);
        const json_t *handshake = json_object_get(item, "handshake_milliseconds");
        if (json_is_number(handshake))
            printf(", handshake %.1f ms", json_number_value(handshake));
        printf("\n");
        is_fine &= hop->answered > 0;
    }
    fflush(stdout);
    json_array_foreach(json_object_get(hops->last, "failing"), index, item)
        fprintf(stderr, "hopwire: %s: %s\n", network,
                json_is_string(item) ? json_string_value(item) : "?");
    return is_fine ? COMMAND_DONE : COMMAND_REFUSED;
}

static int ping(const char *network, const char *tunnel, unsigned count)
{
    struct hops hops = {0};
    bool goes_on = true;
    for (unsigned i = 0; i < count && goes_on; i++) {
        char request[TUNNEL_NAME_BYTES + 64];
        unsigned patience_ms = i ? EACH_MS : FIRST_MS;
        if (i)
            poll(NULL, 0, INTERVAL_MS);
        snprintf(request, sizeof(request), "ping %u%s%s", patience_ms, tunnel ? " " : "",
                 tunnel ? tunnel : "");
        json_t *answer = ask_patiently(network, request, patience_ms + ANSWER_MS, NULL);
        goes_on = answer && take(&hops, answer, i + 1);
    }
    int result = hops.last ? summarize(network, &hops) : COMMAND_REFUSED;
    json_decref(hops.last);
    free(hops.list);
    return goes_on ? result : COMMAND_REFUSED;
}

int ping_main(int argc, char **argv)
{
    struct command_hops hops = {.usage = "ping [--count N] NAME [TUNNEL]",
                                .option = "count",
                                .what = "number",
                                .most = COUNT_MOST,
                                .number = COUNT};
    int result = command_parse_hops(argc, argv, &hops);
    return result == COMMAND_DONE ? ping(hops.network, hops.tunnel, hops.number) : result;
}
