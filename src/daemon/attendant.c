/* SPDX-License-Identifier: MIT */
#include "daemon/attendant.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/crashed.h"
#include "daemon/hooks_record.h"
#include "daemon/signals.h"

#define SOCKET_PLACE 3 /* the attendant's own, behind the standard ones */
#define LOOK_FOR_SIGNALS_MS 100

/* What the daemon asks for: the hooks of a kind (enum config_hook_kind), or those that come before
 * the end of the run that is to be replaced; or that what its end runs stands in its file, which
 * has no answer. A notice is for its log. */
enum { EARLIER_PRE_DOWN = HOOK_KINDS, KEEP_RECORD, NOTICE };

struct message {
    int kind;
    bool follows_crash; /* also a run that was replaced: what that left stays if PostUp fails */
    bool is_well;
    char text[512];
};

/* ---- the attendant's process ---- */

struct attending {
    struct hooks hooks; /* as the configuration had them when it was forked */
    int told;
    int written; /* what it wrote for the end, until the start is over; -1: nothing */
    int record; /* what it took of the end; below 0: nothing */
    struct hooks recorded;
};

/* Whoever ends the daemon, by its group or its terminal, ends that and the command that runs: we
 * tell what became of it. */
static void pass_signals_over(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
}

static void leave_group(void)
{
    setsid();
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* what a command leaves does not go to PID 1 */
}

/* The network works, and whoever called `up` in the background goes on without us. */
static void leave_caller(void)
{
    close_range(SOCKET_PLACE + 1, ~0u, 0);
    if (chdir("/") != 0)
        return; /* then it stays where it was started */
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; null >= 0 && fd < SOCKET_PLACE; fd++)
        dup2(null, fd);
    if (null >= 0)
        close(null);
}

static void give_record(struct attending *attending)
{
    hooks_wipe(&attending->recorded);
    close(attending->record);
    attending->record = -1;
}

/* Nobody hears it any more: the network is not wanted. */
static bool tell_caller(int told, struct text *why)
{
    if (told < 0 || write(told, "R", 1) == 1)
        return true;
    text_append(why, "`hopwire up` was ended while it waited");
    return false;
}

static struct hooks_waiter caller_of(const struct attending *attending)
{
    return (struct hooks_waiter){.wanted = {SOCKET_PLACE, attending->told},
                                 .way_out = "Ctrl-C ends it and the start"};
}

/* The daemon and who called it: what is cut short, as one of them is gone, is still to be run. */
static bool is_wanted(int told)
{
    struct pollfd sources[] = {{.fd = SOCKET_PLACE, .events = POLLRDHUP}, {.fd = told}};
    return poll(sources, 2, 0) == 0;
}

/* A failure is told, and keeps no new run from starting. */
static void end_earlier(struct attending *attending, enum config_hook_kind last)
{
    const struct hooks_waiter caller = caller_of(attending);
    const char *network = attending->hooks.network;
    struct hooks *recorded = &attending->recorded;
    struct text why = TEXT_ROOM(512);
    if (attending->record < 0)
        attending->record =
            hooks_record_take(network, HOOKS_TAKER_NEXT_UP, recorded, &why);
    for (enum config_hook_kind kind = HOOK_PRE_DOWN; attending->record >= 0 && kind <= last;
         kind++) {
        text_append(&why, "%s", why.len ? "; " : "");
        hooks_run(recorded, kind, &caller, &why);
        if (!is_wanted(attending->told))
            _exit(0);
        hooks_record_forget(attending->record, recorded, kind, &why);
    }
    if (why.len)
        fprintf(stderr, "hopwire: %s: of the run before this: %s\n", network, why.bytes);
    if (attending->record >= 0 && last == HOOK_POST_DOWN)
        give_record(attending);
}

/* What is left of an earlier run's end is over first. */
static bool run_pre_up(struct attending *attending, struct text *why)
{
    const struct hooks_waiter caller = caller_of(attending);
    const char *network = attending->hooks.network;
    end_earlier(attending, HOOK_POST_DOWN);
    bool is_well = hooks_run(&attending->hooks, HOOK_PRE_UP, &caller, why);
    if (!is_well || !hooks_record_is_ended(network))
        return is_well;
    text_append(why, HOOKS_RECORD_ENDED, network);
    return false;
}

static void tell_what_stands(const struct hooks *hooks, bool follows_crash, struct text *why)
{
    if (follows_crash)
        text_append(why, "; " CRASHED_STANDS, hooks->network, hooks->network);
}

static void drop_written(struct attending *attending)
{
    if (attending->written >= 0)
        hooks_record_drop(attending->hooks.network, attending->written);
}

/* From here on there is something to undo, unless it fails: then the start is undone, without
 * hooks. */
static bool run_post_up(struct attending *attending, bool follows_crash, struct text *why)
{
    const struct hooks *hooks = &attending->hooks;
    const struct hooks_waiter caller = caller_of(attending);
    bool is_well = hooks_record_write(hooks, &attending->written, why) == 0 &&
                   hooks_run(hooks, HOOK_POST_UP, &caller, why);
    if (!is_well) {
        drop_written(attending);
        tell_what_stands(hooks, follows_crash, why);
    }
    if (attending->told >= 0 && !is_well)
        fprintf(stderr, "hopwire: %s: %s\n", hooks->network, why->bytes);
    return is_well;
}

/* Behind the answer to the daemon: whoever hears that the network is up may reload it at once. */
static void end_start(struct attending *attending, struct message *message)
{
    struct text why;
    text_init(&why, message->text, sizeof(message->text));
    if (message->is_well && !tell_caller(attending->told, &why)) {
        drop_written(attending);
        tell_what_stands(&attending->hooks, message->follows_crash, &why);
        message->is_well = false;
        send(SOCKET_PLACE, message, sizeof(*message), MSG_NOSIGNAL);
    }
    if (attending->written >= 0)
        close(attending->written);
    attending->written = -1;
    leave_group();
    if (attending->told >= 0)
        leave_caller();
    attending->told = -1;
}

static void tell_daemon(const char *sentence)
{
    struct message notice = {.kind = NOTICE};
    snprintf(notice.text, sizeof(notice.text), "%s", sentence);
    send(SOCKET_PLACE, &notice, sizeof(notice), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* That it asks for PostDown says that it does not wait for PreDown any more. */
static const struct hooks_waiter daemon_waits = {
    .wanted = {SOCKET_PLACE, -1},
    .way_out = "another signal lets the network end without it",
    .tell = tell_daemon,
};

/* What `down` would run is run here: nobody called it, unless one has the record just now. */
static bool run_pre_down(struct attending *attending, struct text *why)
{
    struct hooks *recorded = &attending->recorded;
    attending->record = hooks_record_take(attending->hooks.network, HOOKS_TAKER_SIGNAL, recorded,
                                          why);
    if (attending->record < 0)
        return attending->record == -ENOENT || attending->record == -EWOULDBLOCK;
    bool is_well = hooks_run(recorded, HOOK_PRE_DOWN, &daemon_waits, why);
    if (!is_wanted(-1))
        _exit(0);
    return (hooks_record_forget(attending->record, recorded, HOOK_PRE_DOWN, why) == 0) & is_well;
}

static bool run_post_down(struct attending *attending, struct text *why)
{
    struct hooks *recorded = &attending->recorded;
    if (attending->record < 0)
        return true;
    bool is_well = hooks_run(recorded, HOOK_POST_DOWN, &daemon_waits, why);
    if (!is_wanted(-1))
        _exit(0);
    is_well &= hooks_record_forget(attending->record, recorded, HOOK_POST_DOWN, why) == 0;
    give_record(attending);
    return is_well;
}

/* Somebody has removed it. */
static void keep_record(struct attending *attending)
{
    struct text why = TEXT_ROOM(512);
    int written = -1;
    if (attending->record < 0 && !hooks_record_stands(attending->hooks.network) &&
        hooks_record_write(&attending->hooks, &written, &why) != 0)
        tell_daemon(why.bytes);
    if (written >= 0)
        close(written);
}

static bool run(struct attending *attending, const struct message *message, struct text *why)
{
    switch (message->kind) {
    case EARLIER_PRE_DOWN:
        end_earlier(attending, HOOK_PRE_DOWN);
        return true;
    case HOOK_PRE_UP:
        return run_pre_up(attending, why);
    case HOOK_POST_UP:
        return run_post_up(attending, message->follows_crash, why);
    case HOOK_PRE_DOWN:
        return run_pre_down(attending, why);
    default:
        return run_post_down(attending, why);
    }
}

static _Noreturn void attend(struct attending *attending)
{
    struct message message;
    pass_signals_over();
    while (recv(SOCKET_PLACE, &message, sizeof(message), 0) == (ssize_t)sizeof(message)) {
        struct text why;
        text_init(&why, message.text, sizeof(message.text));
        if (message.kind == KEEP_RECORD) {
            keep_record(attending);
            continue;
        }
        message.is_well = run(attending, &message, &why);
        if (send(SOCKET_PLACE, &message, sizeof(message), MSG_NOSIGNAL) < 0)
            break;
        if (message.kind == HOOK_POST_UP)
            end_start(attending, &message);
    }
    _exit(0);
}

/* ---- the daemon's side ---- */

/* The socket goes to its place, and the pipe, which may stand there, somewhere behind it. */
static bool take_places(int *socket, int *told)
{
    if (*told >= 0 && (*told = fcntl(*told, F_DUPFD_CLOEXEC, SOCKET_PLACE + 1)) < 0)
        return false;
    if (*socket != SOCKET_PLACE && dup3(*socket, SOCKET_PLACE, O_CLOEXEC) < 0)
        return false;
    if (*socket != SOCKET_PLACE)
        close(*socket);
    *socket = SOCKET_PLACE;
    return true;
}

/* 0 in the attendant, whose end is in its place; in the daemon its process id, or -errno and a
 * sentence. */
static pid_t divide(struct attendant *attendant, int *told, struct text *why)
{
    int ends[2];
    pid_t process = -1;
    *attendant = (struct attendant){.socket = -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 || (process = fork()) < 0) {
        int error = errno;
        text_append(why, "no process to run its hooks: %s", strerror(error));
        return -error;
    }
    close(ends[process > 0]);
    if (process > 0)
        attendant->socket = ends[0];
    else if (!take_places(&ends[1], told))
        _exit(1);
    return process;
}

int attendant_start(struct attendant *attendant, struct config *config, int told,
                    void (*forget)(struct config *config), struct text *why)
{
    struct attending attending = {.told = told, .written = -1, .record = -1};
    *attendant = (struct attendant){.socket = -1};
    if (!hooks_record_is_wanted(config))
        return 0;
    pid_t process = divide(attendant, &attending.told, why);
    if (process < 0)
        return process;
    if (process > 0) {
        if (told >= 0)
            close(told);
        return 0;
    }
    bool is_whole = hooks_copy(&attending.hooks, config);
    forget(config);
    if (!is_whole)
        _exit(1);
    attend(&attending);
}

int attendant_start_later(struct attendant *attendant, struct config *config,
                          void (*forget)(struct config *config), struct text *why)
{
    struct attending attending = {.told = -1, .written = -1, .record = -1};
    pid_t process = divide(attendant, &attending.told, why);
    if (process != 0)
        return process < 0 ? process : 0;
    bool is_whole = hooks_copy(&attending.hooks, config);
    forget(config);
    leave_group();
    leave_caller();
    if (!is_whole)
        _exit(1);
    attend(&attending);
}

static bool ask(struct attendant *attendant, int kind, bool follows_crash)
{
    struct message message = {.kind = kind, .follows_crash = follows_crash};
    return send(attendant->socket, &message, sizeof(message), MSG_NOSIGNAL) > 0;
}

void attendant_post_up(struct attendant *attendant, bool follows_crash)
{
    ask(attendant, HOOK_POST_UP, follows_crash);
}

void attendant_keep_record(struct attendant *attendant)
{
    ask(attendant, KEEP_RECORD, false);
}

void attendant_pre_down(struct attendant *attendant)
{
    ask(attendant, HOOK_PRE_DOWN, false);
}

/* The next answer. False: there will be none. */
static bool receive(struct attendant *attendant, struct message *message, struct text *why)
{
    if (recv(attendant->socket, message, sizeof(*message), 0) != (ssize_t)sizeof(*message)) {
        text_append(why, "the process that runs its hooks has ended");
        return false;
    }
    message->text[sizeof(message->text) - 1] = '\0';
    return true;
}

enum attendant_heard attendant_hear(struct attendant *attendant, struct text *why)
{
    struct message message;
    if (!receive(attendant, &message, why))
        return ATTENDANT_ENDED;
    text_append(why, "%s", message.text);
    return message.kind == NOTICE ? ATTENDANT_TOLD
           : message.is_well      ? ATTENDANT_WELL
                                  : ATTENDANT_FAILED;
}

/* False: a signal came first. */
static bool wait_for_answer(const struct attendant *attendant)
{
    struct pollfd source = {.fd = attendant->socket, .events = POLLIN};
    while (poll(&source, 1, LOOK_FOR_SIGNALS_MS) == 0)
        if (signals_have_come())
            return false;
    return true;
}

/* Before the network is up: a signal ends the wait. 0, or -errno and a sentence. */
static int ask_and_wait(struct attendant *attendant, int kind, struct text *why)
{
    if (attendant->socket < 0)
        return 0;
    if (!ask(attendant, kind, false)) {
        text_append(why, "the process that runs its hooks has ended");
        return -EPIPE;
    }
    if (wait_for_answer(attendant))
        return attendant_hear(attendant, why) == ATTENDANT_WELL ? 0 : -ECANCELED;
    text_append(why, "a signal ended it while a hook ran");
    return -EINTR;
}

int attendant_end_earlier(struct attendant *attendant, struct text *why)
{
    return ask_and_wait(attendant, EARLIER_PRE_DOWN, why);
}

int attendant_pre_up(struct attendant *attendant, struct text *why)
{
    return ask_and_wait(attendant, HOOK_PRE_UP, why);
}

bool attendant_post_down(struct attendant *attendant, struct log *log, struct text *why)
{
    struct message message = {.kind = NOTICE};
    bool is_heard = ask(attendant, HOOK_POST_DOWN, false), is_waiting = true;
    if (!is_heard)
        text_append(why, "the process that runs its hooks has ended");
    /* PreDown may be under way, whose answer comes first. */
    while (is_heard && is_waiting && message.kind != HOOK_POST_DOWN) {
        is_waiting = wait_for_answer(attendant);
        is_heard = is_waiting && receive(attendant, &message, why);
        if (is_heard && message.kind == NOTICE)
            log_notice(log, message.text);
    }
    if (!is_waiting)
        text_append(why, "a signal ended it while a hook ran");
    text_append(why, "%s", is_heard ? message.text : ": `hopwire down` runs PostDown");
    return is_heard && message.is_well;
}

void attendant_end(struct attendant *attendant)
{
    if (attendant->socket >= 0)
        close(attendant->socket);
    attendant->socket = -1;
}
