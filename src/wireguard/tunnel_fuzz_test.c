/* SPDX-License-Identifier: MIT */
/* The fuzz target's ordinary day: its corpus is replayed, and mutated with the printed seed. */
#include <string.h>

#include "corpus.h"
#include "tap.h"

#define INPUT_BYTES 512
#define ROUNDS 600

static struct corpus corpus;

static void test_the_corpus_is_replayed(void)
{
    corpus_replay(&corpus, HANDSHAKE_CORPUS, INPUT_BYTES, 8);
}

static void test_mutated_lives_keep_the_promises(void)
{
    for (unsigned round = 0; round < ROUNDS && corpus.count; round++) {
        uint8_t bytes[INPUT_BYTES];
        size_t which = tap_random_below(corpus.count), len = corpus.lens[which];
        memcpy(bytes, corpus.inputs[which], len);
        for (uint64_t changes = tap_random_below(12); changes-- > 0 && len > 0;)
            bytes[tap_random_below(len)] = (uint8_t)tap_random();
        size_t other = tap_random_below(corpus.count), more = INPUT_BYTES - len;
        more = more < corpus.lens[other] ? more : corpus.lens[other];
        memcpy(bytes + len, corpus.inputs[other], more); /* one life after the other */
        LLVMFuzzerTestOneInput(bytes, len + more);
    }
    CHECK(corpus.count > 0);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_the_corpus_is_replayed);
    TAP_RUN(argc, argv, test_mutated_lives_keep_the_promises);
    return tap_done();
}
