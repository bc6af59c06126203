/* SPDX-License-Identifier: MIT */
/* The fuzz target's ordinary day: its corpus is replayed, and mutated with the printed seed. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "tap.h"

#define INPUT_BYTES 512
#define INPUTS_MOST 64
#define ROUNDS 600

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t inputs[INPUTS_MOST][INPUT_BYTES];
static size_t input_lens[INPUTS_MOST], input_count;

static void test_the_corpus_is_replayed(void)
{
    DIR *folder = opendir(HANDSHAKE_CORPUS);
    if (!CHECK(folder != NULL))
        return;
    for (struct dirent *entry; (entry = readdir(folder)) && input_count < INPUTS_MOST;) {
        char path[1024];
        snprintf(path, sizeof(path), "%s/%s", HANDSHAKE_CORPUS, entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "rb");
        if (!file)
            continue;
        input_lens[input_count] = fread(inputs[input_count], 1, INPUT_BYTES, file);
        fclose(file);
        LLVMFuzzerTestOneInput(inputs[input_count], input_lens[input_count]);
        input_count++;
    }
    closedir(folder);
    CHECK(input_count >= 8);
}

static void test_mutated_lives_keep_the_promises(void)
{
    for (unsigned round = 0; round < ROUNDS && input_count; round++) {
        uint8_t bytes[INPUT_BYTES];
        size_t which = tap_random_below(input_count), len = input_lens[which];
        memcpy(bytes, inputs[which], len);
        for (uint64_t changes = tap_random_below(12); changes-- > 0 && len > 0;)
            bytes[tap_random_below(len)] = (uint8_t)tap_random();
        size_t other = tap_random_below(input_count), more = INPUT_BYTES - len;
        more = more < input_lens[other] ? more : input_lens[other];
        memcpy(bytes + len, inputs[other], more); /* one life after the other */
        LLVMFuzzerTestOneInput(bytes, len + more);
    }
    CHECK(input_count > 0);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_the_corpus_is_replayed);
    TAP_RUN(argc, argv, test_mutated_lives_keep_the_promises);
    return tap_done();
}
