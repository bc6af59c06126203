/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "cli/command.h"
#include "cli/load.h"
#include "cli/running.h"
#include "daemon/saving.h"

static int save(char **files, int count)
{
    struct text why = TEXT_ROOM(1024);
    struct config *config = load_configuration(files, count, false);
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
        fprintf(stderr, "hopwire: %s: %s\n", config->name, why.bytes);
    load_free(config);
    return result == 0 ? COMMAND_DONE : COMMAND_REFUSED;
}

int save_main(int argc, char **argv)
{
    struct running running;
    if (argc != 2)
        return command_miscounted("save NAME|FILE", argc, argv, 1, (const char *[]){"NAME"});
    if (load_is_file(argv[1]))
        return save(argv + 1, 1);
    if (!running_read(argv[1], "save", &running))
        return COMMAND_REFUSED;
    int result = save((char **)running.files, (int)running.count);
    free(running.bytes);
    return result;
}
