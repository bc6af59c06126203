/* SPDX-License-Identifier: MIT */
/* The commands, one file each; main.c has the table. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

/* Exit status of every command. */
enum {
    COMMAND_DONE = 0,
    COMMAND_REFUSED = 1, /* a sentence stands on standard error */
    COMMAND_USAGE = 2,
};

/* argv[0] is the command's own name. */
int up_main(int argc, char **argv);
int down_main(int argc, char **argv);
int reload_main(int argc, char **argv);
int wait_main(int argc, char **argv);
int ping_main(int argc, char **argv);
int doctor_main(int argc, char **argv);
int status_main(int argc, char **argv);
int check_main(int argc, char **argv);
int route_main(int argc, char **argv);
int save_main(int argc, char **argv);
/* `hopwire [-f] INTERFACE`: argv[0] is the program's. */
int interface_main(int argc, char **argv);

/* Says on standard error what is wrong with the arguments ("NAME is missing"), and the usage;
 * COMMAND_USAGE. */
int command_misused(const char *usage, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* For a command that takes `wanted` operands and no options, `names` being what they are called: it
 * got others. COMMAND_USAGE. */
int command_miscounted(const char *usage, int argc, char **argv, int wanted,
                       const char *const *names);

/* A whole number from 1 to `most`; false: it is none, and nothing was printed. */
bool command_parse_number(const char *text, unsigned most, unsigned *number);

/* What a command that asks hops takes: "[--OPTION NUMBER] NAME [TUNNEL]". */
struct command_hops {
    const char *usage;
    const char *option, *what; /* "timeout", "number of seconds" */
    unsigned most;
    unsigned number; /* as it is where nothing is said */
    char network[TUNNEL_NAME_BYTES];
    const char *tunnel; /* of argv; NULL: all */
};

/* Reads it; an exit status, of which all but COMMAND_DONE was printed. */
int command_parse_hops(int argc, char **argv, struct command_hops *hops);

#endif
