/* SPDX-License-Identifier: MIT */
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/load.h"
#include "daemon/attendant.h"
#include "daemon/calls.h"
#include "daemon/daemon.h"
#include "daemon/keeper.h"

#define USAGE "up [-f] [--replace] NAME|FILE..."

/* What stands between `up` and the daemon that it becomes. */
struct start {
    int pipe_end; /* to whoever waits; -1: nobody, or the attendant tells it */
    struct keeper keeper;
    struct attendant attendant;
};

/* The network stands: from here on the daemon marks sockets, follows routes and, at the end, puts
 * the host back, for which CAP_NET_ADMIN is enough; its files are those of its own user (RULES I5).
 * No program that it could be made to run gets more. */
static void give_up_rights(const struct start *start)
{
    struct rlimit no_limit = {RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_MEMLOCK, &no_limit); /* secrets of sessions to come are locked too */
    bool may_unbind = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
    capng_clear(CAPNG_SELECT_BOTH);
    capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_ADMIN);
    if (capng_apply(may_unbind ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS) != 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        fprintf(stderr, "hopwire: the rights beyond CAP_NET_ADMIN cannot be given up: %s\n",
                strerror(errno));
    char reason[256];
    struct text why;
    text_init(&why, reason, sizeof(reason));
    if (calls_limit(start->keeper.socket < 0 ? 0 : start->keeper.process, &why) != 0)
        fprintf(stderr, "hopwire: %s\n", reason);
}

/* The parent waits at this pipe until the child's network works or has failed. */
static bool tell_parent(void *context)
{
    const struct start *start = context;
    give_up_rights(start);
    bool is_heard = start->pipe_end < 0 || write(start->pipe_end, "R", 1) == 1;
    if (start->pipe_end >= 0)
        close(start->pipe_end);
    if (!is_heard)
        return false;
    int null = open("/dev/null", O_RDWR);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        if (null > STDERR_FILENO)
            close(null);
    }
    return true;
}

static bool tell_nobody(void *context)
{
    give_up_rights(context);
    return true;
}

/* What the caller has open (a lock of `flock`, say) and where it stands is not the daemon's; `end` of
 * a pipe or socket is. */
static void leave_caller(int *end)
{
    const int kept = STDERR_FILENO + 1;
    setsid();
    if (*end != kept && dup3(*end, kept, O_CLOEXEC) == kept)
        *end = kept;
    close_range((unsigned)*end + 1, ~0u, 0);
    if (chdir("/") != 0)
        return; /* then it stays where it was started */
}

/* The keeper is forked before anything is opened or given up. */
static int run_with_keeper(struct config *config, struct daemon_options *options)
{
    char reason[512];
    struct text why;
    struct start *start = options->context;
    text_init(&why, reason, sizeof(reason));
    if (keeper_start(&start->keeper, config, load_free, &why) != 0) {
        fprintf(stderr, "hopwire: %s: %s\n", config->name, reason);
        return COMMAND_REFUSED;
    }
    options->keeper = &start->keeper;
    int result = daemon_run(options);
    keeper_end(&start->keeper);
    return result;
}

/* Hooks run at the caller's terminal and in its directory, so their process is forked first. */
static int run_with_attendant(struct config *config, struct daemon_options *options)
{
    char reason[512];
    struct text why;
    struct start *start = options->context;
    text_init(&why, reason, sizeof(reason));
    if (attendant_start(&start->attendant, config, start->pipe_end, load_free, &why) != 0) {
        fprintf(stderr, "hopwire: %s: %s\n", config->name, reason);
        return COMMAND_REFUSED;
    }
    bool is_attended = start->attendant.socket >= 0;
    if (is_attended)
        start->pipe_end = -1;
    if (!options->is_foreground)
        leave_caller(is_attended ? &start->attendant.socket : &start->pipe_end);
    options->attendant = &start->attendant;
    int result = run_with_keeper(config, options);
    attendant_end(&start->attendant);
    return result;
}

/* The rest of `up`, in the process that becomes the daemon: locked memory does not pass a fork. */
static int run(char **names, int count, struct daemon_options *options)
{
    struct config *config = load_configuration(names, count, true);
    if (!config)
        return COMMAND_REFUSED;
    options->paths = load_paths(&options->path_count);
    int result = COMMAND_REFUSED;
    if (capng_get_caps_process() != 0 ||
        !capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN)) {
        fprintf(stderr, "hopwire: %s: making an interface needs the right CAP_NET_ADMIN; run it as "
                        "root, for example with sudo\n",
                config->name);
    } else {
        options->config = config;
        result = run_with_attendant(config, options);
    }
    load_free(config);
    return result;
}

static int wait_for_child(pid_t child, int pipe_end, const char *file)
{
    char ready, name[TUNNEL_NAME_BYTES];
    ssize_t got;
    do {
        got = read(pipe_end, &ready, 1);
    } while (got < 0 && errno == EINTR);
    if (got == 1)
        return COMMAND_DONE;
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status))
        fprintf(stderr, "hopwire: the daemon was ended by signal %d; `hopwire down %s` cleans up\n",
                WTERMSIG(status), load_network_name(file, name) ? name : "NAME");
    return COMMAND_REFUSED;
}

static int run_in_background(char **names, int count, struct daemon_options *options)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        fprintf(stderr, "hopwire: no pipe to the daemon: %s\n", strerror(errno));
        return COMMAND_REFUSED;
    }
    pid_t child = fork();
    if (child < 0) {
        fprintf(stderr, "hopwire: no process for the daemon: %s\n", strerror(errno));
        return COMMAND_REFUSED;
    }
    if (child > 0) {
        close(ends[1]);
        return wait_for_child(child, ends[0], names[count - 1]);
    }
    close(ends[0]);
    struct start start = {.pipe_end = ends[1]};
    options->ready = tell_parent;
    options->context = &start;
    return run(names, count, options);
}

int up_main(int argc, char **argv)
{
    static const struct option words[] = {{.name = "replace", .val = 'r'}, {0}};
    bool is_foreground = false, replaces = false;
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "+f", words, NULL)) != -1) {
        const char letter[] = {'-', (char)optopt, '\0'};
        if (option != 'f' && option != 'r')
            return command_misused(USAGE, "up: %.100s is no option of it",
                                   optopt ? letter : argv[optind - 1]);
        is_foreground |= option == 'f';
        replaces |= option == 'r';
    }
    if (optind >= argc)
        return command_misused(USAGE, "up: NAME or FILE is missing");
    struct start start = {.pipe_end = -1};
    struct daemon_options options = {.aead_backend = getenv("HOPWIRE_AEAD"),
                                     .is_foreground = is_foreground,
                                     .replaces = replaces,
                                     .ready = tell_nobody,
                                     .context = &start};
    char **names = argv + optind;
    int count = argc - optind;
    return is_foreground ? run(names, count, &options) : run_in_background(names, count, &options);
}
