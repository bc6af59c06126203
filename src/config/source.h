/* SPDX-License-Identifier: MIT */
/* A loading configuration, and the files it is read from. Private to this room. */
#ifndef CONFIG_SOURCE_H
#define CONFIG_SOURCE_H

#include "config/config_data.h"

/* What a file is for; it decides which keys count. */
enum source_role {
    ROLE_UNKNOWN, /* the only file of the command line, before its first section */
    ROLE_NETWORK, /* [Network], [Tunnel NAME] */
    ROLE_SINGLE,  /* one plain wg-quick file: all of it counts */
    ROLE_PART,    /* included or chained (I1): some keys are passed over */
};

/* A tunnel while it is read: it does not move, as the arrays of a struct config do. */
struct draft {
    struct draft *next;
    struct tunnel_description tunnel;
    struct config_tunnel notes;
};

struct loader {
    struct config *config;
    const struct memory *memory;
    const struct config_reader *reader;
    struct config_messages *messages;
    struct draft *first;
    struct draft **last; /* where the next one is linked */
    size_t draft_count;
};

struct source {
    const char *path;
    char *text; /* NUL-terminated, in the arena */
    bool others_can_read;
};

/* Reads a file into the arena. False: told at `place`, the line that names the file (NULL: the
 * command line did). */
bool source_read(struct loader *loader, const char *path, const struct config_place *place,
                 struct source *source);
/* A path written in the file `from`, relative to it; NULL: no memory. */
char *source_path(struct loader *loader, const char *from, const char *path);
/* Warns that others than its owner can read `what`, the file of this path, and how that ends. */
void source_tell_readable(struct loader *loader, const struct config_place *place, const char *what,
                          const char *path);
/* Reads the one key that a file holds, and warns when others can read it. */
bool source_key(struct loader *loader, const struct config_place *place, const char *path,
                uint8_t key[32]);

#endif
