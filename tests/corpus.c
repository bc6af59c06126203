/* SPDX-License-Identifier: MIT */
#include "corpus.h"

#include <dirent.h>
#include <stdio.h>

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
