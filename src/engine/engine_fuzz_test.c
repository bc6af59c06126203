/* SPDX-License-Identifier: MIT */
/* The fuzz target's ordinary day: its corpus is replayed, and mutated with the printed seed. */
#include <string.h>

#include "corpus.h"
#include "tap.h"

#define INPUT_BYTES 4096
#define ROUNDS 60

static struct corpus corpus;

static void the_corpus_is_replayed(void)
{
    corpus_replay(&corpus, ENGINE_CORPUS, INPUT_BYTES, 5);
}

/* Bytes changed, a piece from another input, or all of it random. */
static void mutated_events_never_crash(void)
{
    for (unsigned round = 0; round < ROUNDS && corpus.count; round++) {
        uint8_t bytes[INPUT_BYTES];
        size_t which = tap_random_below(corpus.count), len = corpus.lens[which];
        size_t other = tap_random_below(corpus.count), piece = tap_random_below(100);
        memcpy(bytes, corpus.inputs[which], len);
        if (round % 3 == 0) {
            len = tap_random_below(1500);
            tap_random_bytes(bytes, len);
        }
        for (uint64_t changes = tap_random_below(20); changes-- > 0 && len;)
            bytes[tap_random_below(len)] = (uint8_t)tap_random();
        piece = piece < corpus.lens[other] ? piece : corpus.lens[other];
        if (len + piece <= INPUT_BYTES) {
            memcpy(bytes + len, corpus.inputs[other] + corpus.lens[other] - piece, piece);
            len += piece;
        }
        LLVMFuzzerTestOneInput(bytes, len);
    }
    CHECK(corpus.count > 0);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, the_corpus_is_replayed);
    TAP_RUN(argc, argv, mutated_events_never_crash);
    return tap_done();
}
