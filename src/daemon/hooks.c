/* SPDX-License-Identifier: MIT */
#include "daemon/hooks.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "daemon/hook_caller.h"
#include "daemon/saving.h"
#include "host/child.h"
#include "host/program.h"

#define PATIENCE_MS 4000 /* then it is told who is waited for */
#define TERM_PATIENCE_MS 2000

extern char **environ;

bool hooks_copy(struct hooks *hooks, const struct config *config)
{
    const char *file = config->hook_count ? config->hooks[0].place.file : "";
    const char *own = config->saves_itself ? config->tunnels[0].place.file : NULL;
    *hooks = (struct hooks){.network = strdup(config->name),
                            .interface = strdup(config->interface_name),
                            .file = strdup(file),
                            .saved = own ? realpath(own, NULL) : NULL,
                            .list = calloc(config->hook_count + 1, sizeof(*hooks->list))};
    bool is_whole = hooks->network && hooks->interface && hooks->file && hooks->list &&
                    (hooks->saved || !own);
    for (size_t i = 0; is_whole && i < config->hook_count; i++) {
        hooks->list[i] = config->hooks[i];
        hooks->list[i].command = strdup(config->hooks[i].command);
        is_whole = hooks->list[i].command != NULL;
        hooks->count = i + 1;
    }
    if (!is_whole)
        hooks_wipe(hooks);
    return is_whole;
}

/* It may have a secret among its words. */
static void forget(char *command)
{
    if (command)
        bytes_wipe(command, strlen(command));
    free(command);
}

void hooks_drop_at(struct hooks *hooks, size_t place)
{
    struct config_hook *at = &hooks->list[place];
    forget(at->command);
    memmove(at, at + 1, (--hooks->count - place) * sizeof(*at));
}

void hooks_drop(struct hooks *hooks, enum config_hook_kind kind)
{
    for (size_t i = hooks->count; i-- > 0;)
        if (hooks->list[i].kind == kind)
            hooks_drop_at(hooks, i);
}

void hooks_wipe(struct hooks *hooks)
{
    for (size_t i = 0; i < hooks->count; i++)
        forget(hooks->list[i].command);
    free(hooks->list);
    free(hooks->network);
    free(hooks->interface);
    free(hooks->file);
    free(hooks->saved);
    *hooks = (struct hooks){0};
}

/* ---- running ---- */

/* The command with the interface's name for each `%i`; NULL: no memory. */
static char *expand(const char *command, const char *interface)
{
    size_t places = 0, len = 0, interface_len = strlen(interface);
    for (const char *at = command; (at = strstr(at, "%i")); at += 2)
        places++;
    char *expanded = malloc(strlen(command) + places * interface_len + 1);
    for (const char *at = command; expanded && *at; at++) {
        bool is_interface = at[0] == '%' && at[1] == 'i';
        if (is_interface)
            memcpy(expanded + len, interface, interface_len);
        else
            expanded[len] = *at;
        len += is_interface ? interface_len : 1;
        at += is_interface;
    }
    if (expanded)
        expanded[len] = '\0';
    return expanded;
}

/* Nothing that we block or pass over is so for the command. 0 or an errno. */
static int start(const char *shell, char *const *arguments, pid_t *child)
{
    posix_spawnattr_t attributes;
    sigset_t none, all;
    if (posix_spawnattr_init(&attributes) != 0)
        return ENOMEM;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int error = posix_spawn(child, shell, NULL, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    return error;
}

/* "FILE:LINE: KIND: the command": which is not named, as it may have a key among its words. */
static void append_place(const struct hooks *hooks, const struct config_hook *hook,
                         struct text *text)
{
    text_append(text, "%.200s:%u: %s: the command ", hooks->file, hook->place.line,
                hook_caller_word(hook->kind));
}

static void tell_of_wait(const struct hooks *hooks, const struct config_hook *hook, pid_t child,
                         const struct hooks_waiter *waiter)
{
    struct text text = TEXT_ROOM(512);
    append_place(hooks, hook, &text);
    text_append(&text, "still runs, as process %d; %s", (int)child, waiter->way_out);
    if (waiter->tell)
        waiter->tell(text.bytes);
    else
        fprintf(stderr, "hopwire: %s: %s\n", hooks->network, text.bytes);
}

/* Ended, or made to: who wanted it is gone, or waits no longer. */
static void wait_for(const struct hooks *hooks, const struct config_hook *hook, pid_t child,
                     const struct hooks_waiter *waiter)
{
    struct pollfd sources[] = {{.fd = waiter->wanted[0], .events = POLLIN | POLLRDHUP},
                               {.fd = waiter->wanted[1]}}; /* a pipe's end tells that by itself */
    bool has_ended = child_wait(child, sources, 2, PATIENCE_MS);
    if (!has_ended && !sources[0].revents && !sources[1].revents) {
        tell_of_wait(hooks, hook, child, waiter);
        has_ended = child_wait(child, sources, 2, -1);
    }
    if (has_ended)
        return;
    kill(child, SIGTERM);
    if (!child_wait(child, NULL, 0, TERM_PATIENCE_MS))
        kill(child, SIGKILL);
}

/* Its wait status, or -errno. */
static int run(const struct hooks *hooks, const struct config_hook *hook, const char *command,
               const struct hooks_waiter *waiter)
{
    char shell[PROGRAM_PATH_BYTES];
    bool is_bash = program_find("bash", shell);
    if (!is_bash && !program_find("sh", shell))
        return -ENOENT;
    /* As wg-quick evaluates it. */
    const char *bash[] = {shell, "-e", "-o", "pipefail", "-O", "extglob", "-c", command, NULL};
    const char *plain[] = {shell, "-e", "-c", command, NULL};
    pid_t child;
    int status, error = start(shell, (char *const *)(is_bash ? bash : plain), &child);
    if (error)
        return -error;
    wait_for(hooks, hook, child, waiter);
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    return status;
}

static void tell_status(struct text *why, int status)
{
    if (status < 0)
        text_append(why, "did not run: %s", strerror(-status));
    else if (WIFSIGNALED(status))
        text_append(why, "was ended by signal %d", WTERMSIG(status));
    else
        text_append(why, "ended with exit status %d", WEXITSTATUS(status));
}

static bool run_all(const struct hooks *hooks, enum config_hook_kind kind,
                    const struct hooks_waiter *waiter, struct text *why)
{
    for (size_t i = 0; i < hooks->count; i++) {
        const struct config_hook *hook = &hooks->list[i];
        if (hook->kind != kind)
            continue;
        char *command = expand(hook->command, hooks->interface);
        if (command) {
            fprintf(stderr, "[#] %s\n", command);
            fflush(stderr);
        }
        hook_caller_begin(hooks->network, hook);
        int status = command ? run(hooks, hook, command, waiter) : -ENOMEM;
        hook_caller_end();
        forget(command);
        if (status == 0)
            continue;
        append_place(hooks, hook, why);
        tell_status(why, status);
        return false;
    }
    return true;
}

bool hooks_run(const struct hooks *hooks, enum config_hook_kind kind,
               const struct hooks_waiter *waiter, struct text *why)
{
    static const struct hooks_waiter nobody = {.wanted = {-1, -1}, .way_out = "Ctrl-C ends it"};
    setenv("LC_ALL", "C", true); /* as wg-quick does: commands read what others print */
    bool is_well = run_all(hooks, kind, waiter ? waiter : &nobody, why);
    int saved = is_well && kind == HOOK_PRE_DOWN && hooks->saved
                    ? saving_write(hooks->saved, hooks->interface, why)
                    : 0;
    /* A crashed network is nothing that could be saved. */
    return is_well && (saved == 0 || saved == -ENOENT);
}
