/* SPDX-License-Identifier: MIT */
/* The fuzz target's ordinary day: its corpus is replayed, and mutated with the printed seed. */
#include "corpus.h"
#include "tap.h"

static struct corpus corpus;

static void test_the_corpus_is_replayed(void)
{
    corpus_replay(&corpus, UAPI_CORPUS, CORPUS_INPUT_BYTES, 7);
}

static void test_mutated_requests_never_crash(void)
{
    corpus_mutate(&corpus, 3000, 6, CORPUS_INPUT_BYTES);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_the_corpus_is_replayed);
    TAP_RUN(argc, argv, test_mutated_requests_never_crash);
    return tap_done();
}
