/* SPDX-License-Identifier: MIT */
#include "cli/command.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/load.h"

int command_misused(const char *usage, const char *format, ...)
{
    char what[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    fprintf(stderr, "hopwire: %s; usage: hopwire %s\n", what, usage);
    return COMMAND_USAGE;
}

int command_miscounted(const char *usage, int argc, char **argv, int wanted,
                       const char *const *names)
{
    if (argc - 1 < wanted)
        return command_misused(usage, "%s: %s is missing", argv[0], names[argc - 1]);
    return command_misused(usage, "%s: \"%.100s\" is one argument too many", argv[0],
                           argv[wanted + 1]);
}

bool command_parse_number(const char *text, unsigned most, unsigned *number)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || value < 1 || value > most)
        return false;
    *number = (unsigned)value;
    return true;
}

int command_parse_hops(int argc, char **argv, struct command_hops *hops)
{
    const struct option words[] = {
        {.name = hops->option, .has_arg = required_argument, .val = 'n'}, {0}};
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "", words, NULL)) != -1) {
        if (option != 'n')
            return command_misused(hops->usage, "%s: %.100s is no option of it, or has no value",
                                   argv[0], argv[optind - 1]);
        if (!command_parse_number(optarg, hops->most, &hops->number))
            return command_misused(hops->usage, "%s: \"%.100s\" is no %s from 1 to %u", argv[0],
                                   optarg, hops->what, hops->most);
    }
    if (optind >= argc)
        return command_misused(hops->usage, "%s: NAME is missing", argv[0]);
    if (argc - optind > 2)
        return command_misused(hops->usage, "%s: \"%.100s\" is one argument too many", argv[0],
                               argv[optind + 2]);
    hops->tunnel = argv[optind + 1];
    if (hops->tunnel && (strlen(hops->tunnel) >= TUNNEL_NAME_BYTES || strchr(hops->tunnel, '\n')))
        return command_misused(hops->usage, "%s: \"%.100s\" is no tunnel's name", argv[0],
                               hops->tunnel);
    return load_network_name(argv[optind], hops->network) ? COMMAND_DONE : COMMAND_REFUSED;
}
