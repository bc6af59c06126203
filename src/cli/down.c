/* SPDX-License-Identifier: MIT */
/* The daemon is asked through its socket, wherever it runs: a process number of another PID
 * namespace would be somebody else's here, or nobody's. Its end is told by its lock (host/life). It
 * undoes everything itself; what it left is undone here, never while it lives. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/command.h"
#include "cli/load.h"
#include "daemon/crashed.h"
#include "daemon/files_record.h"
#include "daemon/hook_caller.h"
#include "daemon/hooks_record.h"
#include "host/dns.h"
#include "host/life.h"
#include "host/state.h"
#include "host/state_lock.h"

#define END_TIMEOUT_S 40 /* a manager of DNS that hangs is killed after 5 s */
#define PATIENCE_S 4     /* then it is told what is waited for */
#define LOOK_AGAIN_NS 10000000

static int refuse(const char *name, const struct text *why, int result)
{
    fprintf(stderr, "hopwire: %s: %s\n", name, why->len ? why->bytes : strerror(-result));
    return COMMAND_REFUSED;
}

/* No `up` may begin meanwhile: it would lay what is undone here. */
static int clean_up(const char *name)
{
    struct text why = TEXT_ROOM(1024);
    int lock = state_lock(&why);
    if (lock < 0)
        return refuse(name, &why, lock);
    int result = -EBUSY;
    if (life_goes_on(name))
        text_append(&why, "it was started again just now: nothing was undone");
    else
        result = crashed_clean_up(name, &why);
    close(lock);
    return result == 0 || result == -ENOENT ? COMMAND_DONE : refuse(name, &why, result);
}

static bool has_passed(const struct timespec *deadline)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec > deadline->tv_sec ||
           (now.tv_sec == deadline->tv_sec && now.tv_nsec >= deadline->tv_nsec);
}

static int say_it_lives(const char *name, bool is_asked)
{
    char process[48] = "", waits[256];
    struct text text;
    pid_t pid = ask_process(name);
    text_init(&text, waits, sizeof(waits));
    if (!hook_caller_tell(name, &text))
        text_append(&text, "look at what it waits for");
    if (pid)
        snprintf(process, sizeof(process), " (process %d)", (int)pid);
    fprintf(stderr, "hopwire: %s: its daemon%s %s: nothing was undone; %s, then try again\n", name,
            process, is_asked ? "does not end" : "does not listen", waits);
    return COMMAND_REFUSED;
}

/* A hook of its start, or of its end, may take any time. */
static void say_what_runs(const char *name)
{
    struct text text = TEXT_ROOM(256);
    if (hook_caller_tell(name, &text))
        fprintf(stderr, "hopwire: %s: %s\n", name, text.bytes);
}

/* One that does not listen is starting, or dying (a kill -9 takes a moment), or makes its socket
 * again that somebody removed. */
static int end_daemon(const char *name)
{
    struct timespec deadline;
    bool is_asked = false, has_said = false;
    clock_gettime(CLOCK_BOOTTIME, &deadline);
    deadline.tv_sec += END_TIMEOUT_S;
    struct timespec patience = deadline;
    patience.tv_sec -= END_TIMEOUT_S - PATIENCE_S;
    while (life_goes_on(name)) {
        bool is_up = is_asked;
        if (!has_said && has_passed(&patience)) {
            has_said = true;
            say_what_runs(name);
        }
        if (has_passed(&deadline))
            return say_it_lives(name, is_asked);
        json_t *answer = is_asked ? NULL : ask_daemon(name, "down", &is_up);
        is_asked |= is_up; /* or it was told why it cannot be; it may end all the same */
        json_decref(answer);
        nanosleep(&(struct timespec){.tv_nsec = LOOK_AGAIN_NS}, NULL);
    }
    return clean_up(name);
}

static int end_network(const char *name)
{
    char reason[1024];
    struct state state;
    struct text why;
    text_init(&why, reason, sizeof(reason));
    /* Also where somebody removed or damaged the state: the daemon itself knows what to undo. */
    if (life_goes_on(name))
        return end_daemon(name);
    int result = state_read(name, &state, &why);
    if (result == -ENOENT) {
        state_remove(name, &why); /* what one wrote of it that was killed while it wrote */
        files_record_remove(name);
        fprintf(stderr, "hopwire: %s is not up\n", name);
        /* What was asked for is so: `down` may be called again (RULES F7). But for what a boot
         * keeps. */
        text_init(&why, reason, sizeof(reason));
        result = dns_undo(name, false, &why);
        return result == 0 ? COMMAND_DONE : refuse(name, &why, result);
    }
    return result == 0 ? clean_up(name) : refuse(name, &why, result);
}

/* Of what ends a command at its terminal or its service manager, a descriptor that tells; what was
 * blocked before is put into *before. */
static int hold_signals(sigset_t *before)
{
    static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    sigset_t signals;
    sigemptyset(&signals);
    for (size_t i = 0; i < sizeof(ending) / sizeof(*ending); i++)
        sigaddset(&signals, ending[i]);
    sigprocmask(SIG_BLOCK, &signals, before);
    return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Each once, whatever it says: what follows a failed one is the more needed. So a signal ends the
 * command that runs, and we go on. */
static bool run_hooks(int record, struct hooks *hooks, enum config_hook_kind kind)
{
    struct text why = TEXT_ROOM(1024);
    struct signalfd_siginfo info;
    sigset_t before;
    const struct hooks_waiter waiter = {
        .wanted = {hold_signals(&before), -1},
        .way_out = "Ctrl-C, or a signal to it, ends it, and `hopwire down` goes on"};
    bool is_well = hooks_run(hooks, kind, &waiter, &why);
    is_well &= hooks_record_forget(record, hooks, kind, &why) == 0;
    while (waiter.wanted[0] >= 0 && read(waiter.wanted[0], &info, sizeof(info)) > 0)
        continue;
    if (waiter.wanted[0] >= 0)
        close(waiter.wanted[0]);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (!is_well)
        fprintf(stderr, "hopwire: %s: %s\n", hooks->network, why.bytes);
    return is_well;
}

int down_main(int argc, char **argv)
{
    char name[TUNNEL_NAME_BYTES];
    struct hooks hooks;
    struct text why = TEXT_ROOM(1024);
    if (argc != 2)
        return command_miscounted("down NAME", argc, argv, 1, (const char *[]){"NAME"});
    if (!load_network_name(argv[1], name))
        return COMMAND_REFUSED;
    if (hook_caller_is_of(name)) {
        fprintf(stderr, "hopwire: %s: " HOOK_CALLER_REFUSED "\n", name, "down");
        return COMMAND_REFUSED;
    }
    int record = hooks_record_take(name, HOOKS_TAKER_DOWN, &hooks, &why);
    if (record == -ENOENT)
        return end_network(name);
    if (record < 0) {
        refuse(name, &why, record);
        end_network(name);
        return COMMAND_REFUSED;
    }
    if (hooks_record_is_needed(&hooks) && crashed_refuse_elsewhere(name, &why) != 0) {
        hooks_wipe(&hooks);
        close(record);
        return refuse(name, &why, -EXDEV);
    }
    bool is_well = run_hooks(record, &hooks, HOOK_PRE_DOWN);
    int result = end_network(name);
    if (result == COMMAND_DONE)
        is_well &= run_hooks(record, &hooks, HOOK_POST_DOWN);
    else if (!hooks_record_is_needed(&hooks))
        hooks_record_drop(name, record); /* there is nothing for the next `down` */
    hooks_wipe(&hooks);
    close(record);
    return is_well ? result : COMMAND_REFUSED;
}
