/* SPDX-License-Identifier: MIT */
#include "corpus.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "tap.h"

void corpus_replay(struct corpus *corpus, const char *folder, size_t most_bytes, size_t least)
{
    DIR *directory = opendir(folder);
    if (!CHECK(directory != NULL))
        return;
    for (struct dirent *entry;
         (entry = readdir(directory)) && corpus->count < CORPUS_INPUTS_MOST;) {
        char path[1024];
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "rb");
        if (!file)
            continue;
        uint8_t *input = corpus->inputs[corpus->count];
        size_t len = fread(input, 1, most_bytes, file);
        fclose(file);
        LLVMFuzzerTestOneInput(input, len);
        corpus->lens[corpus->count++] = len;
    }
    closedir(directory);
    CHECK(corpus->count >= least);
}

/* The new length. */
static size_t change(const struct corpus *corpus, uint8_t *bytes, size_t len, size_t most_bytes)
{
    static const char interesting[] = "=[]#,!/:.%\r\n \t\0\x7f\xff"
                                      "09azAZ";
    size_t at = tap_random_below(len + 1), piece = tap_random_below(40);
    size_t other = tap_random_below(corpus->count);
    size_t from = tap_random_below(corpus->lens[other] + 1);
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
        piece = piece < corpus->lens[other] - from ? piece : corpus->lens[other] - from;
        piece = piece < most_bytes - len ? piece : most_bytes - len;
        memmove(bytes + at + piece, bytes + at, len - at);
        memcpy(bytes + at, corpus->inputs[other] + from, piece);
        return len + piece;
    }
}

void corpus_mutate(const struct corpus *corpus, unsigned rounds, unsigned changes,
                   size_t most_bytes)
{
    for (unsigned round = 0; round < rounds && corpus->count; round++) {
        uint8_t bytes[CORPUS_INPUT_BYTES];
        size_t which = tap_random_below(corpus->count), len = corpus->lens[which];
        memcpy(bytes, corpus->inputs[which], len);
        for (uint64_t left = tap_random_below(changes); left-- > 0;)
            len = change(corpus, bytes, len, most_bytes);
        LLVMFuzzerTestOneInput(bytes, len);
    }
    CHECK(corpus->count > 0);
}
