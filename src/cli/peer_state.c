/* SPDX-License-Identifier: MIT */
#include "cli/peer_state.h"

#include <string.h>

#include "cli/ask.h"

static void print_unanswered(FILE *to, const json_t *peer)
{
    long long tries = ask_number(peer, "attempts");
    const char *carrier = ask_text(peer, "waits_for", NULL);
    fprintf(to, "no answer for %lld s, %lld %s", ask_number(peer, "unanswered_s"), tries,
            tries == 1 ? "try" : "tries");
    if (carrier)
        fprintf(to, " (its carrier %s does not work)", carrier);
}

const char *peer_state_endpoint(const json_t *peer)
{
    return ask_text(peer, "endpoint", ask_text(peer, "endpoint_name", "unknown"));
}

void peer_state_print(FILE *to, const json_t *peer)
{
    const char *state = ask_text(peer, "state", "?");
    const char *cause = ask_text(peer, "endpoint_error", NULL);
    if (strcmp(state, "up") == 0) {
        fprintf(to, "up %lld s", ask_number(peer, "since_s"));
    } else if (strcmp(state, "no answer") == 0) {
        print_unanswered(to, peer);
    } else if (strcmp(state, "gave up") == 0) {
        fprintf(to, "gave up, ");
        print_unanswered(to, peer);
    } else if (strcmp(state, "unroutable") == 0) {
        fprintf(to, "unroutable: %s", ask_text(peer, "obstacle", "?"));
    } else if (strcmp(state, "no endpoint") == 0) {
        fprintf(to, "no endpoint yet%s%s", cause ? ": " : "", cause ? cause : "");
        return;
    } else {
        fprintf(to, "%s", state);
    }
    if (cause && strcmp(state, "up") != 0)
        fprintf(to, " (%s)", cause);
}
