/* SPDX-License-Identifier: MIT */
/* All that a configuration was read from, as bytes: the files, and what the host answered about
 * names. Whoever has no right to the files reads the same configuration from them, in another
 * process. */
#ifndef CONFIG_RECORDING_H
#define CONFIG_RECORDING_H

#include "config/config_data.h"

#define RECORDING_MOST_BYTES (64u << 20)

struct recording {
    const struct memory *memory; /* outlives it; it holds keys */
    const struct config_reader *from;
    char *bytes;
    size_t len, capacity;
    bool is_cut; /* no memory, or larger than the bound: it is of no use */
};

/* A reader that asks `from` and notes what that says. It begins with the command line's paths.
 * Wiped by recording_wipe; it and the reader stay where they are until then. */
struct config_reader recording_begin(struct recording *recording, const struct memory *memory,
                                     const struct config_reader *from, const char *const *paths,
                                     size_t path_count);
void recording_wipe(struct recording *recording);

/* Of a recording that came from elsewhere: any bytes may be in it. */
struct recording_replay {
    const char *bytes; /* borrowed */
    size_t len;
};

/* The command line's paths, in the recording; false: this is no recording, or of more than
 * `most`. */
bool recording_paths(const struct recording_replay *replay, const char **paths, size_t most,
                     size_t *count);
/* Answers as the recording says; what is not in it, there is not. */
struct config_reader recording_reader(struct recording_replay *replay);

#endif
