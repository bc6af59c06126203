/* SPDX-License-Identifier: MIT */
#include "cli/background.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/command.h"

static int wait_for_child(pid_t child, int pipe_end, const char *advice)
{
    char ready;
    ssize_t got;
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
