/* SPDX-License-Identifier: MIT */
/* The fuzz target's ordinary day: its corpus is replayed, and mutated with the printed seed. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "tap.h"

#define INPUT_BYTES 4096
#define INPUTS_MOST 64
#define ROUNDS 60

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t inputs[INPUTS_MOST][INPUT_BYTES];
static size_t input_lens[INPUTS_MOST], input_count;

static void the_corpus_is_replayed(void)
{
    DIR *folder = opendir(ENGINE_CORPUS);
    if (!CHECK(folder != NULL))
        return;
    for (struct dirent *entry; (entry = readdir(folder)) && input_count < INPUTS_MOST;) {
        char path[1024];
        snprintf(path, sizeof(path), "%s/%s", ENGINE_CORPUS, entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "rb");
        if (!file)
            continue;
        input_lens[input_count] = fread(inputs[input_count], 1, INPUT_BYTES, file);
        fclose(file);
        LLVMFuzzerTestOneInput(inputs[input_count], input_lens[input_count]);
        input_count++;
    }
    closedir(folder);
    CHECK(input_count >= 5);
}

/* Bytes changed, a piece from another input, or all of it random. */
static void mutated_events_never_crash(void)
{
    for (unsigned round = 0; round < ROUNDS && input_count; round++) {
        uint8_t bytes[INPUT_BYTES];
        size_t which = tap_random_below(input_count), len = input_lens[which];
        size_t other = tap_random_below(input_count), piece = tap_random_below(100);
        memcpy(bytes, inputs[which], len);
        if (round % 3 == 0) {
            len = tap_random_below(1500);
            tap_random_bytes(bytes, len);
        }
        for (uint64_t changes = tap_random_below(20); changes-- > 0 && len;)
            bytes[tap_random_below(len)] = (uint8_t)tap_random();
        piece = piece < input_lens[other] ? piece : input_lens[other];
        if (len + piece <= INPUT_BYTES) {
            memcpy(bytes + len, inputs[other] + input_lens[other] - piece, piece);
            len += piece;
        }
        LLVMFuzzerTestOneInput(bytes, len);
    }
    CHECK(input_count > 0);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, the_corpus_is_replayed);
    TAP_RUN(argc, argv, mutated_events_never_crash);
    return tap_done();
}
