/* SPDX-License-Identifier: MIT */
/* The fuzz target's ordinary day: its corpus is replayed, and mutated with the printed seed. */
#include "corpus.h"
#include "tap.h"

#define INPUT_BYTES 1024

static struct corpus corpus;

static void the_corpus_is_replayed(void)
{
    corpus_replay(&corpus, LIVE_CORPUS, INPUT_BYTES, 5);
}

static void mutated_changes_lead_to_what_is_configured(void)
{
    corpus_mutate(&corpus, 12, 20, INPUT_BYTES);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, the_corpus_is_replayed);
    TAP_RUN(argc, argv, mutated_changes_lead_to_what_is_configured);
    return tap_done();
}
