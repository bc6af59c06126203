/* SPDX-License-Identifier: MIT */
/* The fuzz target's ordinary day: its corpus is replayed, and mutated with the printed seed. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "tap.h"

#define INPUT_BYTES 4096
#define INPUTS_MOST 64
#define ROUNDS 1500

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t inputs[INPUTS_MOST][INPUT_BYTES];
static size_t input_lens[INPUTS_MOST], input_count;

static void test_the_corpus_is_replayed(void)
{
    DIR *folder = opendir(CONFIG_CORPUS);
    if (!CHECK(folder != NULL))
        return;
    for (struct dirent *entry; (entry = readdir(folder)) && input_count < INPUTS_MOST;) {
        char path[1024];
        snprintf(path, sizeof(path), "%s/%s", CONFIG_CORPUS, entry->d_name);
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

/* One of: another byte, a cut, a piece moved inside or taken from another input. */
static size_t mutate(uint8_t *bytes, size_t len)
{
    static const char interesting[] = "=[]#,!/:.%\r\n \t\0\x7f\xff"
                                      "09azAZ";
    size_t at = tap_random_below(len + 1), piece = tap_random_below(40);
    size_t other = tap_random_below(input_count);
    size_t from = tap_random_below(input_lens[other] + 1);
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
        piece = piece < input_lens[other] - from ? piece : input_lens[other] - from;
        piece = piece < INPUT_BYTES - len ? piece : INPUT_BYTES - len;
        memmove(bytes + at + piece, bytes + at, len - at);
        memcpy(bytes + at, inputs[other] + from, piece);
        return len + piece;
    }
}

static void test_mutated_files_never_crash(void)
{
    for (unsigned round = 0; round < ROUNDS && input_count; round++) {
        uint8_t bytes[INPUT_BYTES];
        size_t which = tap_random_below(input_count), len = input_lens[which];
        memcpy(bytes, inputs[which], len);
        for (uint64_t changes = tap_random_below(6); changes-- > 0;)
            len = mutate(bytes, len);
        LLVMFuzzerTestOneInput(bytes, len);
    }
    CHECK(input_count > 0);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_the_corpus_is_replayed);
    TAP_RUN(argc, argv, test_mutated_files_never_crash);
    return tap_done();
}
