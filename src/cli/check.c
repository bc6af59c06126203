/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "cli/command.h"
#include "cli/load.h"
#include "daemon/preview.h"

#define OUTLINE_FIRST_BYTES 65536

/* NULL: no memory. The caller frees it; *is_fine false: it is the reason of a refusal. */
static char *describe(const struct config *config, bool *is_fine)
{
    for (size_t capacity = OUTLINE_FIRST_BYTES;; capacity *= 2) {
        struct text text;
        char *bytes = malloc(capacity);
        if (!bytes)
            return NULL;
        text_init(&text, bytes, capacity);
        *is_fine = preview_append(config, &text);
        if (!text.is_cut)
            return bytes;
        free(bytes);
    }
}

int check_main(int argc, char **argv)
{
    if (argc < 2 || argv[1][0] == '-')
        return command_misused("check", "check NAME|FILE...");
    struct config *config = load_configuration(argv + 1, argc - 1, true);
    if (!config)
        return COMMAND_REFUSED;
    bool is_fine = false;
    char *bytes = describe(config, &is_fine);
    if (is_fine)
        fputs(bytes, stdout);
    else
        fprintf(stderr, "hopwire: %s: %s", config->name, bytes ? bytes : "no memory for it\n");
    free(bytes);
    load_free(config);
    return is_fine ? COMMAND_DONE : COMMAND_REFUSED;
}
