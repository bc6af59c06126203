/* SPDX-License-Identifier: MIT */
/* The fuzz target's ordinary day: its corpus is replayed, and random inputs with the printed seed.
 * A disagreement aborts. */
#include <dirent.h>
#include <stdio.h>

#include "tap.h"

#define INPUT_BYTES 128
#define RANDOM_INPUTS 600

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void test_the_corpus_is_replayed(void)
{
    unsigned count = 0;
    DIR *folder = opendir(AEAD_CORPUS);
    if (!CHECK(folder != NULL))
        return;
    for (struct dirent *entry; (entry = readdir(folder));) {
        uint8_t input[INPUT_BYTES];
        char path[1024];
        snprintf(path, sizeof(path), "%s/%s", AEAD_CORPUS, entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "rb");
        if (!file)
            continue;
        size_t len = fread(input, 1, sizeof(input), file);
        fclose(file);
        LLVMFuzzerTestOneInput(input, len);
        count++;
    }
    closedir(folder);
    CHECK(count >= 5);
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
