/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/load.h"
#include "daemon/check.h"
#include "daemon/obstacles.h"
#include "daemon/replace.h"

#define USAGE "check NAME|FILE..."
#define OUTLINE_FIRST_BYTES 65536

/* NULL: no memory. The caller frees it; *is_fine is what `append` said. */
static char *describe(const struct config *config,
                      bool (*append)(const struct config *config, struct text *text),
                      bool *is_fine)
{
    for (size_t capacity = OUTLINE_FIRST_BYTES;; capacity *= 2) {
        struct text text;
        char *bytes = malloc(capacity);
        if (!bytes)
            return NULL;
        text_init(&text, bytes, capacity);
        *is_fine = append(config, &text);
        if (!text.is_cut)
            return bytes;
        free(bytes);
    }
}

static bool append_obstacles(const struct config *config, struct text *text)
{
    return obstacles_append(config, getenv("HOPWIRE_AEAD"), text);
}

/* Of a network that is up: what `up --replace` would. */
static bool append_obstacles_beside(const struct config *config, struct text *text)
{
    return replace_check(config, getenv("HOPWIRE_AEAD"), text) == 0;
}

/* What `up` would say, a line each; false: something. */
static bool has_way(const struct config *config, bool is_up)
{
    bool is_free = false;
    char *bytes = describe(config, is_up ? append_obstacles_beside : append_obstacles, &is_free);
    char *rest = bytes;
    for (char *line; bytes && (line = strsep(&rest, "\n")) && *line;)
        fprintf(stderr, "hopwire: %s: %s\n", config->name, line);
    free(bytes);
    return is_free;
}

int check_main(int argc, char **argv)
{
    if (argc < 2)
        return command_misused(USAGE, "check: NAME or FILE is missing");
    if (argv[1][0] == '-')
        return command_misused(USAGE, "check: %.100s is no option of it", argv[1]);
    struct config *config = load_configuration(argv + 1, argc - 1, true);
    if (!config)
        return COMMAND_REFUSED;
    bool is_fine = false;
    char *bytes = describe(config, check_append, &is_fine);
    if (is_fine)
        fputs(bytes, stdout);
    else
        fprintf(stderr, "hopwire: %s: %s", config->name, bytes ? bytes : "no memory for it\n");
    free(bytes);
    bool is_up = obstacles_is_up(config);
    is_fine = is_fine && has_way(config, is_up);
    if (is_fine && is_up)
        printf(
            "note: it is up; these lines are what the file says, and `hopwire reload` or `hopwire "
            "up --replace` puts that in its place\n");
    load_free(config);
    return is_fine ? COMMAND_DONE : COMMAND_REFUSED;
}
