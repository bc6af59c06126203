/* SPDX-License-Identifier: MIT */
/* Whether a peer answers, in words: which hop fails, and since when. */
#ifndef CLI_PEER_STATE_H
#define CLI_PEER_STATE_H

#include <jansson.h>
#include <stdio.h>

/* "up 12 s", "no answer for 40 s, 8 tries"; `peer` is one of `status`, or a hop of `route`. */
void peer_state_print(FILE *to, const json_t *peer);
/* Its address, or the name that is not resolved yet; borrowed from `peer`. */
const char *peer_state_endpoint(const json_t *peer);

#endif
