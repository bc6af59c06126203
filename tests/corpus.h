/* SPDX-License-Identifier: MIT */
/* A fuzz target's corpus in the ordinary test run: read, replayed, and there to be mutated. */
#ifndef TESTS_CORPUS_H
#define TESTS_CORPUS_H

#include <stddef.h>
#include <stdint.h>

#define CORPUS_INPUTS_MOST 64
#define CORPUS_INPUT_BYTES 4096

struct corpus {
    size_t count;
    size_t lens[CORPUS_INPUTS_MOST];
    uint8_t inputs[CORPUS_INPUTS_MOST][CORPUS_INPUT_BYTES];
};

/* The target that the test program links. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads the folder's files, each cut at `most_bytes`, and gives each to the target; checks that
 * there are at least `least` of them. */
void corpus_replay(struct corpus *corpus, const char *folder, size_t most_bytes, size_t least);

/* Gives `rounds` of its inputs to the target, each changed fewer than `changes` times: another
 * byte, a cut, a piece taken from another one; at most `most_bytes` long, as they were read. */
void corpus_mutate(const struct corpus *corpus, unsigned rounds, unsigned changes,
                   size_t most_bytes);

#endif
