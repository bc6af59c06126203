/* SPDX-License-Identifier: MIT */
/* The fuzz target's ordinary day: its corpus is replayed, and mutated with the printed seed. */
#include <string.h>

#include "corpus.h"
#include "tap.h"

#define INPUT_BYTES 4096
#define ROUNDS 1500

static struct corpus corpus;

static void test_the_corpus_is_replayed(void)
{
    corpus_replay(&corpus, CONFIG_CORPUS, INPUT_BYTES, 5);
}

/* One of: another byte, a cut, a piece moved inside or taken from another input. */
static size_t mutate(uint8_t *bytes, size_t len)
{
    static const char interesting[] = "=[]#,!/:.%\r\n \t\0\x7f\xff"
                                      "09azAZ";
    size_t at = tap_random_below(len + 1), piece = tap_random_below(40);
    size_t other = tap_random_below(corpus.count);
    size_t from = tap_random_below(corpus.lens[other] + 1);
    switch (tap_random_below(5)) {
    case 0:
        if (at < len)
            bytes[at] = (uint8_t)interesting[tap_random_below(sizeof(interesting) - 1)];
        return len;
    case 1:
        if (at < len)
            bytes[at] ^= (uint8_t)(1u << tap_random_below(8));
        return len;
    case 2:
        piece = piece < len - at ? piece : len - at;
        memmove(bytes + at, bytes + at + piece, len - at - piece);
        return len - piece;
    default:
        piece = piece < corpus.lens[other] - from ? piece : corpus.lens[other] - from;
        piece = piece < INPUT_BYTES - len ? piece : INPUT_BYTES - len;
        memmove(bytes + at + piece, bytes + at, len - at);
        memcpy(bytes + at, corpus.inputs[other] + from, piece);
        return len + piece;
    }
}

static void test_mutated_files_never_crash(void)
{
    for (unsigned round = 0; round < ROUNDS && corpus.count; round++) {
        uint8_t bytes[INPUT_BYTES];
        size_t which = tap_random_below(corpus.count), len = corpus.lens[which];
        memcpy(bytes, corpus.inputs[which], len);
        for (uint64_t changes = tap_random_below(6); changes-- > 0;)
            len = mutate(bytes, len);
        LLVMFuzzerTestOneInput(bytes, len);
    }
    CHECK(corpus.count > 0);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_the_corpus_is_replayed);
    TAP_RUN(argc, argv, test_mutated_files_never_crash);
    return tap_done();
}
