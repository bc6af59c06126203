/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "config/keyword.h"
#include "config/value.h"
#include "crypto/aead.h"
#include "io/io_memory.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *arguments;
    const char *help;
    bool goes_on; /* when nobody reads what it says: it would leave half of what it does */
} commands[] = {
    {"up", up_main, "[OPTION...] NAME|FILE...", "bring it up, or anew without a gap", true},
    {"down", down_main, "NAME", "end it, also after a crash", true},
    {"wait", wait_main, "NAME [TUNNEL]", "until packets come back through each hop", false},
    {"ping", ping_main, "NAME [TUNNEL] [--count N]", "each hop's round trip and loss", false},
    {"doctor", doctor_main, "NAME", "what does not work, and what to write", false},
    {"status", status_main, "[NAME] [--json]", "each tunnel, and which hop fails", false},
    {"check", check_main, "NAME|FILE...", "read only: what it would be, and why not", false},
    {"reload", reload_main, "[--dry-run] NAME|FILE...", "make it what the file says now, live",
     true},
    {"route", route_main, "NAME ADDRESS", "which path a destination takes", false},
    {"save", save_main, "NAME|FILE", "write a plain file as its tunnel is now", true},
};

#define COMMANDS (sizeof(commands) / sizeof(*commands))

/* Whoever is started without one would give its number to the next descriptor: our sentences would
 * go into a socket or the TUN, and the daemon would put /dev/null into its place. Open for the
 * other direction, so that using it is an error as before. */
static bool fill_standard_streams(void)
{
    for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++) {
        if (fcntl(stream, F_GETFD) < 0 &&
            open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY) != stream)
            return false;
    }
    return true;
}

static void print_help(FILE *to)
{
    fprintf(to,
            "usage: hopwire COMMAND ...\n\nA tree of WireGuard tunnels behind one interface.\n\n");
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-7s%-29s %s\n", commands[i].name, commands[i].arguments, commands[i].help);
    fprintf(to, "  [-f] INTERFACE                       an interface for wg-quick, without a file\n"
                "  --version                            the version and the crypto backend\n"
                "  --help                               this\n\n"
                "NAME stands for /etc/hopwire/NAME.conf. See hopwire(8) and hopwire.conf(5).\n");
}

static int print_version(void)
{
    struct aead *aead = aead_new(io_memory_plain(), getenv("HOPWIRE_AEAD"));
    printf("hopwire %s (AEAD: %s)\n", HOPWIRE_VERSION, aead ? aead_name(aead) : "none works");
    aead_free(aead);
    return COMMAND_DONE;
}

/* The one that a slip of the hand made this of, or NULL. */
static const char *nearest_command(const char *name)
{
    const char *nearest = NULL;
    size_t nearest_distance = SIZE_MAX;
    for (size_t i = 0; i < COMMANDS; i++) {
        size_t distance = keyword_distance(name, commands[i].name);
        if (distance < nearest_distance) {
            nearest = commands[i].name;
            nearest_distance = distance;
        }
    }
    return 2 * nearest_distance <= strlen(nearest) ? nearest : NULL;
}

/* Then no slip of a hand: a program has called. */
static bool is_for_wg_quick(void)
{
    static const char *const variables[] = {"WG_QUICK_USERSPACE_IMPLEMENTATION",
                                            "WG_PROCESS_FOREGROUND", "WG_TUN_FD", "WG_UAPI_FD"};
    bool is_set = false;
    for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++)
        is_set |= getenv(variables[i]) != NULL;
    return is_set;
}

/* Interfaces have a number behind, commands have none: a word of letters may be a slip, which makes
 * nothing. */
static bool is_slip(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_");
    if (*name && strchr("0123456789", name[strlen(name) - 1]))
        return false;
    return (len && !name[len] && len < INTERFACE_NAME_BYTES) || nearest_command(name);
}

static bool is_help(const char *argument)
{
    return strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
}

/* What was printed must have arrived. */
static int finish(int result)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return result;
    fprintf(stderr, "hopwire: the output cannot be written: %s\n", strerror(errno));
    return result == COMMAND_DONE ? COMMAND_REFUSED : result;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (!fill_standard_streams())
        return COMMAND_REFUSED;
    bool wants_help = strcmp(name, "help") == 0 || is_help(name);
    bool wants_version = strcmp(name, "--version") == 0;
    if (argc == 3 && is_help(argv[2]))
        wants_help = true;
    else if (argc > 2 && (wants_help || wants_version))
        return command_miscounted(name, argc - 1, argv + 1, 0, NULL);
    if (wants_help)
        print_help(stdout);
    if (wants_help || wants_version)
        return finish(wants_help ? COMMAND_DONE : print_version());
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(name, commands[i].name) != 0)
            continue;
        if (commands[i].goes_on)
            signal(SIGPIPE, SIG_IGN);
        return finish(commands[i].run(argc - 1, argv + 1));
    }
    bool is_interface = argc == 2 && (is_for_wg_quick() || !is_slip(name));
    if (is_interface || (argc > 1 && *name == '-'))
        return finish(interface_main(argc, argv));
    const char *nearest = nearest_command(name);
    if (argc > 1)
        fprintf(stderr, "hopwire: %.100s: no such command%s%s%s\n\n", name,
                nearest ? "; the nearest is " : "", nearest ? nearest : "",
                argc == 2 ? "; for an interface of that name write -- before it" : "");
    print_help(stderr);
    return COMMAND_USAGE;
}
