/* SPDX-License-Identifier: MIT */
#include "host/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/child.h"

#define USUAL_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define PATH_BYTES 4096
#define SAID_BYTES 256
#define KILLED_TIMEOUT_MS 1000

extern char **environ;

/* "PATH=…", with the usual directories behind the user's. */
static void whole_path(char path[PATH_BYTES])
{
    const char *own = getenv("PATH");
    int len = snprintf(path, PATH_BYTES, "PATH=%s%s%s", own ? own : "", own && *own ? ":" : "",
                       USUAL_PATH);
    if (len >= PATH_BYTES)
        snprintf(path, PATH_BYTES, "PATH=%s", USUAL_PATH);
}

bool program_find(const char *name, char found[PROGRAM_PATH_BYTES])
{
    char path[PATH_BYTES];
    whole_path(path);
    for (const char *at = path + strlen("PATH="); *at;) {
        size_t len = strcspn(at, ":");
        int written = snprintf(found, PROGRAM_PATH_BYTES, "%.*s/%s", (int)len, at, name);
        if (len && written < PROGRAM_PATH_BYTES && access(found, X_OK) == 0)
            return true;
        at += len + (at[len] == ':');
    }
    return false;
}

/* NULL: no memory. To be freed; its strings are borrowed. */
static char **make_environment(char *path)
{
    size_t count = 0, kept = 0;
    while (environ[count])
        count++;
    char **made = calloc(count + 2, sizeof(*made));
    for (size_t i = 0; made && i < count; i++)
        if (strncmp(environ[i], "PATH=", 5) != 0)
            made[kept++] = environ[i];
    if (made)
        made[kept] = path;
    return made;
}

/* A group of its own, to be killed as one; no signal blocked or ignored that we do; what it says
 * goes to `said`, which a service that it starts may keep without harm. 0 or an errno. */
static int start(const char *program, const char *const *arguments, int input, int said,
                 pid_t *child)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    char path[PATH_BYTES];
    whole_path(path);
    char **environment = make_environment(path);
    if (!environment || posix_spawn_file_actions_init(&actions) != 0 ||
        posix_spawnattr_init(&attributes) != 0) {
        free(environment);
        return ENOMEM;
    }
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);
    posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, said, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, said, STDERR_FILENO);
    int error = posix_spawn(child, program, &actions, &attributes, (char *const *)arguments,
                            environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    free(environment);
    return error;
}

/* Its wait status; -ETIMEDOUT: it was killed, and may still be dying. */
static int wait_for(pid_t child, int timeout_ms, int *status)
{
    bool is_over = child_wait(child, NULL, 0, timeout_ms);
    if (!is_over) {
        kill(-child, SIGKILL);
        child_wait(child, NULL, 0, KILLED_TIMEOUT_MS);
    }
    pid_t reaped;
    do {
        reaped = waitpid(child, status, is_over ? 0 : WNOHANG);
    } while (reaped < 0 && errno == EINTR);
    return !is_over ? -ETIMEDOUT : reaped < 0 ? -errno : 0;
}

/* The last line that is none of blanks alone: scripts tell of their failure last. */
static void read_said(int said, char line[SAID_BYTES])
{
    char bytes[2048];
    off_t end = lseek(said, 0, SEEK_END);
    off_t from = end > (off_t)sizeof(bytes) - 1 ? end - (off_t)sizeof(bytes) + 1 : 0;
    ssize_t len = end > 0 ? pread(said, bytes, sizeof(bytes) - 1, from) : 0;
    line[0] = '\0';
    if (len <= 0)
        return;
    bytes[len] = '\0';
    for (char *rest = bytes, *part; (part = strsep(&rest, "\n"));)
        if (part[strspn(part, " \t\r")])
            snprintf(line, SAID_BYTES, "%s", part);
    for (char *c = line; *c; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
}

static void tell(const char *const *arguments, const char *purpose, int result, int status,
                 int timeout_ms, const char *said, struct text *why)
{
    text_append(why, "%s %s did not %s: ", arguments[0], arguments[1], purpose);
    if (result == -ETIMEDOUT)
        text_append(why, "it did not end within %d s and was killed", timeout_ms / 1000);
    else if (result == -ENOENT)
        text_append(why, "there is no such program (any more)");
    else if (result != -EIO)
        text_append(why, "%s", strerror(-result));
    else if (WIFSIGNALED(status))
        text_append(why, "it was ended by signal %d", WTERMSIG(status));
    else
        text_append(why, "it ended with status %d", WEXITSTATUS(status));
    if (said[0])
        text_append(why, " and said \"%s\"", said);
}

int program_run(const char *const *arguments, const char *input, int timeout_ms,
                const char *purpose, struct text *why)
{
    char program[PROGRAM_PATH_BYTES], line[SAID_BYTES] = "";
    int ends[2] = {-1, -1}, status = 0, result = 0;
    pid_t child = 0;
    int said = memfd_create("said", MFD_CLOEXEC);
    if (!program_find(arguments[0], program))
        result = -ENOENT;
    else if (said < 0 || pipe2(ends, O_CLOEXEC) < 0)
        result = -errno;
    if (result == 0 && write(ends[1], input, strlen(input)) != (ssize_t)strlen(input))
        result = -EMSGSIZE;
    if (ends[1] >= 0)
        close(ends[1]);
    if (result == 0)
        result = -start(program, arguments, ends[0], said, &child);
    if (ends[0] >= 0)
        close(ends[0]);
    if (result == 0)
        result = wait_for(child, timeout_ms, &status);
    if (result == 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        result = -EIO;
    if (result != 0) {
        if (said >= 0)
            read_said(said, line);
        tell(arguments, purpose, result, status, timeout_ms, line, why);
    }
    if (said >= 0)
        close(said);
    return result;
}
