/* SPDX-License-Identifier: MIT */
/* The fuzz target's ordinary day: its corpus is replayed, and mutated with the printed seed. */
#include <string.h>

#include "corpus.h"
#include "tap.h"

#define INPUT_BYTES 4096
#define ROUNDS 3000

static struct corpus corpus;

static void test_the_corpus_is_replayed(void)
{
    corpus_replay(&corpus, UAPI_CORPUS, INPUT_BYTES, 7);
}

static void test_mutated_requests_never_crash(void)
{
    for (unsigned round = 0; round < ROUNDS && corpus.count; round++) {
        uint8_t bytes[INPUT_BYTES];
        size_t which = tap_random_below(corpus.count), len = corpus.lens[which];
        memcpy(bytes, corpus.inputs[which], len);
        for (uint64_t changes = tap_random_below(6); changes-- > 0;)
            len = corpus_mutate(&corpus, bytes, len, INPUT_BYTES);
        LLVMFuzzerTestOneInput(bytes, len);
    }
    CHECK(corpus.count > 0);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_the_corpus_is_replayed);
    TAP_RUN(argc, argv, test_mutated_requests_never_crash);
    return tap_done();
}
