/* SPDX-License-Identifier: MIT */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/background.h"
#include "cli/command.h"
#include "cli/load.h"
#include "cli/readiness.h"
#include "cli/rights.h"
#include "daemon/attendant.h"
#include "daemon/daemon.h"
#include "daemon/dns_keeper.h"
#include "daemon/hook_caller.h"

#define USAGE "up [-f] [--replace] [--wait[=SECONDS]] NAME|FILE..."

/* What stands between `up` and the daemon that it becomes. */
struct start {
    int pipe_end; /* to whoever waits; -1: nobody, or the attendant tells it */
    struct dns_keeper keeper;
    struct attendant attendant;
};

/* From here on the daemon marks sockets, follows routes and, at the end, puts the host back. */
static void give_up_rights(const struct start *start)
{
    rights_give_up(-1, start->keeper.socket < 0 ? 0 : start->keeper.process);
}

static bool tell_parent(void *context)
{
    const struct start *start = context;
    give_up_rights(start);
    return background_tell(start->pipe_end);
}

static bool tell_nobody(void *context)
{
    give_up_rights(context);
    return true;
}

/* The keeper is forked before anything is opened or given up. */
static int run_with_keeper(struct config *config, struct daemon_options *options)
{
    struct text why = TEXT_ROOM(512);
    struct start *start = options->context;
    if (dns_keeper_start(&start->keeper, config, load_free, &why) != 0) {
        fprintf(stderr, "hopwire: %s: %s\n", config->name, why.bytes);
        return COMMAND_REFUSED;
    }
    options->keeper = &start->keeper;
    int result = daemon_run(options);
    dns_keeper_end(&start->keeper);
    return result;
}

/* Hooks run at the caller's terminal and in its directory, so their process is forked first. */
static int run_with_attendant(struct config *config, struct daemon_options *options)
{
    struct text why = TEXT_ROOM(512);
    struct start *start = options->context;
    if (attendant_start(&start->attendant, config, start->pipe_end, load_free, &why) != 0) {
        fprintf(stderr, "hopwire: %s: %s\n", config->name, why.bytes);
        return COMMAND_REFUSED;
    }
    bool is_attended = start->attendant.socket >= 0;
    if (is_attended)
        start->pipe_end = -1;
    int *end = is_attended ? &start->attendant.socket : &start->pipe_end;
    if (!options->is_foreground)
        background_leave_caller(&end, 1);
    options->attendant = &start->attendant;
    int result = run_with_keeper(config, options);
    attendant_end(&start->attendant);
    return result;
}

/* What the command line says. */
struct order {
    char **names;
    int count;
    struct daemon_options options;
};

/* The rest of `up`, in the process that becomes the daemon. */
static int run(char **names, int count, struct daemon_options *options)
{
    struct config *config = load_configuration(names, count, true);
    if (!config)
        return COMMAND_REFUSED;
    options->paths = load_paths(&options->path_count);
    int result = COMMAND_REFUSED;
    if (!rights_suffice()) {
        fprintf(stderr, "hopwire: %s: " RIGHTS_MISSING "\n", config->name);
    } else if (hook_caller_is_of(config->name)) {
        fprintf(stderr, "hopwire: %s: " HOOK_CALLER_REFUSED "\n", config->name, "up");
    } else {
        options->config = config;
        result = run_with_attendant(config, options);
    }
    load_free(config);
    return result;
}

static int run_in_background(void *context, int pipe_end)
{
    struct order *order = context;
    struct start start = {.pipe_end = pipe_end};
    order->options.ready = tell_parent;
    order->options.context = &start;
    return run(order->names, order->count, &order->options);
}

/* The network stays up: behind a kill switch that goes nobody would be safe. */
static int wait_until_ready(const char *last_name, unsigned seconds)
{
    char name[TUNNEL_NAME_BYTES];
    if (!load_network_name(last_name, name))
        return COMMAND_REFUSED;
    int result = readiness_wait(name, NULL, seconds, false);
    if (result != COMMAND_DONE)
        fprintf(stderr, "hopwire: %s stays up and goes on trying; `hopwire down %s` ends it\n",
                name, name);
    return result;
}

/* False: refused, with *result. */
static bool parse(int argc, char **argv, struct order *order, unsigned *wait_seconds, int *result)
{
    static const struct option words[] = {
        {.name = "replace", .val = 'r'},
        {.name = "wait", .has_arg = optional_argument, .val = 'w'},
        {0}};
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "+f", words, NULL)) != -1) {
        const char letter[] = {'-', (char)optopt, '\0'};
        if (option == 'w') {
            *wait_seconds = READINESS_SECONDS;
            if (!optarg || command_parse_number(optarg, READINESS_SECONDS_MOST, wait_seconds))
                continue;
            *result = command_misused(
                USAGE, "up: --wait: \"%.100s\" is no number of seconds from 1 to %d", optarg,
                READINESS_SECONDS_MOST);
            return false;
        }
        if (option != 'f' && option != 'r') {
            *result = command_misused(USAGE, "up: %.100s is no option of it",
                                      optopt ? letter : argv[optind - 1]);
            return false;
        }
        order->options.is_foreground |= option == 'f';
        order->options.replaces |= option == 'r';
    }
    if (optind >= argc) {
        *result = command_misused(USAGE, "up: NAME or FILE is missing");
        return false;
    }
    order->names = argv + optind;
    order->count = argc - optind;
    if (!*wait_seconds || !order->options.is_foreground)
        return true;
    *result = command_misused(USAGE, "up: with -f it does not return, so it cannot --wait; "
                                     "`hopwire wait NAME` can, beside it");
    return false;
}

int up_main(int argc, char **argv)
{
    struct start start = {.pipe_end = -1};
    struct order order = {.options = {.forget = load_free,
                                      .aead_backend = getenv("HOPWIRE_AEAD"),
                                      .ready = tell_nobody,
                                      .context = &start}};
    char name[TUNNEL_NAME_BYTES], advice[TUNNEL_NAME_BYTES + 64];
    unsigned wait_seconds = 0;
    int result;
    const pid_t caller = getpid();
    if (!parse(argc, argv, &order, &wait_seconds, &result))
        return result;
    const char *last_name = order.names[order.count - 1];
    snprintf(advice, sizeof(advice), "; `hopwire down %s` cleans up",
             load_network_name(last_name, name) ? name : "NAME");
    if (order.options.is_foreground)
        return run(order.names, order.count, &order.options);
    result = background_run(run_in_background, &order, advice);
    bool waits = wait_seconds && getpid() == caller; /* and is not what has become the daemon */
    return result == COMMAND_DONE && waits ? wait_until_ready(last_name, wait_seconds) : result;
}
