/* SPDX-License-Identifier: MIT */
#include "cli/background.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/command.h"
#include "host/child.h"

/* A terminal's or a service manager's; a second one ends us as the first would have. */
static int catch_signals(sigset_t *before)
{
    static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    sigset_t signals;
    sigemptyset(&signals);
    for (size_t i = 0; i < sizeof(ending) / sizeof(*ending); i++)
        sigaddset(&signals, ending[i]);
    sigprocmask(SIG_BLOCK, &signals, before);
    return signalfd(-1, &signals, SFD_CLOEXEC);
}

/* True: the child is ready, or has ended; false: a signal came. */
static bool wait_for_end(int pipe_end, int signals)
{
    struct pollfd sources[] = {{.fd = pipe_end, .events = POLLIN},
                               {.fd = signals, .events = POLLIN}};
    while (poll(sources, 2, -1) < 0)
        continue;
    return sources[0].revents != 0;
}

/* The child hears that nobody waits for it, and undoes what it did: that is over before we end. */
static void end_by_signal(pid_t child, int pipe_end, int signals, const sigset_t *before)
{
    struct signalfd_siginfo info = {.ssi_signo = SIGTERM};
    struct pollfd again = {.fd = signals, .events = POLLIN};
    if (read(signals, &info, sizeof(info)) < 0)
        info.ssi_signo = SIGTERM;
    close(pipe_end);
    child_wait(child, &again, 1, -1);
    sigprocmask(SIG_SETMASK, before, NULL);
    raise((int)info.ssi_signo);
}

static int wait_for_child(pid_t child, int pipe_end, const char *advice)
{
    sigset_t before;
    char ready;
    ssize_t got;
    int signals = catch_signals(&before);
    if (!wait_for_end(pipe_end, signals))
        end_by_signal(child, pipe_end, signals, &before);
    do {
        got = read(pipe_end, &ready, 1);
    } while (got < 0 && errno == EINTR);
    if (got == 1)
        return COMMAND_DONE;
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status))
        fprintf(stderr, "hopwire: the daemon was ended by signal %d%s\n", WTERMSIG(status), advice);
    return COMMAND_REFUSED;
}

int background_run(int (*run)(void *context, int pipe_end), void *context, const char *advice)
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
        return wait_for_child(child, ends[0], advice);
    }
    close(ends[0]);
    return run(context, ends[1]);
}

bool background_tell(int pipe_end)
{
    bool is_heard = pipe_end < 0 || write(pipe_end, "R", 1) == 1;
    if (pipe_end >= 0)
        close(pipe_end);
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

/* First all out of the way, so that none takes another's place. */
void background_leave_caller(int *const *ends, unsigned count)
{
    const int first = STDERR_FILENO + 1;
    setsid();
    for (unsigned i = 0; i < count; i++) {
        int moved = fcntl(*ends[i], F_DUPFD_CLOEXEC, first + (int)count);
        if (moved < 0)
            return; /* no room: what is open stays so */
        *ends[i] = moved;
    }
    for (unsigned i = 0; i < count; i++)
        if (dup3(*ends[i], first + (int)i, O_CLOEXEC) >= 0)
            *ends[i] = first + (int)i;
    close_range((unsigned)first + count, ~0u, 0);
    if (chdir("/") != 0)
        return; /* then it stays where it was started */
}
