/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "cli/command.h"
#include "cli/load.h"
#include "daemon/preview.h"

#define OUTLINE_BYTES 65536

int check_main(int argc, char **argv)
{
    if (argc < 2 || argv[1][0] == '-')
        return command_misused("check", "check NAME|FILE...");
    struct config *config = load_configuration(argv + 1, argc - 1, true);
    if (!config)
        return COMMAND_REFUSED;
    char *bytes = malloc(OUTLINE_BYTES);
    bool is_fine = bytes != NULL;
    if (bytes) {
        struct text text;
        text_init(&text, bytes, OUTLINE_BYTES);
        config_outline(config, &text);
        is_fine = preview_append(config, &text);
        fputs(bytes, stdout);
    }
    free(bytes);
    load_free(config);
    return is_fine ? COMMAND_DONE : COMMAND_REFUSED;
}
