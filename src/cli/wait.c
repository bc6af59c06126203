/* SPDX-License-Identifier: MIT */
#include <getopt.h>
#include <stddef.h>

#include "cli/command.h"
#include "cli/load.h"
#include "cli/readiness.h"

#define USAGE "wait [--timeout SECONDS] NAME [TUNNEL]"

int wait_main(int argc, char **argv)
{
    static const struct option words[] = {
        {.name = "timeout", .has_arg = required_argument, .val = 't'}, {0}};
    char name[TUNNEL_NAME_BYTES];
    unsigned seconds = READINESS_SECONDS;
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "", words, NULL)) != -1) {
        if (option != 't')
            return command_misused(USAGE, "wait: %.100s is no option of it, or has no value",
                                   argv[optind - 1]);
        if (!readiness_parse(optarg, &seconds))
            return command_misused(USAGE, "wait: \"%.100s\" is no number of seconds from 1 to %d",
                                   optarg, READINESS_SECONDS_MOST);
    }
    if (optind >= argc)
        return command_misused(USAGE, "wait: NAME is missing");
    if (argc - optind > 2)
        return command_misused(USAGE, "wait: \"%.100s\" is one argument too many",
                               argv[optind + 2]);
    if (!load_network_name(argv[optind], name))
        return COMMAND_REFUSED;
    return readiness_wait(name, argv[optind + 1], seconds, true);
}
