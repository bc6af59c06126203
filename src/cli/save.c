/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "cli/command.h"
#include "cli/load.h"
#include "daemon/saving.h"

int save_main(int argc, char **argv)
{
    char reason[1024];
    struct text why;
    text_init(&why, reason, sizeof(reason));
    if (argc != 2)
        return command_miscounted("save NAME", argc, argv, 1, (const char *[]){"NAME"});
    struct config *config = load_configuration(argv + 1, 1, false);
    if (!config)
        return COMMAND_REFUSED;
    const char *file = config->tunnels[0].place.file;
    int result = -1;
    if (!config->is_plain)
        text_append(&why, "%s is a network of Hopwire's own form, which is only ever written by "
                          "you; a plain wg-quick file can be saved",
                    file);
    else
        result = saving_write(file, config->interface_name, &why);
    if (result != 0)
        fprintf(stderr, "hopwire: %s: %s\n", config->name, reason);
    load_free(config);
    return result == 0 ? COMMAND_DONE : COMMAND_REFUSED;
}
