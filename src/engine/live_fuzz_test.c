/* SPDX-License-Identifier: MIT */
/* The fuzz target's ordinary day: its corpus is replayed, and mutated with the printed seed. */
#include <string.h>

#include "corpus.h"
#include "tap.h"

#define INPUT_BYTES 1024
#define ROUNDS 12

static struct corpus corpus;

static void the_corpus_is_replayed(void)
{
    corpus_replay(&corpus, LIVE_CORPUS, INPUT_BYTES, 5);
}

static void mutated_changes_lead_to_what_is_configured(void)
{
    for (unsigned round = 0; round < ROUNDS && corpus.count; round++) {
        uint8_t bytes[INPUT_BYTES];
        size_t which = tap_random_below(corpus.count), len = corpus.lens[which];
        memcpy(bytes, corpus.inputs[which], len);
        for (uint64_t changes = tap_random_below(20); changes-- > 0;)
            len = corpus_mutate(&corpus, bytes, len, INPUT_BYTES);
        LLVMFuzzerTestOneInput(bytes, len);
    }
    CHECK(corpus.count > 0);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, the_corpus_is_replayed);
    TAP_RUN(argc, argv, mutated_changes_lead_to_what_is_configured);
    return tap_done();
}
