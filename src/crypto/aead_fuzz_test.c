/* SPDX-License-Identifier: MIT */
/* The fuzz target's ordinary day: its corpus is replayed, and random inputs with the printed seed.
 * A disagreement aborts. */
#include "corpus.h"
#include "tap.h"

#define INPUT_BYTES 128
#define RANDOM_INPUTS 600

static void test_the_corpus_is_replayed(void)
{
    static struct corpus corpus;
    corpus_replay(&corpus, AEAD_CORPUS, INPUT_BYTES, 5);
}

static void test_random_batches_agree(void)
{
    for (unsigned i = 0; i < RANDOM_INPUTS; i++) {
        uint8_t input[INPUT_BYTES];
        tap_random_bytes(input, sizeof(input));
        LLVMFuzzerTestOneInput(input, tap_random_below(sizeof(input) + 1));
    }
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_the_corpus_is_replayed);
    TAP_RUN(argc, argv, test_random_batches_agree);
    return tap_done();
}
