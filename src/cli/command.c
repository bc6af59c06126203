/* SPDX-License-Identifier: MIT */
#include "cli/command.h"

#include <stdarg.h>
#include <stdio.h>

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
