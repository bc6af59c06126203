/* SPDX-License-Identifier: MIT */
/* The record is JSON, locked by whoever runs what it holds (flock(2)): two `down` at once run each
 * command once. It is changed in place, under its lock, as replacing the file would leave the other
 * one with a file that is no more. */
#include "daemon/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/hook_caller.h"
#include "daemon/saving.h"
#include "host/life.h"
#include "host/program.h"
#include "host/state.h"

#define TERM_PATIENCE_MS 2000

extern char **environ;

static const char *const kind_names[HOOK_KINDS] = {
    [HOOK_PRE_UP] = "PreUp",
    [HOOK_POST_UP] = "PostUp",
    [HOOK_PRE_DOWN] = "PreDown",
    [HOOK_POST_DOWN] = "PostDown",
};

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

void hooks_wipe(struct hooks *hooks)
{
    for (size_t i = 0; i < hooks->count; i++)
        free(hooks->list[i].command);
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
    char *expanded = NULL;
    size_t len;
    FILE *to = open_memstream(&expanded, &len);
    if (!to)
        return NULL;
    for (const char *at = command; *at; at++) {
        bool is_interface = at[0] == '%' && at[1] == 'i';
        if (is_interface)
            fputs(interface, to);
        else
            fputc(*at, to);
        at += is_interface;
    }
    if (fclose(to) == 0)
        return expanded;
    free(expanded);
    return NULL;
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

/* Ended, or made to: who wanted it is gone, and does not wait for it. */
static void wait_for(pid_t child, const int wanted[2])
{
    int process = (int)syscall(SYS_pidfd_open, child, 0);
    struct pollfd sources[] = {{.fd = process, .events = POLLIN},
                               {.fd = wanted[0], .events = POLLRDHUP},
                               {.fd = wanted[1]}}; /* a pipe's end tells that by itself */
    while (process >= 0 && poll(sources, 3, -1) < 0)
        continue;
    if (process >= 0 && !sources[0].revents) {
        kill(child, SIGTERM);
        if (poll(sources, 1, TERM_PATIENCE_MS) == 0)
            kill(child, SIGKILL);
    }
    if (process >= 0)
        close(process);
}

/* Its wait status, or -errno. */
static int run(const char *command, const int wanted[2])
{
    char shell[PROGRAM_PATH_BYTES];
    bool is_bash = program_find("bash", shell);
    if (!is_bash && !program_find("sh", shell))
        return -ENOENT;
    const char *bash[] = {shell, "-e", "-o", "pipefail", "-c", command, NULL};
    const char *plain[] = {shell, "-e", "-c", command, NULL};
    pid_t child;
    int status, error = start(shell, (char *const *)(is_bash ? bash : plain), &child);
    if (error)
        return -error;
    if (wanted)
        wait_for(child, wanted);
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

static bool run_all(const struct hooks *hooks, enum config_hook_kind kind, const int wanted[2],
                    struct text *why)
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
        int status = command ? run(command, wanted) : -ENOMEM;
        free(command);
        if (status == 0)
            continue;
        /* The command is not named: it may have a key among its words. */
        text_append(why, "%.200s:%u: %s: the command ", hooks->file, hook->place.line,
                    kind_names[kind]);
        tell_status(why, status);
        return false;
    }
    return true;
}

bool hooks_run(const struct hooks *hooks, enum config_hook_kind kind, const int wanted[2],
               struct text *why)
{
    bool is_waited_for = kind != HOOK_POST_UP; /* `down` ends a PostUp */
    setenv("LC_ALL", "C", true); /* as wg-quick does: commands read what others print */
    if (is_waited_for)
        hook_caller_begin(hooks->network);
    bool is_well = run_all(hooks, kind, wanted, why);
    if (is_waited_for)
        hook_caller_end();
    int saved = is_well && kind == HOOK_PRE_DOWN && hooks->saved
                    ? saving_write(hooks->saved, hooks->interface, why)
                    : 0;
    /* A crashed network is nothing that could be saved. */
    return is_well && (saved == 0 || saved == -ENOENT);
}

/* ---- the record ---- */

static int record_path(const char *network, char path[STATE_PATH_BYTES], struct text *why)
{
    return state_path(network, ".hooks", path, why);
}

bool hooks_are_wanted(const struct config *config)
{
    char path[STATE_PATH_BYTES];
    return config->hook_count > 0 || config->saves_itself ||
           (record_path(config->name, path, TEXT_UNHEARD) == 0 && access(path, F_OK) == 0);
}

static char *print_record(const struct hooks *hooks)
{
    json_t *list = json_array();
    for (size_t i = 0; i < hooks->count; i++) {
        const struct config_hook *hook = &hooks->list[i];
        if (hook->kind == HOOK_PRE_DOWN || hook->kind == HOOK_POST_DOWN)
            json_array_append_new(list, json_pack("{s:s, s:i, s:s}", "kind",
                                                  kind_names[hook->kind], "line",
                                                  (int)hook->place.line, "command",
                                                  hook->command));
    }
    json_t *record = json_pack("{s:s, s:s, s:s*, s:o}", "interface", hooks->interface, "file",
                               hooks->file, "saved", hooks->saved, "hooks", list);
    char *text = record ? json_dumps(record, JSON_INDENT(1)) : NULL;
    json_decref(record);
    return text;
}

/* Into a record that we have. 0 or -errno. */
static int write_record(int record, const struct hooks *hooks)
{
    char *text = print_record(hooks);
    if (!text)
        return -EILSEQ; /* no UTF-8, or no memory */
    ssize_t len = (ssize_t)strlen(text), written = -1;
    if (ftruncate(record, 0) == 0)
        written = pwrite(record, text, (size_t)len, 0);
    int result = written == len ? 0 : written < 0 ? -errno : -ENOSPC;
    free(text);
    return result;
}

static bool has_kind(const struct hooks *hooks, enum config_hook_kind kind)
{
    for (size_t i = 0; i < hooks->count; i++) {
        if (hooks->list[i].kind == kind)
            return true;
    }
    return false;
}

static bool are_for_the_end(const struct hooks *hooks)
{
    return hooks->saved || has_kind(hooks, HOOK_PRE_DOWN) || has_kind(hooks, HOOK_POST_DOWN);
}

int hooks_record_write(const struct hooks *hooks, struct text *why)
{
    char path[STATE_PATH_BYTES];
    if (!are_for_the_end(hooks))
        return 0;
    int result = state_make_directory(why);
    if (result == 0)
        result = record_path(hooks->network, path, why);
    if (result != 0)
        return result;
    int record = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    result = record < 0 ? -errno : write_record(record, hooks);
    if (record >= 0)
        close(record);
    if (result == -EILSEQ)
        text_append(why, "a PreDown or PostDown of %s is no UTF-8 text; write it so", hooks->file);
    else if (result != 0)
        text_append(why, "cannot write %s: %s", path, strerror(-result));
    return result;
}

/* Who has the record is waited for: the one that runs it leaves none, or a network that has
 * ended. */
int hooks_record_replace(const struct hooks *hooks, struct text *why)
{
    char path[STATE_PATH_BYTES];
    struct stat taken;
    int result = record_path(hooks->network, path, why);
    if (result != 0)
        return result;
    bool is_wanted = are_for_the_end(hooks);
    int create = is_wanted ? O_CREAT : 0;
    int record = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | create, 0600);
    if (record < 0 || flock(record, LOCK_EX) < 0 || fstat(record, &taken) < 0)
        result = errno == ENOENT && record < 0 ? 0 : -errno;
    else if (taken.st_nlink > 0 && (!is_wanted || !life_goes_on(hooks->network)))
        result = unlink(path) < 0 ? -errno : 0;
    else if (taken.st_nlink > 0)
        result = write_record(record, hooks);
    if (record >= 0)
        close(record);
    if (result != 0)
        text_append(why, "cannot write %s: %s", path,
                    result == -EILSEQ ? "a PreDown or PostDown is no UTF-8 text"
                                      : strerror(-result));
    return result;
}

static bool parse_hook(const json_t *entry, struct config_hook *hook)
{
    const char *kind = json_string_value(json_object_get(entry, "kind"));
    const char *command = json_string_value(json_object_get(entry, "command"));
    hook->kind = HOOK_PRE_DOWN;
    while (kind && hook->kind < HOOK_KINDS && strcmp(kind_names[hook->kind], kind) != 0)
        hook->kind++;
    if (!kind || !command || hook->kind == HOOK_KINDS)
        return false;
    hook->place.line = (unsigned)json_integer_value(json_object_get(entry, "line"));
    return (hook->command = strdup(command)) != NULL;
}

static bool parse_record(const json_t *record, const char *network, struct hooks *hooks)
{
    const char *interface = json_string_value(json_object_get(record, "interface"));
    const char *file = json_string_value(json_object_get(record, "file"));
    const char *saved = json_string_value(json_object_get(record, "saved"));
    const json_t *list = json_object_get(record, "hooks"), *entry;
    size_t i;
    *hooks = (struct hooks){.network = strdup(network),
                            .interface = interface ? strdup(interface) : NULL,
                            .file = file ? strdup(file) : NULL,
                            .saved = saved ? strdup(saved) : NULL,
                            .list = calloc(json_array_size(list) + 1, sizeof(*hooks->list))};
    bool is_whole = hooks->network && hooks->interface && hooks->file && hooks->list;
    json_array_foreach (list, i, entry) {
        is_whole = is_whole && parse_hook(entry, &hooks->list[i]);
        if (is_whole)
            hooks->count = i + 1;
    }
    if (!is_whole)
        hooks_wipe(hooks);
    return is_whole;
}

int hooks_record_take(const char *network, bool waits, struct hooks *hooks, struct text *why)
{
    char path[STATE_PATH_BYTES];
    struct stat taken;
    *hooks = (struct hooks){0};
    int result = record_path(network, path, why);
    if (result != 0)
        return result;
    int record = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    int lock = waits ? LOCK_EX : LOCK_EX | LOCK_NB;
    if (record < 0 || flock(record, lock) < 0 || fstat(record, &taken) < 0) {
        result = -errno;
    } else if (taken.st_nlink == 0) {
        result = -ENOENT; /* who had it before has run all of it */
    } else {
        json_t *text = json_loadfd(record, 0, NULL);
        result = text && parse_record(text, network, hooks) ? record : -EBADMSG;
        json_decref(text);
    }
    if (result >= 0)
        return result;
    if (record >= 0)
        close(record);
    if (result == -EBADMSG)
        text_append(why, "%s is damaged: run what the network's PreDown and PostDown say by hand, "
                         "then remove it",
                    path);
    else if (result != -ENOENT && result != -EWOULDBLOCK)
        text_append(why, "cannot read %s: %s", path, strerror(-result));
    return result;
}

static void forget_saved(struct hooks *hooks)
{
    free(hooks->saved);
    hooks->saved = NULL;
}

int hooks_record_forget(int record, struct hooks *hooks, enum config_hook_kind kind,
                        struct text *why)
{
    char path[STATE_PATH_BYTES];
    size_t kept = 0;
    for (size_t i = 0; i < hooks->count; i++) {
        if (hooks->list[i].kind == kind)
            free(hooks->list[i].command);
        else
            hooks->list[kept++] = hooks->list[i];
    }
    hooks->count = kept;
    if (kind == HOOK_PRE_DOWN)
        forget_saved(hooks);
    int result = record_path(hooks->network, path, why);
    if (result == 0)
        result = kept || hooks->saved ? write_record(record, hooks) : unlink(path) < 0 ? -errno : 0;
    if (result != 0 && result != -ENOENT)
        text_append(why, "cannot write %s: %s", path, strerror(-result));
    return result == -ENOENT ? 0 : result;
}

void hooks_record_drop(const char *network)
{
    char path[STATE_PATH_BYTES];
    if (record_path(network, path, TEXT_UNHEARD) == 0)
        unlink(path);
}

bool hooks_end_earlier(const char *network, const int wanted[2], struct text *why)
{
    struct hooks hooks;
    int record = hooks_record_take(network, true, &hooks, why);
    if (record < 0)
        return record == -ENOENT;
    bool is_well = true;
    forget_saved(&hooks); /* the file is already what comes next */
    for (enum config_hook_kind kind = HOOK_PRE_DOWN; kind < HOOK_KINDS; kind++) {
        if (why->len)
            text_append(why, "; ");
        is_well &= hooks_run(&hooks, kind, wanted, why);
        is_well &= hooks_record_forget(record, &hooks, kind, why) == 0;
    }
    hooks_wipe(&hooks);
    close(record);
    return is_well;
}
